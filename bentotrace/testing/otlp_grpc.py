"""The receiver of OTLP over gRPC."""

from __future__ import annotations

import grpc

from bentotrace.testing.grpc_server import GRPCReceiver, Response
from bentotrace.testing.otlp import decode_request, partial_success
from bentotrace.testing.receiver import ReceivedSpan

__all__ = ["OTLPGRPCReceiver"]


class OTLPGRPCReceiver(GRPCReceiver):
    """Receives ``TraceService/Export``; arguments as :class:`GRPCReceiver`."""

    service = "opentelemetry.proto.collector.trace.v1.TraceService"
    method = "Export"

    def respond_with_partial_success(
        self, rejected_spans: int, message: str = "", *, times: int = 1
    ) -> None:
        """Respond OK to the next calls, and report spans of each as rejected.

        The last ``rejected_spans`` of each call are not kept.
        """
        body = partial_success(rejected_spans, message)
        response = Response(grpc.StatusCode.OK, body=body, rejected_spans=max(rejected_spans, 0))
        self._scripted.extend([response] * times)

    def decode(self, body: bytes) -> list[ReceivedSpan]:
        """Decode an ``ExportTraceServiceRequest``."""
        return decode_request(body)
