"""The receiver of OTLP over gRPC."""

from __future__ import annotations

import grpc

from bentotrace.testing.grpc_server import Answer, GRPCReceiver
from bentotrace.testing.otlp import decode_request, partial_success
from bentotrace.testing.spans import ReceivedSpan

__all__ = ["OTLPGRPCReceiver"]


class OTLPGRPCReceiver(GRPCReceiver):
    """Receives ``TraceService/Export``; arguments as :class:`GRPCReceiver`."""

    _service = "opentelemetry.proto.collector.trace.v1.TraceService"
    _method = "Export"

    def respond_with_partial_success(
        self, rejected_spans: int, message: str = "", *, times: int = 1
    ) -> None:
        """Answer the next calls OK, but say that so many of their spans were not taken.

        The last ``rejected_spans`` of each call are not kept.
        """
        body = partial_success(rejected_spans, message)
        answer = Answer(grpc.StatusCode.OK, body=body, rejected_spans=max(rejected_spans, 0))
        self._answers.extend([answer] * times)

    def _decode(self, body: bytes) -> list[ReceivedSpan]:
        return decode_request(body)
