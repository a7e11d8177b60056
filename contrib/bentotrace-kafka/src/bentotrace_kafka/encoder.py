"""Spans as the messages of a topic, by the names that the Collector has for their formats.

=================  ===========================================================  ===================
encoding           a message                                                    read by
=================  ===========================================================  ===================
``otlp_proto``     the spans of a trace in the batch, as OTLP ``TracesData``    Collector, Jaeger
``jaeger_proto``   one span with its process, as ``jaeger.api_v2.Span``         Collector, Jaeger
``zipkin_json``    the spans of a trace in the batch, as a JSON array           Zipkin, Collector
=================  ===========================================================  ===================

The key of each message is the trace id in 32 hexadecimal digits, so that all spans of a trace are
in one partition, and one consumer gets them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen
from bentotrace.encoding import field, group_by_resource, read_fields
from opentelemetry.sdk.trace import ReadableSpan

from bentotrace_kafka.options import Encoding

__all__ = ["Encode", "Message", "make_encoder"]


@frozen
class Message:
    """A message of a topic.

    Attributes:
        key: the trace id.
        body: the encoded spans.
        spans: the same, not encoded.
    """

    key: bytes
    body: bytes
    spans: Sequence[ReadableSpan]


Encode = Callable[[Sequence[ReadableSpan]], list[Message]]
"""Encodes a batch; raises for a span that cannot be encoded."""


def make_encoder(encoding: Encoding) -> Encode:
    """Return the function that encodes a batch; one thread at a time may call it."""
    if encoding == "jaeger_proto":
        from bentotrace_jaeger.protobuf import ProtobufEncoder

        return _by_span(ProtobufEncoder().encode)
    if encoding == "zipkin_json":
        from bentotrace_zipkin.encoder import JSONEncoder

        return _by_trace(JSONEncoder({}).encode)
    from bentotrace_otlp.encoder import TraceEncoder

    return _by_trace(TraceEncoder().encode)


def _by_trace(encode: Callable[[Sequence[ReadableSpan]], bytes]) -> Encode:
    def encode_batch(spans: Sequence[ReadableSpan]) -> list[Message]:
        traces: dict[int, list[ReadableSpan]] = {}
        for span in spans:
            traces.setdefault(span.context.trace_id, []).append(span)
        return [Message(_key(number), encode(trace), trace) for number, trace in traces.items()]

    return encode_batch


# Source: jaeger-idl, ``proto/api_v2/model.proto`` and ``collector.proto``.
_BATCH = _SPAN = 1
_PROCESS = 2
_PROCESS_OF_SPAN = b"\x52"


def _by_span(encode: Callable[[Sequence[ReadableSpan]], bytes]) -> Encode:
    """Return an encoder that takes the requests of Jaeger's collector apart."""

    def encode_batch(spans: Sequence[ReadableSpan]) -> list[Message]:
        messages = []
        for group in group_by_resource(spans):
            (batch,) = _read(encode(group), _BATCH)
            (process,) = _read(batch, _PROCESS)
            end = field(_PROCESS_OF_SPAN, process)
            for span, body in zip(group, _read(batch, _SPAN), strict=True):
                messages.append(Message(_key(span.context.trace_id), body + end, [span]))
        return messages

    return encode_batch


def _read(message: bytes, number: int) -> list[bytes]:
    """Return the values of a field that are messages."""
    fields = read_fields(message)
    return [value for found, _, value in fields if found == number and isinstance(value, bytes)]


def _key(trace_id: int) -> bytes:
    return b"%032x" % trace_id
