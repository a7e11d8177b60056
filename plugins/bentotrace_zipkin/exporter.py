"""The exporter: encode a batch, send it, and report what became of it."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from bentotrace.plugin import BuildContext
from bentotrace.transport import Outcome
from bentotrace.transport.halving import explain_size, send_in_halves
from bentotrace.transport.http import HTTPTransport
from bentotrace_zipkin.config import ZipkinOptions
from bentotrace_zipkin.encoder import JSONEncoder

__all__ = ["ZipkinExporter", "create"]


def create(options: ZipkinOptions, context: BuildContext) -> SpanExporter:
    """Make the exporter; opens nothing."""
    transport = HTTPTransport(
        options.url(),
        headers=options.headers,
        timeout=context.timeout,
        compression=options.compression,
        tls=options.tls(),
        user_agent=context.user_agent,
        on_retry=context.report_retry,
        redaction=context.redaction,
        content_type="application/json",
    )
    return ZipkinExporter(JSONEncoder(options.local_endpoint()), transport, context)


class ZipkinExporter(SpanExporter):
    """Sends batches of spans as one JSON array each, and less at a time when that is too large."""

    def __init__(
        self, encoder: JSONEncoder, transport: HTTPTransport, context: BuildContext
    ) -> None:
        self._encoder = encoder
        self._transport = transport
        self._context = context

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch; what became of it is reported to the context."""
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
        return explain_size(self._transport.send(body, timeout=timeout), spans, len(body))
