"""The exporters: encode a batch for each resource, send it, and report what became of it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Protocol

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from bentotrace.encoding import group_by_resource
from bentotrace.plugin import BuildContext
from bentotrace.transport import Outcome, TLSConfig
from bentotrace.transport.halving import explain_size, send_in_halves
from bentotrace.transport.udp import Packing, UDPTransport
from bentotrace_jaeger.compact import CompactEncoder
from bentotrace_jaeger.config import JaegerOptions
from bentotrace_jaeger.destination import Agent, Collector

__all__ = ["AgentExporter", "CollectorExporter", "create"]

_METHOD = "/jaeger.api_v2.CollectorService/PostSpans"
_CONTENT_TYPE = "application/x-thrift"


class _Transport(Protocol):
    def send(self, body: bytes, *, timeout: float | None = None) -> Outcome: ...

    def close(self) -> None: ...


class _Encoder(Protocol):
    def encode(self, spans: Sequence[ReadableSpan]) -> bytes: ...


def create(options: JaegerOptions, context: BuildContext) -> SpanExporter:
    """Make the exporter that the options select; opens nothing."""
    destination = options.destination()
    if isinstance(destination, Agent):
        transport = UDPTransport(
            destination.host,
            destination.port,
            timeout=context.timeout,
            max_packet_size=options.thrift.max_packet_size,
            split=options.thrift.udp_split_oversized_batches,
        )
        return AgentExporter(transport, context)
    if options.protocol == "grpc":
        return _grpc(destination, options, context)
    return _http(destination, options, context)


class AgentExporter(SpanExporter):
    """Sends Thrift's compact protocol in datagrams."""

    def __init__(self, transport: UDPTransport, context: BuildContext) -> None:
        self._context = context
        self._transport = transport
        self._encoder = CompactEncoder()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch; what became of it is reported to the context."""
        sent = True
        for group in group_by_resource(spans):
            batch = self._encoder.encode(group)
            packing = Packing(batch.overhead, batch.assemble)
            for outcome, indexes in self._transport.send(batch.spans, packing):
                part = [group[index] for index in indexes]
                size = batch.overhead + sum(len(batch.spans[index]) for index in indexes)
                self._context.report(explain_size(outcome, part, size), len(part))
                sent &= outcome.ok
        return SpanExportResult.SUCCESS if sent else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Close the socket."""
        self._transport.close()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Return True: nothing waits in here."""
        return True


class CollectorExporter(SpanExporter):
    """Sends one message for each resource, and less at a time when that is too large."""

    def __init__(self, encoder: _Encoder, transport: _Transport, context: BuildContext) -> None:
        self._context = context
        self._encoder = encoder
        self._transport = transport

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch; what became of it is reported to the context."""
        sent = True
        for group in group_by_resource(spans):
            parts = send_in_halves(group, self._send, timeout=self._context.timeout)
            for outcome, part in parts:
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


def _http(collector: Collector, options: JaegerOptions, context: BuildContext) -> SpanExporter:
    from bentotrace.transport.http import HTTPTransport
    from bentotrace_jaeger.binary import BinaryEncoder

    headers = dict(options.thrift.headers)
    if options.username is not None:
        credentials = f"{options.username}:{options.password}".encode()
        headers = {"Authorization": f"Basic {b64encode(credentials).decode()}", **headers}
    transport = HTTPTransport(
        collector.address,
        headers=headers,
        timeout=context.timeout,
        tls=TLSConfig(ca_file=options.thrift.certificate_file),
        user_agent=context.user_agent,
        on_retry=context.report_retry,
        redaction=context.redaction,
        content_type=_CONTENT_TYPE,
    )
    return CollectorExporter(BinaryEncoder(), transport, context)


def _grpc(collector: Collector, options: JaegerOptions, context: BuildContext) -> SpanExporter:
    from bentotrace.transport.grpc import GRPCTransport
    from bentotrace_jaeger.protobuf import ProtobufEncoder

    transport = GRPCTransport(
        collector.address,
        _METHOD,
        headers=options.grpc.headers,
        timeout=context.timeout,
        tls=TLSConfig(ca_file=options.grpc.certificate_file) if collector.tls else None,
        user_agent=context.user_agent,
        on_retry=context.report_retry,
        redaction=context.redaction,
    )
    return CollectorExporter(ProtobufEncoder(), transport, context)
