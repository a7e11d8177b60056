"""Thrift's binary protocol, written directly: what the Jaeger collector takes over HTTP.

Source: Thrift binary protocol specification; jaeger-idl, ``jaeger.thrift``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from struct import Struct
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link

from bentotrace.encoding import (
    INT64_MAX,
    INT64_MIN,
    MAX_FLOAT,
    plain_attributes,
    to_bytes,
    to_microseconds,
)
from bentotrace_jaeger.encoder import NO_CONSTANTS, SHORT, Encoder, Prefixes, Tags
from bentotrace_jaeger.tags import (
    DROPPED_ATTRIBUTES,
    process_tags,
    service_name,
    span_tags,
    tag_value,
)

__all__ = ["BinaryEncoder"]

_UINT64 = (1 << 64) - 1
_DOUBLE = Struct(">d").pack
_LONG = Struct(">q").pack
_SIZE = Struct(">I").pack

_STOP = b"\x00"
_END = _STOP * 2

# A field's header is its type (8: i32, 10: i64, 11: string, 12: struct, 15: list) and its id.
_IDS = Struct(">BHQBHQBHQBHQ").pack
# Flags (1: sampled), start, duration, and the head of the list of tags.
_TIMES = Struct(">BHIBHqBHqBHBI").pack
_LOG = Struct(">BHqBHBI").pack
_LIST = Struct(">BHBI").pack
_REFERENCE = Struct(">BHIBHQBHQBHQB").pack


def _string(data: bytes) -> bytes:
    return _SIZE(len(data)) + data


_BETWEEN_KEY_AND_VALUE = {
    "string": b"\x00\x0b\x00\x03",
    "double": b"\x01\x04\x00\x04",
    "true": b"\x02\x02\x00\x05\x01",
    "false": b"\x02\x02\x00\x05\x00",
    "number": b"\x03\x0a\x00\x06",
    "binary": b"\x04\x0b\x00\x07",
}


class _Prefixes(Prefixes):
    """Each begins with the end of the tag before it, which spares a piece per tag."""

    __slots__ = ("_head",)

    number: bytes

    def __init__(self, key: str) -> None:
        name = _string(to_bytes(key))
        self._head = b"\x00\x0b\x00\x01" + name + b"\x08\x00\x02\x00\x00\x00"

    def _make(self, part: str) -> bytes:
        return self._head + _BETWEEN_KEY_AND_VALUE[part]

    def before_text(self, length: int) -> bytes:
        """Give what stands before a string of so many bytes."""
        made = self.string + _SIZE(length)
        if length < SHORT:
            self.text[length] = made
        return made

    def write(self, value: Any) -> bytes:
        """Write a tag of any value, without its end."""
        value = tag_value(value)
        if isinstance(value, str):
            return self.string + _string(to_bytes(value))
        if isinstance(value, bool):
            return self.true if value else self.false
        if isinstance(value, int):
            return self.number + _LONG(value)
        if isinstance(value, float):
            return self.double + _DOUBLE(value)
        return self.binary + _string(value)


class BinaryEncoder(Encoder[_Prefixes]):
    """Encodes the spans of one resource."""

    def encode(self, spans: Sequence[ReadableSpan]) -> bytes:
        """Give the ``Batch`` struct of spans, at least one, which all have one resource."""
        out = [b"\x0c\x00\x01", self._process_of(spans[0].resource), _LIST(15, 2, 12, len(spans))]
        for span in spans:
            self._span(span, out)
        out.append(_STOP)
        return b"".join(out)

    def _span(self, span: ReadableSpan, out: list[bytes]) -> None:
        context, parent = span.context, span.parent
        trace_id = context.trace_id
        scope, kind = span.instrumentation_scope, span.kind
        constants = self._scopes.get(id(scope), NO_CONSTANTS)
        constant = constants.by_kind.get(id(kind)) or self._constant_tags(scope, kind)
        name = span.name
        out += (
            _IDS(
                10,
                1,
                trace_id & _UINT64,
                10,
                2,
                trace_id >> 64 & _UINT64,
                10,
                3,
                context.span_id & _UINT64,
                10,
                4,
                0 if parent is None else parent.span_id & _UINT64,
            ),
            self._names[name or ""],
        )
        links = span.links
        if links:
            out.append(_LIST(15, 6, 12, len(links)))
            out += map(_reference, links)
        attributes = plain_attributes(span.attributes)
        more = span_tags(span)
        count = constant.number + len(attributes) + len(more)
        start, end = span.start_time or 0, span.end_time
        begun = (start + 500) // 1000
        lasted = ((end or start) - start + 500) // 1000
        try:
            times = _TIMES(8, 7, 1, 10, 8, begun, 10, 9, lasted, 15, 10, 12, count)
        except struct.error:
            begun, lasted = _clamp(begun), _clamp(lasted)
            times = _TIMES(8, 7, 1, 10, 8, begun, 10, 9, lasted, 15, 10, 12, count)
        out += (times, constant.data)
        first = len(out)
        self._write(attributes, out)
        for key, value in more:
            out.append(self._keys[key].write(value))
        if count:
            out.append(_STOP)
            if not constant.number:
                out[first] = out[first][1:]
        events = span.events
        if events:
            out.append(_LIST(15, 11, 12, len(events)))
            for event in events:
                self._log(event, out)
        out.append(_STOP)

    def _log(self, event: Event, out: list[bytes]) -> None:
        attributes = plain_attributes(event.attributes)
        dropped = event.dropped_attributes
        count = len(attributes) + (1 if dropped else 0)
        name_tag = b""
        if "event" not in attributes:
            count += 1
            name = event.name
            name_tag = self._event_names[name or ""]
        at = _clamp(to_microseconds(event.timestamp))
        out += (_LOG(10, 1, at, 15, 2, 12, count), name_tag)
        first = len(out)
        self._write(attributes, out)
        if dropped:
            out.append(self._keys[DROPPED_ATTRIBUTES].write(dropped))
        if not name_tag:
            out[first] = out[first][1:]
        out.append(_END)

    def _write(self, attributes: Mapping[str, Any], out: list[bytes]) -> None:
        """Append the tags of all attributes.

        The exact types come first and are written in place: on most spans nothing else occurs,
        and a call per attribute would cost as much as the writing.
        """
        keys = self._keys
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
                out += (prefixes.number, _LONG(value))
            elif kind is bool:
                out.append(prefixes.true if value else prefixes.false)
            elif kind is float and -MAX_FLOAT <= value <= MAX_FLOAT:
                out += (prefixes.double, _DOUBLE(value))
            else:
                out.append(prefixes.write(value))

    def _make_prefixes(self, key: str) -> _Prefixes:
        return _Prefixes(key)

    def _encode_name(self, name: str) -> bytes:
        return b"\x0b\x00\x05" + _string(to_bytes(name))

    def _encode_event_name(self, name: str) -> bytes:
        return self._encode_tags([("event", name)]).data

    def _encode_tags(self, tags: Iterable[tuple[str, Any]]) -> Tags:
        written = [self._keys[key].write(value) for key, value in tags]
        return Tags(len(written), b"".join(written)[1:])

    def _encode_process(self, resource: Resource) -> bytes:
        tags = self._encode_tags(process_tags(resource))
        name = b"\x0b\x00\x01" + _string(to_bytes(service_name(resource)))
        if not tags.number:
            return name + _STOP
        return name + _LIST(15, 2, 12, tags.number) + tags.data + _END


def _reference(link: Link) -> bytes:
    context = link.context
    trace_id = context.trace_id
    low, high = trace_id & _UINT64, trace_id >> 64 & _UINT64
    # FOLLOWS_FROM is 1.
    return _REFERENCE(8, 1, 1, 10, 2, low, 10, 3, high, 10, 4, context.span_id & _UINT64, 0)


def _clamp(number: int) -> int:
    return min(max(number, 0), INT64_MAX)
