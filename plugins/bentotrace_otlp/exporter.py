"""The exporter: encode a batch, send it, and read what the receiver says of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import evolve
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from bentotrace.plugin import BuildContext
from bentotrace.redaction import Redaction
from bentotrace.transport import FailureKind, Outcome
from bentotrace.transport.halving import explain_size, send_in_halves
from bentotrace.transport.protobuf import read_fields
from bentotrace_otlp.config import OTLPOptions, tls_of
from bentotrace_otlp.encoder import TraceEncoder
from bentotrace_otlp.endpoint import resolve_endpoint

__all__ = ["OTLPExporter", "create"]

_METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_CONTENT_TYPE = "application/x-protobuf"


class _Transport(Protocol):
    def send(self, body: bytes, *, timeout: float | None = None) -> Outcome: ...

    def close(self) -> None: ...


def create(options: OTLPOptions, context: BuildContext) -> SpanExporter:
    """Make an exporter with the transport that the options name; opens no connection."""
    return OTLPExporter(_transport(options, context), context)


class OTLPExporter(SpanExporter):
    """Sends batches of spans as ``ExportTraceServiceRequest``."""

    def __init__(self, transport: _Transport, context: BuildContext) -> None:
        self._transport = transport
        self._context = context
        self._encoder = TraceEncoder()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch, and less at a time when that is too large.

        What became of it is reported to the context.
        """
        sent = True
        for outcome, part in send_in_halves(spans, self._send, timeout=self._context.timeout):
            self._context.report(outcome, len(part))
            sent &= outcome.ok
        return SpanExportResult.SUCCESS if sent else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Close the connection; what is being sent ends as a failure."""
        self._transport.close()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Return True: nothing waits in here."""
        return True

    def _send(self, spans: Sequence[ReadableSpan], timeout: float) -> Outcome:
        body = self._encoder.encode(spans)
        outcome = _judged(self._transport.send(body, timeout=timeout), self._context.redaction)
        return explain_size(outcome, spans, len(body))


def _transport(options: OTLPOptions, context: BuildContext) -> _Transport:
    endpoint = resolve_endpoint(options.endpoint, options.protocol, options.grpc.insecure)
    if options.protocol == "http":
        from bentotrace.transport.http import HTTPTransport

        return HTTPTransport(
            endpoint.address,
            headers=options.http.headers,
            timeout=context.timeout,
            compression=options.compression,
            tls=tls_of(options.http),
            user_agent=context.user_agent,
            on_retry=context.report_retry,
            redaction=context.redaction,
            content_type=_CONTENT_TYPE,
        )
    from bentotrace.transport.grpc import GRPCTransport

    return GRPCTransport(
        endpoint.address,
        _METHOD,
        headers=options.grpc.headers,
        timeout=context.timeout,
        compression=options.compression,
        tls=tls_of(options.grpc) if endpoint.tls else None,
        user_agent=context.user_agent,
        on_retry=context.report_retry,
        redaction=context.redaction,
    )


def _judged(outcome: Outcome, redaction: Redaction) -> Outcome:
    """Turn an answer with a partial success into the failure that it is.

    ``ExportTraceServiceResponse{1: partial_success{1: rejected_spans, 2: error_message}}``.
    """
    if not outcome.ok or not outcome.body:
        return outcome
    try:
        rejected, message = _partial_success(outcome.body)
    except ValueError:
        # Some receivers answer 200 with JSON or plain words; a web page is no receiver.
        if not outcome.body.lstrip().startswith(b"<"):
            return outcome
        reason = "a web page answered, not an OTLP receiver; check host, port and path"
        return evolve(outcome, ok=False, kind=FailureKind.PROTOCOL, reason=reason)
    if not rejected:
        return outcome
    told = redaction.line(message)
    reason = f"the receiver took the request and refused {rejected} of its spans: {told}"
    return evolve(outcome, ok=False, kind=FailureKind.PARTIAL, reason=reason, rejected=rejected)


def _partial_success(body: bytes) -> tuple[int, str]:
    rejected, message = 0, "without a reason"
    for number, _, value in read_fields(body):
        if number != 1 or not isinstance(value, bytes):
            continue
        for inner, _, content in read_fields(value):
            if inner == 1 and isinstance(content, int):
                rejected = content
            elif inner == 2 and isinstance(content, bytes) and content:
                message = content.decode("utf-8", "replace")
    return rejected, message
