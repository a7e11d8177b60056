"""The gRPC receivers: OTLP and Jaeger."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from bentotrace.ui import jaeger_protobuf, otlp
from bentotrace.ui.bodies import MAX_BODY
from bentotrace.ui.model import Decoded, UnreadableError
from bentotrace.ui.receivers import Decode, decode_safely
from bentotrace.ui.store import Store, StoreFullError

__all__ = ["start_grpc_receiver"]

_WRITE_SECONDS = 10.0
_METHODS: dict[str, tuple[str, str, Decode, Callable[[Decoded], bytes]]] = {
    "otlp_grpc": (
        "opentelemetry.proto.collector.trace.v1.TraceService",
        "Export",
        otlp.decode_protobuf,
        otlp.encode_response,
    ),
    "jaeger_grpc": (
        "jaeger.api_v2.CollectorService",
        "PostSpans",
        jaeger_protobuf.decode_post_spans,
        lambda decoded: b"",
    ),
}


def start_grpc_receiver(name: str, address: str, store: Store) -> tuple[Any, int]:
    """Start the receiver "otlp_grpc" or "jaeger_grpc"; return its server and its port.

    Raises:
        OSError: it cannot listen on the address.
    """
    service, method, decode, respond = _METHODS[name]

    def receive(body: bytes, context: Any) -> bytes:
        try:
            decoded = decode_safely(decode, body)
            if decoded.spans:
                store.add(decoded.spans).result(_WRITE_SECONDS)
        except UnreadableError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error)[:500])
        except StoreFullError:
            context.abort(grpc.StatusCode.UNAVAILABLE, "more spans arrive than can be written")
        except Exception as error:
            context.abort(grpc.StatusCode.UNAVAILABLE, f"the store cannot be written: {error}")
        return respond(decoded)

    server = grpc.server(
        ThreadPoolExecutor(4, thread_name_prefix=f"ui-{name}"),
        options=[("grpc.max_receive_message_length", MAX_BODY), ("grpc.so_reuseport", 0)],
        maximum_concurrent_rpcs=64,
    )
    handler = grpc.unary_unary_rpc_method_handler(receive)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {method: handler}),)
    )
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"cannot listen on {address}") from error
    if not port:
        raise OSError(f"cannot listen on {address}")
    server.start()
    return server, port
