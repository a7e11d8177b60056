"""What the tests of unrecorded requests share: an application that keeps what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry import baggage
from opentelemetry import context as context_api
from opentelemetry import trace as trace_api
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import bentotrace
from bentotrace.integrations.asgi import TracingMiddleware

TRACE_ID, SPAN_ID = 0x5555, 0x7777

EXCLUDING = {"sample_rate": 1, "excluded_urls": ["/healthz", "internal=1"]}


def caller(flags: str) -> list[tuple[bytes, bytes]]:
    parent = f"00-{TRACE_ID:032x}-{SPAN_ID:016x}-{flags}"
    return [(b"traceparent", parent.encode()), (b"tracestate", b"shop=1")]


class Asked:
    """What an application saw of the requests that it was sent.

    Attributes:
        tracing: where spans go.
        seen: of each, its span's context, and whether the middleware was between.
        baggage: what came with each.
        sent: what the client was.
        spans: the names of the server spans and those in the application.
    """

    def __init__(self, tracing: bentotrace.Tracing, **options: Any) -> None:
        self.seen: list[tuple[trace_api.SpanContext, bool]] = []
        self.baggage: list[dict[str, object]] = []
        self.sent: list[dict[str, Any]] = []
        self._exporter = InMemorySpanExporter()
        tracing.provider.add_span_processor(SimpleSpanProcessor(self._exporter))  # type: ignore[attr-defined]
        self.tracing = tracing
        self._tracer = tracing.provider.get_tracer("test")
        self.middleware = TracingMiddleware(self._app, tracing, **options)

    @property
    def spans(self) -> list[str]:
        made = self._exporter.get_finished_spans()
        return [span.name for span in made if not span.name.endswith((" send", " receive"))]

    def ask(self, path: str = "/healthz", **more: Any) -> tuple[trace_api.SpanContext, bool]:
        """Send a request; the context is then as it was."""
        asyncio.run(self._serve(path, **more))
        return self.seen[-1]

    def ask_at_once(self, requests: int, path: str = "/predict") -> None:
        """Send requests that are served side by side."""

        async def serve() -> None:
            await asyncio.gather(*(self._serve(path) for _ in range(requests)))

        asyncio.run(serve())

    async def _serve(self, path: str, **more: Any) -> None:
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": b"",
            "headers": [],
            "server": ("10.0.0.1", 8000),
            "scheme": "http",
            **more,
        }
        before = context_api.get_current()
        await self.middleware(scope, self._receive, self._send)
        assert context_api.get_current() == before

    async def _receive(self) -> dict[str, Any]:
        return {"type": "http.request"}

    async def _send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    async def _app(self, _scope: Any, _receive: Any, send: Any) -> None:
        await asyncio.sleep(0)
        with self._tracer.start_as_current_span("work"):
            pass
        span = trace_api.get_current_span()
        assert span.get_span_context() is span.get_span_context()
        self.baggage.append(dict(baggage.get_all()))
        # OpenTelemetry's middleware sends by a function of its own.
        self.seen.append((span.get_span_context(), hasattr(send, "__wrapped__")))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})


@contextmanager
def serving(options: dict[str, Any], **middleware: Any) -> Iterator[Asked]:
    with bentotrace.build({"exporter_type": "none", **options}) as tracing:
        yield Asked(tracing, **middleware)
