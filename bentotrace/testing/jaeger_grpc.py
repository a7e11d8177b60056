"""The receiver of Jaeger's Protobuf over gRPC."""

from __future__ import annotations

from bentotrace.testing.grpc_server import GRPCReceiver
from bentotrace.testing.jaeger_protobuf import decode_post_spans
from bentotrace.testing.spans import ReceivedSpan

__all__ = ["JaegerGRPCReceiver"]


class JaegerGRPCReceiver(GRPCReceiver):
    """Receives ``CollectorService/PostSpans``; arguments as :class:`GRPCReceiver`."""

    _service = "jaeger.api_v2.CollectorService"
    _method = "PostSpans"

    def _decode(self, body: bytes) -> list[ReceivedSpan]:
        return decode_post_spans(body)
