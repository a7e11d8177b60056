"""Thrift's compact protocol, encoded without generated code: for a Jaeger agent, over UDP.

Source: Thrift compact protocol specification; jaeger-idl, ``jaeger.thrift`` and ``agent.thrift``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import Struct
from typing import NamedTuple

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link

from bentotrace.encoding import MAX_TIME, SpanFields, in_turns, read_span, varint
from bentotrace_jaeger.encoder import NO_CONSTANTS, span_tags
from bentotrace_jaeger.thrift import STOP, Protocol, ThriftEncoder
from bentotrace_jaeger.varints import VarintRecords

__all__ = ["CompactBatch", "CompactEncoder"]

_UINT64 = (1 << 64) - 1

# Protocol id; oneway (4) and version 1; sequence id 0; then field 1, the batch, and in it the
# process as field 1.
_MESSAGE = b"\x82\x81\x00\x09emitBatch\x1c\x1c"
_END = STOP * 2

# A field's header is the distance from the last field's id, and its type.


def _zigzag(number: int) -> bytes:
    return varint(number << 1 if number >= 0 else ~(number << 1))


def _list(count: int) -> bytes:
    """Return the head of a list of structs."""
    return bytes((count << 4 | 0xC,)) if count < 15 else b"\xfc" + varint(count)


_LISTS = [b"\x19" + _list(count) for count in range(64)]


def _list_field(count: int) -> bytes:
    """Return the head of a list of structs, in the next field."""
    return _LISTS[count] if count < 64 else b"\x19" + _list(count)


_PROTOCOL = Protocol(
    size=varint,
    integer=_zigzag,
    double=Struct("<d").pack,
    small=[_zigzag(number) for number in range(1024)],
    list_field=lambda _number, count: _list_field(count),
    before_key=b"\x00\x18",
    after_key=b"\x15",
    between={
        "string": b"\x00\x18",
        "double": b"\x02\x27",
        "true": b"\x04\x31",
        "false": b"\x04\x32",
        "number": b"\x06\x46",
        "binary": b"\x08\x58",
    },
    name_head=b"\x18",
    process_head=b"\x18",
)


class CompactBatch(NamedTuple):
    """The parts of an ``emitBatch`` message.

    Attributes:
        process: the ``Process`` struct.
        spans: the ``Span`` structs.
    """

    process: bytes
    spans: list[bytes]

    @property
    def overhead(self) -> int:
        """The maximum number of bytes of a message besides spans."""
        return len(_MESSAGE) + len(self.process) + len(_list_field(len(self.spans))) + len(_END)

    def assemble(self, spans: Sequence[bytes]) -> bytes:
        """Return a message with some of the spans."""
        return b"".join((_MESSAGE, self.process, _list_field(len(spans)), *spans, _END))


class CompactEncoder(ThriftEncoder[CompactBatch]):
    """Encodes the spans of one resource."""

    def __init__(self) -> None:
        super().__init__(_PROTOCOL)
        self._ids = VarintRecords([b"\x16"] * 4, 10, zigzag=True)
        # The flags (1: sampled) precede start and duration.
        self._times = VarintRecords([b"\x25\x02\x16", b"\x16"], 8, zigzag=True)
        # FOLLOWS_FROM (1) precedes the ids.
        self._link_ids = VarintRecords([b"\x15\x02\x16", b"\x16", b"\x16"], 10, zigzag=True)
        self._log_times = VarintRecords([b"\x16"], 8, zigzag=True)

    def _encode(self, spans: Sequence[ReadableSpan]) -> CompactBatch:
        """Encode spans, at least one, which all have one resource."""
        ids: list[int] = []
        times: list[int] = []
        log_times: list[int] = []
        span_events = []
        for span in in_turns(spans):
            context, parent = span.context, span.parent
            if not context.is_valid or (parent is not None and not parent.is_valid):
                raise ValueError("the span or its parent has no valid ids")
            trace_id = context.trace_id
            ids += (
                trace_id & _UINT64,
                trace_id >> 64,
                context.span_id,
                0 if parent is None else parent.span_id,
            )
            start = span.start_time or 0
            end = span.end_time or start
            if not 0 <= start <= end <= MAX_TIME:
                start = min(max(start, 0), MAX_TIME)
                end = min(max(end, start), MAX_TIME)
            times += ((start + 500) // 1000, (end - start + 500) // 1000)
            events = span.events
            span_events.append(events)
            for event in events:
                at = event.timestamp
                if not 0 <= at <= MAX_TIME:
                    at = min(max(at, 0), MAX_TIME)
                log_times.append((at + 500) // 1000)
        logs = iter(self._log_times.write(log_times))
        parts = zip(spans, self._ids.write(ids), self._times.write(times), span_events, strict=True)
        encoded = [
            self._span(read_span(span), head, at, events, logs) for span, head, at, events in parts
        ]
        return CompactBatch(self._process_of(spans[0].resource), encoded)

    def _span(
        self,
        fields: SpanFields,
        ids: bytes,
        times: bytes,
        events: Sequence[Event],
        log_times: Iterator[bytes],
    ) -> bytes:
        context, _, _, scope, name, kind, _, _, content = fields
        attributes, _, links, status, dropped = content
        constants = self._scopes.get(id(scope), NO_CONSTANTS)
        constant = constants.by_kind.get(id(kind)) or self._constant_tags(scope, kind)
        out = [ids, self._names[name or ""]]
        # References precede the flags, which then are the next field.
        out += (self._references(links), b"\x15", times[1:]) if links else (times,)
        more = span_tags(context.trace_state, status, dropped)
        if self._collides:
            attributes = self._own_tags(attributes, constant, more)
        count = constant.number + len(attributes) + len(more)
        out += (_list_field(count), constant.data)
        first = len(out)
        self._write(attributes, out)
        for key, value in more:
            out.append(self._generated_keys[key].write(value))
        if count:
            out.append(STOP)
            if not constant.number:
                out[first] = out[first][1:]
        if events:
            out.append(_list_field(len(events)))
            for event in events:
                self._log(event, next(log_times), out)
        out.append(STOP)
        return b"".join(out)

    def _references(self, links: Sequence[Link]) -> bytes:
        ids: list[int] = []
        for link in links:
            context = link.context
            if not context.is_valid:
                raise ValueError("a link has no valid ids")
            trace_id = context.trace_id
            ids += (trace_id & _UINT64, trace_id >> 64 & _UINT64, context.span_id & _UINT64)
        references = [written + STOP for written in self._link_ids.write(ids)]
        return _list_field(len(links)) + b"".join(references)
