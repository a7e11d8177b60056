"""Jaeger's protobuf, written directly: what the Jaeger collector takes over gRPC.

Source: jaeger-idl, ``proto/api_v2/model.proto`` and ``collector.proto``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from struct import Struct
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link

from bentotrace.encoding import (
    INT64_MAX,
    INT64_MIN,
    MAX_FLOAT,
    Known,
    plain_attributes,
    to_bytes,
    varint,
)
from bentotrace_jaeger.encoder import NO_CONSTANTS, SHORT, Encoder, Prefixes, Tags
from bentotrace_jaeger.tags import (
    DROPPED_ATTRIBUTES,
    process_tags,
    service_name,
    span_tags,
    tag_value,
)
from bentotrace_jaeger.varints import VarintRecords

__all__ = ["ProtobufEncoder"]

_UINT64 = (1 << 64) - 1
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


# Most lengths and many numbers are small.
_SMALL = [varint(number) for number in range(1024)]


def _field(tag: bytes, content: bytes) -> bytes:
    """Write a length-delimited field."""
    return b"%b%b%b" % (tag, varint(len(content)), content)


# What stands between key and value, and the length of the value.
_BETWEEN_KEY_AND_VALUE = {
    "true": (b"\x10\x01\x20\x01", 0),
    "false": (b"\x10\x01", 0),
    "double": (b"\x10\x03\x31", 8),
}


class _Prefixes(Prefixes):
    """Each begins with the tag and the length of the ``KeyValue``."""

    __slots__ = ("_key", "_tag")

    number: list[bytes | None]

    def __init__(self, tag: bytes, key: str) -> None:
        self._tag = tag
        self._key = _field(b"\x0a", to_bytes(key))

    def _make(self, part: str) -> Any:
        if part == "number":
            return [None] * 11
        return self._before(*_BETWEEN_KEY_AND_VALUE[part])

    def before_text(self, length: int) -> bytes:
        """Give what stands before a string of so many bytes."""
        made = self._before(b"\x1a" + varint(length), length)
        if length < SHORT:
            self.text[length] = made
        return made

    def before_number(self, length: int) -> bytes:
        """Give what stands before a varint of so many bytes."""
        made = self.number[length] = self._before(b"\x10\x02\x28", length)
        return made

    def write(self, value: Any) -> bytes:
        """Write a tag of any value."""
        value = tag_value(value)
        if isinstance(value, str):
            data = to_bytes(value)
            return self.before_text(len(data)) + data
        if isinstance(value, bool):
            return self.true if value else self.false
        if isinstance(value, int):
            data = varint(value & _UINT64)
            return self.before_number(len(data)) + data
        if isinstance(value, float):
            return self.double + _DOUBLE(value)
        size = len(value)
        return b"%b%b" % (self._before(b"\x10\x04\x3a" + varint(size), size), value)

    def _before(self, start: bytes, length: int) -> bytes:
        """Give tag, length and key for a value of start and length more bytes."""
        size = len(self._key) + len(start) + length
        return b"%b%b%b%b" % (self._tag, varint(size), self._key, start)


class ProtobufEncoder(Encoder[_Prefixes]):
    """Encodes the spans of one resource."""

    def __init__(self) -> None:
        super().__init__()
        # flags = 5 (1: sampled), start_time = 6, duration = 7, each of seconds = 1 and nanos = 2.
        prefixes = [b"\x28\x01\x32\x0c\x08", b"\x10", b"\x3a\x0c\x08", b"\x10"]
        self._times = VarintRecords(prefixes, 5, zigzag=False)
        # timestamp = 1 of a log.
        self._log_times = VarintRecords([b"\x0a\x0c\x08", b"\x10"], 5, zigzag=False)
        # The tags of logs, and those of a process, stand in a field of another number.
        self._inner_keys: Known[str, _Prefixes] = Known(lambda key: _Prefixes(_INNER_TAG, key))

    def encode(self, spans: Sequence[ReadableSpan]) -> bytes:
        """Give the ``PostSpansRequest`` of spans, at least one, which all have one resource."""
        times: list[int] = []
        log_times: list[int] = []
        span_events = []
        for span in spans:
            start = span.start_time or 0
            duration = max((span.end_time or start) - start, 0)
            times += (
                start // _SECOND,
                start % _SECOND,
                duration // _SECOND,
                duration % _SECOND,
            )
            events = span.events
            span_events.append(events)
            for event in events:
                log_times += (event.timestamp // _SECOND, event.timestamp % _SECOND)
        logs = iter(self._log_times.write(log_times))
        out: list[bytes] = []
        for span, written, events in zip(spans, self._times.write(times), span_events, strict=True):
            body = self._span(span, written, events, logs)
            out += (b"\x0a", varint(len(body)), body)
        out.append(self._process_of(spans[0].resource))
        return _field(b"\x0a", b"".join(out))

    def _span(
        self,
        span: ReadableSpan,
        times: bytes,
        events: Sequence[Event],
        log_times: Iterator[bytes],
    ) -> bytes:
        context, parent = span.context, span.parent
        trace_id = context.trace_id
        high, low = trace_id >> 64 & _UINT64, trace_id & _UINT64
        scope, kind = span.instrumentation_scope, span.kind
        constants = self._scopes.get(id(scope), NO_CONSTANTS)
        constant = constants.by_kind.get(id(kind)) or self._constant_tags(scope, kind)
        out = [
            _IDS(0x0A10, high, low, 0x1208, context.span_id & _UINT64),
            self._names[span.name or ""],
        ]
        if parent is not None:
            parent_id = parent.span_id & _UINT64
            out.append(_REFERENCE(_PARENT_HEAD, 0x0A10, high, low, 0x1208, parent_id))
        links = span.links
        if links:
            out += map(_link, links)
        out.append(times)
        attributes = plain_attributes(span.attributes)
        if attributes:
            _write(attributes, self._keys, out)
        out.append(constant.data)
        for key, value in span_tags(span):
            out.append(self._keys[key].write(value))
        for event in events:
            self._log(event, next(log_times), out)
        return b"".join(out)

    def _log(self, event: Event, at: bytes, out: list[bytes]) -> None:
        attributes = plain_attributes(event.attributes)
        parts = [at]
        if "event" not in attributes:
            parts.append(self._event_names[event.name or ""])
        _write(attributes, self._inner_keys, parts)
        dropped = event.dropped_attributes
        if dropped:
            parts.append(self._inner_keys[DROPPED_ATTRIBUTES].write(dropped))
        body = b"".join(parts)
        out += (b"\x4a", varint(len(body)), body)

    def _make_prefixes(self, key: str) -> _Prefixes:
        return _Prefixes(_SPAN_TAG, key)

    def _encode_name(self, name: str) -> bytes:
        return _field(b"\x1a", to_bytes(name)) if name else b""

    def _encode_event_name(self, name: str) -> bytes:
        return self._inner_keys["event"].write(name)

    def _encode_tags(self, tags: Iterable[tuple[str, Any]]) -> Tags:
        written = [self._keys[key].write(value) for key, value in tags]
        return Tags(len(written), b"".join(written))

    def _encode_process(self, resource: Resource) -> bytes:
        tags = [self._inner_keys[key].write(value) for key, value in process_tags(resource)]
        name = _field(b"\x0a", to_bytes(service_name(resource)))
        return _field(b"\x12", b"".join((name, *tags)))


def _write(attributes: Mapping[str, Any], keys: Mapping[str, _Prefixes], out: list[bytes]) -> None:
    """Append the tags of all attributes.

    The exact types come first and are written in place: on most spans nothing else occurs, and a
    call per attribute would cost as much as the writing.
    """
    for key, value in attributes.items():
        prefixes = keys[key]
        kind = type(value)
        if kind is str:
            try:
                data = value.encode()
            except UnicodeEncodeError:
                data = to_bytes(value)
            length = len(data)
            if length < SHORT:
                out += (prefixes.text[length] or prefixes.before_text(length), data)
            else:
                out += (prefixes.before_text(length), data)
        elif kind is int and INT64_MIN <= value <= INT64_MAX:
            data = _SMALL[value] if 0 <= value < 1024 else varint(value & _UINT64)
            length = len(data)
            out += (prefixes.number[length] or prefixes.before_number(length), data)
        elif kind is bool:
            out.append(prefixes.true if value else prefixes.false)
        elif kind is float and -MAX_FLOAT <= value <= MAX_FLOAT:
            out += (prefixes.double, _DOUBLE(value))
        else:
            out.append(prefixes.write(value))


def _link(link: Link) -> bytes:
    context = link.context
    trace_id = context.trace_id
    high, low = trace_id >> 64 & _UINT64, trace_id & _UINT64
    ids = _REFERENCE(_LINK_HEAD, 0x0A10, high, low, 0x1208, context.span_id & _UINT64)
    return ids + _FOLLOWS_FROM
