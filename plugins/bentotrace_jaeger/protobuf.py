"""Jaeger's protobuf, encoded without generated code: for a Jaeger collector, over gRPC.

Source: jaeger-idl, ``proto/api_v2/model.proto`` and ``collector.proto``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from struct import Struct
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link

from bentotrace.encoding import (
    MAX_TIME,
    SMALL,
    BoundedCache,
    ProtobufPrefixes,
    SpanFields,
    dropped_count,
    field,
    in_turns,
    optional_field,
    read_event,
    read_span,
    to_bytes,
    varint,
    write_protobuf_attributes,
)
from bentotrace_jaeger.encoder import (
    DROPPED_ATTRIBUTES,
    NO_CONSTANTS,
    Encoder,
    Tags,
    process_tags,
    service_name,
    span_tags,
    tag_value,
)
from bentotrace_jaeger.varints import VarintRecords

__all__ = ["ProtobufEncoder"]

_UINT64 = (1 << 64) - 1
_UINT32 = (1 << 32) - 1
_SECOND = 1_000_000_000
_DOUBLE = Struct("<d").pack

# Field number << 3 | wire type, and the length: trace_id = 1, span_id = 2.
_IDS = Struct(">HQQHQ").pack
# A SpanRef of 28 bytes: trace_id = 1, span_id = 2; then the reference's type = 3, which is left
# out for CHILD_OF, the default.
_REFERENCE = Struct(">HHQQHQ").pack
_PARENT_HEAD = 0x221C
_LINK_HEAD = 0x221E
_FOLLOWS_FROM = b"\x18\x01"
_SPAN_TAG = b"\x42"
_INNER_TAG = b"\x12"

# The bytes between key and value, and the length of the value.
_BETWEEN_KEY_AND_VALUE = {
    "true": (b"\x10\x01\x20\x01", 0),
    "false": (b"\x10\x01", 0),
    "double": (b"\x10\x03\x31", 8),
}


class _Prefixes(ProtobufPrefixes):
    """Jaeger's ``KeyValue``: vType = 2, vStr = 3, vBool = 4, vInt64 = 5, vFloat64 = 6."""

    __slots__ = ()

    def write(self, value: Any) -> bytes:
        """Return a tag of any value."""
        value = tag_value(value)
        if isinstance(value, str):
            return self.write_text(value)
        if isinstance(value, bool):
            return self.true if value else self.false
        if isinstance(value, int):
            data = varint(value & _UINT64)
            return self.before_number(len(data)) + data
        if isinstance(value, float):
            return self.double + _DOUBLE(value)
        size = len(value)
        return b"%b%b" % (self._before(b"\x10\x04\x3a" + varint(size), size), value)

    def _make(self, part: str) -> Any:
        if part == "number":
            return [None] * 11
        return self._before(*_BETWEEN_KEY_AND_VALUE[part])

    def before_any_text(self, length: int) -> bytes:
        """Return tag, lengths and key for a string of ``length`` bytes."""
        written = SMALL[length] if length < 1024 else varint(length)
        size = self._key_size + 1 + len(written) + length
        # Few calls, since this runs for each long text.
        return (
            self._tag
            + (SMALL[size] if size < 1024 else varint(size))
            + self._key
            + b"\x1a"
            + written
        )

    def _before_number(self, length: int) -> bytes:
        return self._before(b"\x10\x02\x28", length)

    def _before(self, start: bytes, length: int) -> bytes:
        """Return tag, length and key for a value of ``start`` and ``length`` more bytes."""
        size = len(self._key) + len(start) + length
        return b"%b%b%b%b" % (self._tag, varint(size), self._key, start)


