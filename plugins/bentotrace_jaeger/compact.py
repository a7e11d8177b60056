"""Thrift's compact protocol, written directly: what the Jaeger agent takes over UDP.

Source: Thrift compact protocol specification; jaeger-idl, ``jaeger.thrift`` and ``agent.thrift``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from struct import Struct
from typing import Any, NamedTuple

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

__all__ = ["CompactBatch", "CompactEncoder"]

_UINT64 = (1 << 64) - 1
_DOUBLE = Struct("<d").pack

# A field's header is the distance from the last field's id, and its type.
_STOP = b"\x00"

# Protocol id; oneway (4) and version 1; sequence id 0; then field 1, the batch, and in it the
# process as field 1.
_MESSAGE = b"\x82\x81\x00\x09emitBatch\x1c\x1c"
_END = _STOP * 2


def _zigzag(number: int) -> bytes:
    return varint(number << 1 if number >= 0 else ~(number << 1))


_NUMBERS = [_zigzag(number) for number in range(1024)]


def _string(data: bytes) -> bytes:
    return varint(len(data)) + data


def _list(count: int) -> bytes:
    """Write the head of a list of structs."""
    return bytes((count << 4 | 0xC,)) if count < 15 else b"\xfc" + varint(count)


_LISTS = [b"\x19" + _list(count) for count in range(64)]


def _list_field(count: int) -> bytes:
    """Write the head of a list of structs, in the field after the last."""
    return _LISTS[count] if count < 64 else b"\x19" + _list(count)


_BETWEEN_KEY_AND_VALUE = {
    "string": b"\x00\x18",
    "double": b"\x02\x27",
    "true": b"\x04\x31",
    "false": b"\x04\x32",
    "number": b"\x06\x46",
    "binary": b"\x08\x58",
}


class _Prefixes(Prefixes):
    """Each begins with the end of the tag before it, which spares a piece per tag."""

    __slots__ = ("_head",)

    number: bytes

    def __init__(self, key: str) -> None:
        self._head = b"\x00\x18" + _string(to_bytes(key)) + b"\x15"

    def _make(self, part: str) -> bytes:
        return self._head + _BETWEEN_KEY_AND_VALUE[part]

    def before_text(self, length: int) -> bytes:
        """Give what stands before a string of so many bytes."""
        made = self.string + varint(length)
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
            return self.number + _zigzag(value)
        if isinstance(value, float):
            return self.double + _DOUBLE(value)
        return self.binary + _string(value)


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
        """The bytes of a message that are no span, at the most."""
        return len(_MESSAGE) + len(self.process) + len(_list_field(len(self.spans))) + len(_END)

    def assemble(self, spans: Sequence[bytes]) -> bytes:
        """Make a message of some of the spans."""
        return b"".join((_MESSAGE, self.process, _list_field(len(spans)), *spans, _END))


class CompactEncoder(Encoder[_Prefixes]):
    """Encodes the spans of one resource."""

    def __init__(self) -> None:
        super().__init__()
        self._ids = VarintRecords([b"\x16"] * 4, 10, zigzag=True)
        # The flags (1: sampled) stand before start and duration.
        self._times = VarintRecords([b"\x25\x02\x16", b"\x16"], 8, zigzag=True)
        # FOLLOWS_FROM (1) stands before the ids.
        self._link_ids = VarintRecords([b"\x15\x02\x16", b"\x16", b"\x16"], 10, zigzag=True)
        self._log_times = VarintRecords([b"\x16"], 8, zigzag=True)

    def encode(self, spans: Sequence[ReadableSpan]) -> CompactBatch:
        """Encode spans, at least one, which all have one resource."""
        ids: list[int] = []
        times: list[int] = []
        log_times: list[int] = []
        span_events = []
        for span in spans:
            context, parent = span.context, span.parent
            trace_id = context.trace_id
            ids += (
                trace_id & _UINT64,
                trace_id >> 64 & _UINT64,
                context.span_id & _UINT64,
                0 if parent is None else parent.span_id & _UINT64,
            )
            start = span.start_time or 0
            times += ((start + 500) // 1000, ((span.end_time or start) - start + 500) // 1000)
            events = span.events
            span_events.append(events)
            for event in events:
                log_times.append(to_microseconds(event.timestamp))
        logs = iter(self._log_times.write(log_times))
        parts = zip(spans, self._ids.write(ids), self._times.write(times), span_events, strict=True)
        encoded = [self._span(*part, logs) for part in parts]
        return CompactBatch(self._process_of(spans[0].resource), encoded)

    def _span(
        self,
        span: ReadableSpan,
        ids: bytes,
        times: bytes,
        events: Sequence[Event],
        log_times: Iterator[bytes],
    ) -> bytes:
        scope = span.instrumentation_scope
        kind = span.kind
        constants = self._scopes.get(id(scope), NO_CONSTANTS)
        constant = constants.by_kind.get(id(kind)) or self._constant_tags(scope, kind)
        name = span.name
        out = [ids, self._names[name or ""]]
        links = span.links
        # References stand before the flags, which then are the next field.
        out += (self._references(links), b"\x15", times[1:]) if links else (times,)
        attributes = plain_attributes(span.attributes)
        more = span_tags(span)
        count = constant.number + len(attributes) + len(more)
        out += (_list_field(count), constant.data)
        first = len(out)
        self._write(attributes, out)
        for key, value in more:
            out.append(self._keys[key].write(value))
        if count:
            out.append(_STOP)
            if not constant.number:
                out[first] = out[first][1:]
        if events:
            out.append(_list_field(len(events)))
            for event in events:
                out.append(next(log_times))
                self._log(event, out)
        out.append(_STOP)
        return b"".join(out)

    def _log(self, event: Event, out: list[bytes]) -> None:
        attributes = plain_attributes(event.attributes)
        dropped = event.dropped_attributes
        count = len(attributes) + (1 if dropped else 0)
        if "event" in attributes:
            out += (_list_field(count), b"")
        else:
            name = event.name
            out += (_list_field(count + 1), self._event_names[name or ""])
        first = len(out)
        self._write(attributes, out)
        if dropped:
            out.append(self._keys[DROPPED_ATTRIBUTES].write(dropped))
        if not out[first - 1]:
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
            elif kind is int:
                if 0 <= value < 1024:
                    out += (prefixes.number, _NUMBERS[value])
                elif INT64_MIN <= value <= INT64_MAX:
                    out += (prefixes.number, _zigzag(value))
                else:
                    out.append(prefixes.write(value))
            elif kind is bool:
                out.append(prefixes.true if value else prefixes.false)
            elif kind is float and -MAX_FLOAT <= value <= MAX_FLOAT:
                out += (prefixes.double, _DOUBLE(value))
            else:
                out.append(prefixes.write(value))

    def _references(self, links: Sequence[Link]) -> bytes:
        ids: list[int] = []
        for link in links:
            trace_id = link.context.trace_id
            ids += (trace_id & _UINT64, trace_id >> 64 & _UINT64, link.context.span_id & _UINT64)
        references = [written + _STOP for written in self._link_ids.write(ids)]
        return _list_field(len(links)) + b"".join(references)

    def _make_prefixes(self, key: str) -> _Prefixes:
        return _Prefixes(key)

    def _encode_name(self, name: str) -> bytes:
        return b"\x18" + _string(to_bytes(name))

    def _encode_event_name(self, name: str) -> bytes:
        return self._encode_tags([("event", name)]).data

    def _encode_tags(self, tags: Iterable[tuple[str, Any]]) -> Tags:
        written = [self._keys[key].write(value) for key, value in tags]
        return Tags(len(written), b"".join(written)[1:])

    def _encode_process(self, resource: Resource) -> bytes:
        tags = self._encode_tags(process_tags(resource))
        name = b"\x18" + _string(to_bytes(service_name(resource)))
        if not tags.number:
            return name + _STOP
        return name + _list_field(tags.number) + tags.data + _END
