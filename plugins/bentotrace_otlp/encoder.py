"""OTLP's protobuf, written directly: spans in, ``ExportTraceServiceRequest`` bytes out.

The bytes are those that ``opentelemetry-exporter-otlp-proto-common`` makes of the same spans,
without its messages in between. They differ only where it would lose the attribute or the batch:

- an integer beyond 64 bits is sent as text;
- a lone surrogate is sent as ``?``;
- a value of another type than OpenTelemetry's is sent as its ``str()``, and so is what is nested
  more than 32 deep;
- a time outside 64 bits is sent as the nearest one inside.

Source of the field numbers: opentelemetry-proto, ``trace.proto``, ``common.proto``.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from struct import Struct
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

from bentotrace.encoding import (
    INT64_MAX,
    INT64_MIN,
    number_text,
    plain_attributes,
    shown,
    to_bytes,
)

__all__ = ["TraceEncoder"]

_MAX_KEYS = 1024
_MAX_CONTEXTS = 256
_MAX_DEPTH = 32
# Values up to this length find all that stands before them in a table.
_SHORT = 128

_UINT64 = (1 << 64) - 1

_DOUBLE = Struct("<d").pack
_TIMES = Struct("<BQBQ").pack
_IDS = Struct(">HQQHQ").pack
_TIME = Struct("<BQ").pack

# Tags: field number << 3 | wire type.
_SPAN_ATTRIBUTES = b"\x4a"
_EVENT_ATTRIBUTES = _SCOPE_ATTRIBUTES = b"\x1a"
_LINK_ATTRIBUTES = b"\x22"
_RESOURCE_ATTRIBUTES = b"\x0a"
_LOCAL_FLAGS = b"\x85\x01\x00\x01\x00\x00"
_REMOTE_FLAGS = b"\x85\x01\x00\x03\x00\x00"
_LINK_LOCAL_FLAGS = b"\x35\x00\x01\x00\x00"
_LINK_REMOTE_FLAGS = b"\x35\x00\x03\x00\x00"


def _varint(number: int) -> bytes:
    """Write a number of 0 to 2**64 - 1."""
    if number < 0x80:
        return _BYTES[number]
    if number < 0x4000:
        return bytes((number & 0x7F | 0x80, number >> 7))
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


_BYTES = [bytes((number,)) for number in range(0x80)]


def _field(tag: bytes, content: bytes) -> bytes:
    """Write a length-delimited field."""
    return b"%b%b%b" % (tag, _varint(len(content)), content)


def _optional(tag: bytes, content: bytes) -> bytes:
    """Write a string field; an empty one is left out, as proto3 does."""
    return _field(tag, content) if content else b""


def _any_value(value: Any, depth: int = 0) -> bytes:
    """Write an ``AnyValue``."""
    if value is None:
        return b""
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, str):
        return _field(b"\x0a", to_bytes(value))
    if isinstance(value, int):
        if INT64_MIN <= value <= INT64_MAX:
            return b"\x18" + _varint(value & _UINT64)
        return _field(b"\x0a", number_text(value).encode())
    if isinstance(value, float):
        return b"\x21" + _DOUBLE(value)
    if isinstance(value, bytes):
        return _field(b"\x3a", value)
    if depth < _MAX_DEPTH:
        if isinstance(value, Sequence):
            items = [_field(b"\x0a", _any_value(item, depth + 1)) for item in value]
            return _field(b"\x2a", b"".join(items))
        if isinstance(value, Mapping):
            pairs = [
                _field(b"\x0a", _key_value(str(key), item, depth + 1))
                for key, item in value.items()
            ]
            return _field(b"\x32", b"".join(pairs))
    return _field(b"\x0a", to_bytes(shown(value)))


def _key_value(key: str, value: Any, depth: int = 0) -> bytes:
    return _optional(b"\x0a", to_bytes(key)) + _field(b"\x12", _any_value(value, depth))


class _Prefixes:
    """For one attribute key, all the bytes that stand before a value, by kind and length."""

    __slots__ = ("_head", "_tag", "double", "false", "number", "text", "true")

    def __init__(self, tag: bytes, key: str) -> None:
        self._tag = tag
        self._head = _optional(b"\x0a", to_bytes(key))
        # Filled when a length first occurs: most keys see a few lengths only.
        self.text: list[bytes | None] = [None] * _SHORT
        self.number = [self._before(b"\x18", length) for length in range(11)]
        self.double = self._before(b"\x21", 8)
        self.true = self._before(b"\x10", 1) + b"\x01"
        self.false = self._before(b"\x10", 1) + b"\x00"

    def before_text(self, length: int) -> bytes:
        """Give what stands before a string of so many bytes."""
        made = self.text[length] = self._before(b"\x0a" + _BYTES[length], length)
        return made

    def _before(self, start: bytes, length: int) -> bytes:
        """Give tag, lengths and key for a value whose ``AnyValue`` is start and length more."""
        value = len(start) + length
        return b"%b%b%b\x12%b%b" % (
            self._tag,
            _varint(len(self._head) + 1 + len(_varint(value)) + value),
            self._head,
            _varint(value),
            start,
        )

    def whole(self, value: Any) -> bytes:
        """Write tag, key and value, whatever the value is."""
        return _field(self._tag, self._head + _field(b"\x12", _any_value(value)))


class _Names:
    """Writes names as the string field of one tag; the same few come again and again."""

    def __init__(self, tag: bytes) -> None:
        self._tag = tag
        self._known: dict[str, bytes] = {}

    def write(self, name: str) -> bytes:
        """Give the field of a name that is not known yet."""
        if len(self._known) >= _MAX_KEYS:
            self._known.clear()
        made = self._known[name] = _optional(self._tag, to_bytes(name))
        return made

    @property
    def known(self) -> dict[str, bytes]:
        """The fields by name; looked up in place, which spares a call."""
        return self._known


class _Attributes:
    """Writes attributes as the repeated ``KeyValue`` field of one tag."""

    def __init__(self, tag: bytes) -> None:
        self._tag = tag
        self._keys: dict[str, _Prefixes] = {}

    def _prefixes(self, key: str) -> _Prefixes:
        if len(self._keys) >= _MAX_KEYS:
            self._keys.clear()
        made = self._keys[key] = _Prefixes(self._tag, key if isinstance(key, str) else shown(key))
        return made

    def write(self, attributes: Mapping[str, Any], out: list[bytes]) -> None:
        """Append the fields of all attributes.

        The exact types come first and are written in place: on most spans nothing else occurs,
        and a call per attribute would cost as much as the writing.
        """
        keys = self._keys
        for key, value in attributes.items():
            prefixes = keys.get(key) or self._prefixes(key)
            kind = type(value)
            if kind is str:
                try:
                    data = value.encode()
                except UnicodeEncodeError:
                    data = to_bytes(value)
                length = len(data)
                if length < _SHORT:
                    out += (prefixes.text[length] or prefixes.before_text(length), data)
                else:
                    out.append(prefixes.whole(value))
            elif kind is int:
                if 0 <= value < 0x80:
                    out += (prefixes.number[1], _BYTES[value])
                elif INT64_MIN <= value <= INT64_MAX:
                    data = _varint(value & _UINT64)
                    out += (prefixes.number[len(data)], data)
                else:
                    out.append(prefixes.whole(value))
            elif kind is bool:
                out.append(prefixes.true if value else prefixes.false)
            elif kind is float:
                out += (prefixes.double, _DOUBLE(value))
            else:
                out.append(prefixes.whole(value))


class _ResourceContext:
    """A resource, encoded once.

    Attributes:
        resource: held, so that its identity stays its own.
        group: the first resource that was equal to it; spans are grouped by that.
        head: the ``resource`` field of ``ResourceSpans``.
        tail: its ``schema_url`` field.
    """

    __slots__ = ("group", "head", "resource", "tail")

    def __init__(self, resource: Resource, group: Resource, attributes: _Attributes) -> None:
        out: list[bytes] = []
        attributes.write(resource.attributes, out)
        self.resource = resource
        self.group = group
        self.head = _field(b"\x0a", b"".join(out))
        self.tail = _optional(b"\x1a", to_bytes(resource.schema_url or ""))


class _ScopeContext:
    """An instrumentation scope, encoded once; attributes as in :class:`_ResourceContext`."""

    __slots__ = ("group", "head", "scope", "tail")

    def __init__(
        self,
        scope: InstrumentationScope | None,
        group: InstrumentationScope | None,
        attributes: _Attributes,
    ) -> None:
        self.scope = scope
        self.group = group
        if scope is None:
            self.head, self.tail = b"\x0a\x00", b""
            return
        out = [
            _optional(b"\x0a", to_bytes(scope.name or "")),
            _optional(b"\x12", to_bytes(scope.version or "")),
        ]
        # Scopes have attributes since opentelemetry-sdk 1.28.
        attributes.write(getattr(scope, "attributes", None) or {}, out)
        self.head = _field(b"\x0a", b"".join(out))
        self.tail = _optional(b"\x1a", to_bytes(scope.schema_url or ""))


class TraceEncoder:
    """Encodes batches of spans; used by one thread at a time.

    It keeps what is the same from span to span: resources and scopes by their identity, because
    a resource's hash is its JSON, and the bytes before each attribute's value. Both are bounded.
    """

    def __init__(self) -> None:
        self._resource_attributes = _Attributes(_RESOURCE_ATTRIBUTES)
        self._scope_attributes = _Attributes(_SCOPE_ATTRIBUTES)
        self._span_attributes = _Attributes(_SPAN_ATTRIBUTES)
        self._event_attributes = _Attributes(_EVENT_ATTRIBUTES)
        self._link_attributes = _Attributes(_LINK_ATTRIBUTES)
        self._span_names = _Names(b"\x2a")
        self._event_names = _Names(b"\x12")
        self._forget_contexts()

    def encode(self, spans: Sequence[ReadableSpan]) -> bytes:
        """Give the serialized ``ExportTraceServiceRequest`` of the spans, which may be any."""
        if len(self._resources) + len(self._scopes) > _MAX_CONTEXTS:
            self._forget_contexts()
        # By resource, then scope, each in the order in which it first occurs.
        groups: dict[int, tuple[_ResourceContext, dict[int, tuple[_ScopeContext, list[bytes]]]]]
        groups = {}
        last_resource: object = self
        last_scope: object = self
        target: list[bytes] = []
        for span in spans:
            resource, scope = span.resource, span.instrumentation_scope
            if resource is not last_resource or scope is not last_scope:
                target = self._group(groups, resource, scope)
                last_resource, last_scope = resource, scope
            body = self._span(span)
            target += (b"\x12", _varint(len(body)), body)
        out = []
        for resource_context, scopes in groups.values():
            inner = [resource_context.head]
            for scope_context, encoded in scopes.values():
                encoded.append(scope_context.tail)
                inner.append(_field(b"\x12", scope_context.head + b"".join(encoded)))
            inner.append(resource_context.tail)
            out.append(_field(b"\x0a", b"".join(inner)))
        return b"".join(out)

    def _forget_contexts(self) -> None:
        self._resources: dict[int, _ResourceContext] = {}
        self._scopes: dict[int, _ScopeContext] = {}
        self._equal_resources: dict[Resource, Resource] = {}
        self._equal_scopes: dict[InstrumentationScope, InstrumentationScope] = {}

    def _group(
        self,
        groups: dict[int, tuple[_ResourceContext, dict[int, tuple[_ScopeContext, list[bytes]]]]],
        resource: Resource,
        scope: InstrumentationScope | None,
    ) -> list[bytes]:
        """Find the list that takes the spans of a resource and a scope."""
        context = self._resources.get(id(resource))
        if context is None:
            group = self._equal_resources.setdefault(resource, resource)
            context = _ResourceContext(resource, group, self._resource_attributes)
            self._resources[id(resource)] = context
        scope_context = self._scopes.get(id(scope))
        if scope_context is None:
            equal = None if scope is None else self._equal_scopes.setdefault(scope, scope)
            scope_context = _ScopeContext(scope, equal, self._scope_attributes)
            self._scopes[id(scope)] = scope_context
        _, scopes = groups.setdefault(id(context.group), (context, {}))
        _, encoded = scopes.setdefault(id(scope_context.group), (scope_context, []))
        return encoded

    def _span(self, span: ReadableSpan) -> bytes:
        context = span.context
        parent = span.parent
        trace_id = context.trace_id
        out = [_IDS(0x0A10, trace_id >> 64, trace_id & _UINT64, 0x1208, context.span_id)]
        if context.trace_state:
            out.append(_field(b"\x1a", to_bytes(context.trace_state.to_header())))
        flags = _LOCAL_FLAGS
        if parent is not None:
            out += (b"\x22\x08", parent.span_id.to_bytes(8, "big"))
            if parent.is_remote:
                flags = _REMOTE_FLAGS
        name = span.name or ""
        out += (
            self._span_names.known.get(name) or self._span_names.write(name),
            _KINDS[span.kind],
            _times(span.start_time, span.end_time),
        )
        attributes = span.attributes
        if attributes:
            # A copy is a plain dict, made in C; reading the proxy would lock it item by item.
            self._span_attributes.write(plain_attributes(attributes), out)
        if span.dropped_attributes:
            out += (b"\x50", _varint(span.dropped_attributes))
        for event in span.events:
            self._event(event, out)
        if span.dropped_events:
            out += (b"\x60", _varint(span.dropped_events))
        for link in span.links:
            out.append(self._link(link))
        if span.dropped_links:
            out += (b"\x70", _varint(span.dropped_links))
        status = span.status
        out += (_UNSET if status.status_code is StatusCode.UNSET else _status(status), flags)
        return b"".join(out)

    def _event(self, event: Event, out: list[bytes]) -> None:
        name = event.name or ""
        parts = [
            _time(event.timestamp),
            self._event_names.known.get(name) or self._event_names.write(name),
        ]
        attributes = event.attributes
        if attributes:
            self._event_attributes.write(plain_attributes(attributes), parts)
        if event.dropped_attributes:
            parts += (b"\x20", _varint(event.dropped_attributes))
        body = b"".join(parts)
        out += (b"\x5a", _varint(len(body)), body)

    def _link(self, link: Link) -> bytes:
        context = link.context
        trace_id = context.trace_id
        out = [_IDS(0x0A10, trace_id >> 64, trace_id & _UINT64, 0x1208, context.span_id)]
        if link.attributes:
            self._link_attributes.write(plain_attributes(link.attributes), out)
        if link.dropped_attributes:
            out += (b"\x28", _varint(link.dropped_attributes))
        out.append(_LINK_REMOTE_FLAGS if context.is_remote else _LINK_LOCAL_FLAGS)
        return _field(b"\x6a", b"".join(out))


# SpanKind of the API counts from INTERNAL = 0, that of OTLP from INTERNAL = 1.
_KINDS = {kind: b"\x30" + _BYTES[kind.value + 1] for kind in SpanKind}
_UNSET = b"\x7a\x00"


def _status(status: Status) -> bytes:
    code = status.status_code.value
    described = _optional(b"\x12", to_bytes(status.description or ""))
    return _field(b"\x7a", described + (b"\x18" + _BYTES[code] if code else b""))


def _times(start: int | None, end: int | None) -> bytes:
    if start and end:
        try:
            return _TIMES(0x39, start, 0x41, end)
        except struct.error:
            pass
    return _time(start, 0x39) + _time(end, 0x41)


def _time(value: int | None, tag: int = 0x09) -> bytes:
    """Write a time; 0 is left out, as proto3 does."""
    return _TIME(tag, min(max(value, 0), _UINT64)) if value else b""