class ProtobufEncoder(Encoder[_Prefixes, bytes]):
    """Encodes the spans of one resource."""

    def __init__(self) -> None:
        super().__init__()
        self._times, self._log_times = _times(5)
        # Seconds of more than 32 bits, after 2106, take more bytes.
        self._late_times, self._late_log_times = _times(8)
        # The tags of logs and processes have another field number.
        self._inner_keys: BoundedCache[str, _Prefixes] = BoundedCache(
            lambda key: _Prefixes(_INNER_TAG, key)
        )

    def _encode(self, spans: Sequence[ReadableSpan]) -> bytes:
        """Return the ``PostSpansRequest`` of spans, at least one, which all have one resource."""
        times: list[int] = []
        log_times: list[int] = []
        span_events = []
        for span in in_turns(spans):
            start = span.start_time or 0
            end = span.end_time or start
            if not 0 <= start <= end <= MAX_TIME:
                start = min(max(start, 0), MAX_TIME)
                end = min(max(end, start), MAX_TIME)
            duration = end - start
            times += (
                start // _SECOND,
                start % _SECOND,
                duration // _SECOND,
                duration % _SECOND,
            )
            events = span.events
            span_events.append(events)
            for event in events:
                at = event.timestamp
                if not 0 <= at <= MAX_TIME:
                    at = min(max(at, 0), MAX_TIME)
                log_times += (at // _SECOND, at % _SECOND)
        late = max(times) > _UINT32 or max(log_times, default=0) > _UINT32
        time_records = self._late_times if late else self._times
        log_records = self._late_log_times if late else self._log_times
        logs = iter(log_records.write(log_times))
        out: list[bytes] = []
        parts = zip(spans, time_records.write(times), span_events, strict=True)
        for span, written, events in parts:
            body = self._span(read_span(span), written, events, logs)
            out += (b"\x0a", varint(len(body)), body)
        out.append(self._process_of(spans[0].resource))
        return field(b"\x0a", b"".join(out))

    def _span(
        self,
        fields: SpanFields,
        times: bytes,
        events: Sequence[Event],
        log_times: Iterator[bytes],
    ) -> bytes:
        context, parent, _, scope, name, kind, _, _, content = fields
        attributes, _, links, status, dropped = content
        trace_id, span_id, _, _, state, _ = context
        # Packing refuses numbers that are out of range.
        if not (trace_id and span_id) or (parent is not None and not parent.is_valid):
            raise ValueError("the span or its parent has no valid ids")
        high, low = trace_id >> 64, trace_id & _UINT64
        constants = self._scopes.get(id(scope), NO_CONSTANTS)
        constant = constants.by_kind.get(id(kind)) or self._constant_tags(scope, kind)
        out = [
            _IDS(0x0A10, high, low, 0x1208, span_id),
            self._names[name or ""],
        ]
        if parent is not None:
            out.append(_REFERENCE(_PARENT_HEAD, 0x0A10, high, low, 0x1208, parent.span_id))
        if links:
            out += map(_link, links)
        out.append(times)
        more = span_tags(state, status, dropped)
        if self._collides:
            attributes = self._own_tags(attributes, constant, more)
        write_protobuf_attributes(attributes, self._keys, out)
        out.append(constant.data)
        for key, value in more:
            out.append(self._generated_keys[key].write(value))
        for event in events:
            self._log(event, next(log_times), out)
        return b"".join(out)

    def _log(self, event: Event, at: bytes, out: list[bytes]) -> None:
        name, _, attributes, dropped = read_event(event)
        parts = [at]
        if "event" not in attributes:
            parts.append(self._event_names[name or ""])
        write_protobuf_attributes(attributes, self._inner_keys, parts)
        if dropped and DROPPED_ATTRIBUTES not in attributes:
            parts.append(self._inner_keys[DROPPED_ATTRIBUTES].write(dropped_count(dropped)))
        body = b"".join(parts)
        out += (b"\x4a", varint(len(body)), body)

    def _make_prefixes(self, key: str) -> _Prefixes:
        return _Prefixes(_SPAN_TAG, key)

    def _encode_name(self, name: str) -> bytes:
        return optional_field(b"\x1a", to_bytes(name))

    def _encode_event_name(self, name: str) -> bytes:
        # A name that is not text raises here, and must not become a tag of another type.
        return self._inner_keys["event"].write(name + "")

    def _encode_tags(self, tags: Iterable[tuple[str, Any]]) -> Tags:
        written = [self._generated_keys[key].write(value) for key, value in tags]
        return Tags(len(written), b"".join(written))

    def _encode_process(self, resource: Resource) -> bytes:
        tags = [self._inner_keys[key].write(value) for key, value in process_tags(resource)]
        name = field(b"\x0a", to_bytes(service_name(resource)))
        return field(b"\x12", b"".join((name, *tags)))


def _times(width: int) -> tuple[VarintRecords, VarintRecords]:
    """Return the encoders of the times of spans and of logs, in varints of ``width`` bytes."""
    size = bytes([2 * width + 2])
    # flags = 5 (1: sampled), start_time = 6, duration = 7, each of seconds = 1 and nanos = 2.
    prefixes = [b"\x28\x01\x32%b\x08" % size, b"\x10", b"\x3a%b\x08" % size, b"\x10"]
    # timestamp = 1 of a log.
    log_prefixes = [b"\x0a%b\x08" % size, b"\x10"]
    return (
        VarintRecords(prefixes, width, zigzag=False),
        VarintRecords(log_prefixes, width, zigzag=False),
    )


def _link(link: Link) -> bytes:
    context = link.context
    if not context.is_valid:
        raise ValueError("a link has no valid ids")
    trace_id = context.trace_id
    ids = _REFERENCE(
        _LINK_HEAD, 0x0A10, trace_id >> 64, trace_id & _UINT64, 0x1208, context.span_id
    )
    return ids + _FOLLOWS_FROM
