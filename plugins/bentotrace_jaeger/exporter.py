"""The exporters of Jaeger: datagrams to an agent, or requests to a collector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter

from bentotrace.plugin import BuildContext
from bentotrace.transport import Outcome
from bentotrace.transport.exporter import OutcomeExporter, grpc_exporter, http_exporter
from bentotrace.transport.splitting import explain_size
from bentotrace.transport.udp import Packing, UDPTransport
from bentotrace_jaeger.config import JaegerOptions
from bentotrace_jaeger.destination import Agent

__all__ = ["AgentExporter", "create"]

_METHOD = "/jaeger.api_v2.CollectorService/PostSpans"


def create(options: JaegerOptions, context: BuildContext) -> SpanExporter:
    """Return the exporter that the options select; open nothing."""
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
    if options.over_grpc:
        from bentotrace_jaeger.protobuf import ProtobufEncoder

        encode = ProtobufEncoder().encode
        return grpc_exporter(encode, destination, _METHOD, options.grpc, context, by_resource=True)
    from bentotrace_jaeger.binary import BinaryEncoder

    return http_exporter(
        BinaryEncoder().encode,
        destination.address,
        options.thrift,
        context,
        content_type="application/x-thrift",
        headers=options.credentials(),
        by_resource=True,
    )


class AgentExporter(OutcomeExporter):
    """Sends Thrift's compact protocol over UDP."""

    def __init__(self, transport: UDPTransport, context: BuildContext) -> None:
        from bentotrace_jaeger.compact import CompactEncoder

        super().__init__(context, transport.close)
        self._transport = transport
        self._encoder = CompactEncoder()

    def export_outcomes(self, spans: Sequence[ReadableSpan]) -> Iterator[tuple[Outcome, int]]:
        """Send a batch; yield the outcome of each datagram, and its number of spans."""
        for group, batch in self.encode_groups(spans, self._encoder.encode, by_resource=True):
            packing = Packing(batch.overhead, batch.assemble)
            for outcome, indexes in self._transport.send(batch.spans, packing):
                part = [group[index] for index in indexes]
                size = batch.overhead + sum(len(batch.spans[index]) for index in indexes)
                yield explain_size(outcome, part, size), len(part)
