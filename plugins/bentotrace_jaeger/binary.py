"""Thrift's binary protocol, encoded without generated code: for a Jaeger collector, over HTTP.

Source: Thrift binary protocol specification; jaeger-idl, ``jaeger.thrift``.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Link

from bentotrace.encoding import MAX_TIME, SpanFields, in_turns, read_span
from bentotrace_jaeger.encoder import NO_CONSTANTS, span_tags
from bentotrace_jaeger.thrift import STOP, Protocol, ThriftEncoder

__all__ = ["BinaryEncoder"]

_UINT64 = (1 << 64) - 1
_LONG = Struct(">q").pack

# A field's header is its type (8: i32, 10: i64, 11: string, 12: struct, 15: list) and its id.
_IDS = Struct(">BHQBHQBHQBHQ").pack
# Flags (1: sampled), start, duration, and the head of the list of tags.
_TIMES = Struct(">BHIBHqBHqBHBI").pack
_TIME = Struct(">BHq").pack
_LIST = Struct(">BHBI").pack
_REFERENCE = Struct(">BHIBHQBHQBHQB").pack


def _list_field(number: int, count: int) -> bytes:
    return _LIST(15, number, 12, count)


_PROTOCOL = Protocol(
    size=Struct(">I").pack,
    integer=_LONG,
    double=Struct(">d").pack,
    small=[_LONG(number) for number in range(1024)],
    list_field=_list_field,
    before_key=b"\x00\x0b\x00\x01",
    after_key=b"\x08\x00\x02\x00\x00\x00",
    between={
        "string": b"\x00\x0b\x00\x03",
        "double": b"\x01\x04\x00\x04",
        "true": b"\x02\x02\x00\x05\x01",
        "false": b"\x02\x02\x00\x05\x00",
        "number": b"\x03\x0a\x00\x06",
        "binary": b"\x04\x0b\x00\x07",
    },
    name_head=b"\x0b\x00\x05",
    process_head=b"\x0b\x00\x01",
)


class BinaryEncoder(ThriftEncoder[bytes]):
    """Encodes the spans of one resource."""

    def __init__(self) -> None:
        super().__init__(_PROTOCOL)

    def _encode(self, spans: Sequence[ReadableSpan]) -> bytes:
        """Return the ``Batch`` struct of spans, at least one, which all have one resource."""
        out = [b"\x0c\x00\x01", self._process_of(spans[0].resource), _list_field(2, len(spans))]
        for span in in_turns(spans):
            self._span(read_span(span), out)
        out.append(STOP)
        return b"".join(out)

    def _span(self, fields: SpanFields, out: list[bytes]) -> None:
        context, parent, _, scope, name, kind, start, end, content = fields
        attributes, events, links, status, dropped = content
        trace_id, span_id, _, _, state, _ = context
        # Packing refuses numbers that are out of range.
        if not (trace_id and span_id) or (parent is not None and not parent.is_valid):
            raise ValueError("the span or its parent has no valid ids")
        constants = self._scopes.get(id(scope), NO_CONSTANTS)
        constant = constants.by_kind.get(id(kind)) or self._constant_tags(scope, kind)
        out += (
            _IDS(
                10,
                1,
                trace_id & _UINT64,
                10,
                2,
                trace_id >> 64,
                10,
                3,
                span_id,
                10,
                4,
                0 if parent is None else parent.span_id,
            ),
            self._names[name or ""],
        )
        if links:
            out.append(_list_field(6, len(links)))
            out += map(_reference, links)
        more = span_tags(state, status, dropped)
        if self._collides:
            attributes = self._own_tags(attributes, constant, more)
        count = constant.number + len(attributes) + len(more)
        start = start or 0
        end = end or start
        if not 0 <= start <= end <= MAX_TIME:
            start = min(max(start, 0), MAX_TIME)
            end = min(max(end, start), MAX_TIME)
        begun, lasted = (start + 500) // 1000, (end - start + 500) // 1000
        times = _TIMES(8, 7, 1, 10, 8, begun, 10, 9, lasted, 15, 10, 12, count)
        out += (times, constant.data)
        first = len(out)
        self._write(attributes, out)
        for key, value in more:
            out.append(self._generated_keys[key].write(value))
        if count:
            out.append(STOP)
            if not constant.number:
                out[first] = out[first][1:]
        if events:
            out.append(_list_field(11, len(events)))
            for event in events:
                at = event.timestamp
                if not 0 <= at <= MAX_TIME:
                    at = min(max(at, 0), MAX_TIME)
                self._log(event, _TIME(10, 1, (at + 500) // 1000), out)
        out.append(STOP)


def _reference(link: Link) -> bytes:
    context = link.context
    if not context.is_valid:
        raise ValueError("a link has no valid ids")
    trace_id = context.trace_id
    low, high = trace_id & _UINT64, trace_id >> 64 & _UINT64
    # FOLLOWS_FROM is 1.
    return _REFERENCE(8, 1, 1, 10, 2, low, 10, 3, high, 10, 4, context.span_id & _UINT64, 0)
