"""A service of one of several kinds, run in a process of its own by the tests of the integrations.

``python service.py KIND CONFIGURATION [NEXT]`` serves on a free port, whose number it prints. It
answers every request, and first asks the service at NEXT, if there is one: a URL, or the host:port
of a gRPC server. It ends at SIGTERM, or when its standard input ends.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from concurrent import futures
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from opentelemetry.propagate import inject
from opentelemetry.trace import SpanKind

import bentotrace

tracing = bentotrace.configure(sys.argv[2])
given = None if "SERVICE_TAKES_GLOBAL" in os.environ else tracing
tracer = tracing.provider.get_tracer("service")
following = sys.argv[3] if len(sys.argv) > 3 else ""


def work() -> None:
    """Do what every request asks for, in a span."""
    with tracer.start_as_current_span("work"):
        if following.startswith("http"):
            call_http()
        elif following:
            call_grpc()


def call_http() -> None:
    with tracer.start_as_current_span("GET", kind=SpanKind.CLIENT):
        headers: dict[str, str] = {}
        inject(headers)
        with urllib.request.urlopen(urllib.request.Request(following, headers=headers)) as answer:
            assert answer.status == 200


def call_grpc() -> None:
    import grpc

    from bentotrace.integrations.grpc import trace_channel

    with grpc.insecure_channel(following) as channel:
        add = trace_channel(channel, given).unary_unary("/shop.Cart/Add")
        assert add(b"apple", timeout=30) == b"apple"


def serve_asgi() -> None:
    import uvicorn

    from bentotrace.integrations.asgi import TracingMiddleware

    async def app(
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        if scope["type"] == "lifespan":
            for stage in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{stage}.complete"})
            return
        while (await receive()).get("more_body"):
            pass
        await asyncio.to_thread(work)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"served"})

    listening = socket.create_server(("127.0.0.1", 0))
    tell(listening.getsockname()[1])
    config = uvicorn.Config(TracingMiddleware(app, given), log_level="warning")
    uvicorn.Server(config).run([listening])


def serve_wsgi() -> None:
    from bentotrace.integrations.wsgi import TracingMiddleware

    class Quiet(WSGIRequestHandler):
        def log_message(self, *_arguments: Any) -> None:
            pass

    def app(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
        work()
        start_response("200 OK", [])
        return [b"served"]

    with make_server("127.0.0.1", 0, TracingMiddleware(app, given), handler_class=Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        tell(server.server_port)
        wait()
        server.shutdown()


def serve_grpc() -> None:
    import grpc

    from bentotrace.integrations.grpc import server_interceptor

    def add(request: bytes, _context: Any) -> bytes:
        work()
        return request

    def every(request: bytes, _context: Any) -> Iterator[bytes]:
        work()
        yield request
        yield request

    server = grpc.server(futures.ThreadPoolExecutor(4), interceptors=[server_interceptor(given)])
    server.add_generic_rpc_handlers(handlers(add, every))
    tell(server.add_insecure_port("127.0.0.1:0"))
    server.start()
    wait()
    server.stop(5).wait()


def serve_grpc_aio() -> None:
    import grpc

    from bentotrace.integrations.grpc import aio_server_interceptor

    async def add(request: bytes, _context: Any) -> bytes:
        work()
        return request

    async def every(request: bytes, _context: Any) -> AsyncIterator[bytes]:
        work()
        yield request
        yield request

    async def serve() -> None:
        server = grpc.aio.server(interceptors=[aio_server_interceptor(given)])
        server.add_generic_rpc_handlers(handlers(add, every))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        tell(port)
        await asyncio.to_thread(wait)
        await server.stop(5)

    asyncio.run(serve())


def handlers(add: Any, every: Any) -> tuple[Any, ...]:
    import grpc

    unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
    return (
        grpc.method_handlers_generic_handler(
            "shop.Cart", {"Add": unary(add), "Every": stream(every)}
        ),
        grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": unary(add)}),
    )


def tell(port: int) -> None:
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()


def wait() -> None:
    sys.stdin.read()


SERVE = {"asgi": serve_asgi, "wsgi": serve_wsgi, "grpc": serve_grpc, "grpc-aio": serve_grpc_aio}

if __name__ == "__main__":
    SERVE[sys.argv[1]]()
    if sys.argv[1] == "asgi":
        # As a server that ends itself by its signal, which some versions of uvicorn do.
        os._exit(0)
