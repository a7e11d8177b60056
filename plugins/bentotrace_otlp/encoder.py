"""OTLP's ``ExportTraceServiceRequest``, encoded without generated code.

The bytes are the same as from ``opentelemetry-exporter-otlp-proto-common``. They differ only where
that would lose the attribute or the batch:

- an integer beyond 64 bits is sent as text;
- a lone surrogate is sent as ``?``;
- a value of another type than OpenTelemetry's, or nested more than 32 deep, is sent as its
  ``str()``;
- a time before 1970 or after 2262 is sent as the nearest one between; a span that ends before it
  starts ends when it starts;
- the flags of spans and links have the W3C flags, and links their trace state.

Source of the field numbers: opentelemetry-proto, ``trace.proto``, ``common.proto``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from struct import Struct
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

from bentotrace.encoding import (
    MAX_TIME,
    NO_TRACE_STATE,
    SHORT,
    SMALL,
    BoundedCache,
    PlainValue,
    ProtobufPrefixes,
    SpanFields,
    dropped_count,
    field,
    in_turns,
    optional_field,
    plain_attributes,
    plain_value,
    read_event,
    read_span,
    to_bytes,
    varint,
    write_protobuf_attributes,
)

__all__ = ["TraceEncoder"]

_MAX_CONTEXTS = 256

_UINT64 = (1 << 64) - 1

_TIMES = Struct("<BQBQ").pack
_IDS = Struct(">HQQHQ").pack
_TIME = Struct("<BQ").pack
_DOUBLE = Struct("<d").pack
_FLOATS = {float}
# The bytes before each float of an ``ArrayValue``.
_FLOAT = b"\x0a\x09\x21"

_FLAGS = Struct("<BBI").pack

# Tags: field number << 3 | wire type.
_SPAN_ATTRIBUTES = b"\x4a"
_EVENT_ATTRIBUTES = _SCOPE_ATTRIBUTES = b"\x1a"
_LINK_ATTRIBUTES = b"\x22"
_RESOURCE_ATTRIBUTES = b"\x0a"
# The flags of a span or a link, by whether its parent or context is remote, and by its W3C flags.
_LOCAL, _REMOTE = 0x100, 0x300
_SPAN_FLAGS = {
    remote: [_FLAGS(0x85, 0x01, remote | flags) for flags in range(256)]
    for remote in (_LOCAL, _REMOTE)
}
_LINK_FLAGS = Struct("<BI").pack


# The bytes before the values of a type, and the length of those.
_FIXED = {"double": (b"\x21", 8), "false": (b"\x10\x00", 0), "true": (b"\x10\x01", 0)}


class _Prefixes(ProtobufPrefixes):
    """OTLP's ``KeyValue``: key = 1, value = 2, an ``AnyValue``."""

    __slots__ = ("floats",)

    floats: dict[int, bytes]
    """The prefixes of tuples of floats, by their length."""

    def write(self, value: Any) -> bytes:
        """Return tag, key and value, for a value of any type."""
        if type(value) is tuple and set(map(type, value)) == _FLOATS:
            # Measurements may be many floats: eight bytes each, after the same three.
            prefix = self.floats.get(len(value)) or self._before_floats(len(value))
            return prefix + _FLOAT.join((b"", *map(_DOUBLE, value)))
        written = _any_value(plain_value(value))
        return field(self._tag, b"%b\x12%b%b" % (self._key, varint(len(written)), written))

    def _make(self, part: str) -> Any:
        if part == "floats":
            return {}
        return [None] * 11 if part == "number" else self._before(*_FIXED[part])

    def _before_floats(self, count: int) -> bytes:
        """Return the prefix of a tuple of floats, and cache it if the tuple is short."""
        size = (len(_FLOAT) + 8) * count
        made = self._before(b"\x2a" + varint(size), size)
        if count < SHORT:
            self.floats[count] = made
        return made

    def before_any_text(self, length: int) -> bytes:
        """Return tag, lengths and key for a string of ``length`` bytes."""
        size = self._key_size + 6 + length
        if length >= SHORT and size < 1024:
            # All lengths have two bytes. Few calls, since this runs for each long text.
            parts = self._tag, SMALL[size], self._key, SMALL[length + 3], SMALL[length]
            return b"%b%b%b\x12%b\x0a%b" % parts
        written = varint(length)
        value = 1 + len(written) + length
        before = varint(value)
        size = self._key_size + 1 + len(before) + value
        return b"".join((self._tag, varint(size), self._key, b"\x12", before, b"\x0a", written))

    def _before_number(self, length: int) -> bytes:
        return self._before(b"\x18", length)

    def _before(self, start: bytes, length: int) -> bytes:
        """Return tag, lengths and key for a value of ``start`` and ``length`` more bytes."""
        value = len(start) + length
        return b"%b%b%b\x12%b%b" % (
            self._tag,
            varint(len(self._key) + 1 + len(varint(value)) + value),
            self._key,
            varint(value),
            start,
        )


def _any_value(value: PlainValue) -> bytes:
    """Return an ``AnyValue``."""
    if value is None:
        return b""
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, str):
        return field(b"\x0a", to_bytes(value))
    if isinstance(value, int):
        return b"\x18" + varint(value & _UINT64)
    if isinstance(value, float):
        return b"\x21" + _DOUBLE(value)
    if isinstance(value, bytes):
        return field(b"\x3a", value)
    if isinstance(value, list):
        return field(b"\x2a", b"".join(field(b"\x0a", _any_value(item)) for item in value))
    pairs = (
        optional_field(b"\x0a", to_bytes(key)) + field(b"\x12", _any_value(item))
        for key, item in value.items()
    )
    return field(b"\x32", b"".join(field(b"\x0a", pair) for pair in pairs))


class _Attributes:
    """Encodes attributes as the repeated ``KeyValue`` field of one tag."""

    def __init__(self, tag: bytes) -> None:
        self._keys: BoundedCache[str, _Prefixes] = BoundedCache(lambda key: _Prefixes(tag, key))

    def write(self, attributes: Mapping[str, Any], out: list[bytes]) -> None:
        """Append the fields of all attributes."""
        write_protobuf_attributes(attributes, self._keys, out)


class _ResourceContext:
    """A resource, encoded once.

    Attributes:
        resource: held, so that its id is not reused.
        group: the first resource equal to it, by which spans are grouped.
        head: the ``resource`` field of ``ResourceSpans``.
        tail: its ``schema_url`` field.
    """

    __slots__ = ("group", "head", "resource", "tail")

    def __init__(self, resource: Resource, group: Resource, attributes: _Attributes) -> None:
        out: list[bytes] = []
        attributes.write(resource.attributes, out)
        self.resource = resource
        self.group = group
        self.head = field(b"\x0a", b"".join(out))
        self.tail = optional_field(b"\x1a", to_bytes(resource.schema_url or ""))


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
            optional_field(b"\x0a", to_bytes(scope.name or "")),
            optional_field(b"\x12", to_bytes(scope.version or "")),
        ]
        # Scopes have attributes since opentelemetry-sdk 1.28.
        attributes.write(getattr(scope, "attributes", None) or {}, out)
        self.head = field(b"\x0a", b"".join(out))
        self.tail = optional_field(b"\x1a", to_bytes(scope.schema_url or ""))


class TraceEncoder:
    """Encodes batches of spans; used by one thread at a time.

    Bounded caches keep encoded resources and scopes, by identity because a resource's hash is that
    of its JSON, and the prefixes of attribute values.
    """

    def __init__(self) -> None:
        self._resource_attributes = _Attributes(_RESOURCE_ATTRIBUTES)
        self._scope_attributes = _Attributes(_SCOPE_ATTRIBUTES)
        self._span_attributes = _Attributes(_SPAN_ATTRIBUTES)
        self._event_attributes = _Attributes(_EVENT_ATTRIBUTES)
        self._link_attributes = _Attributes(_LINK_ATTRIBUTES)
        self._span_names: BoundedCache[str, bytes] = BoundedCache(
            lambda name: optional_field(b"\x2a", to_bytes(name))
        )
        self._event_names: BoundedCache[str, bytes] = BoundedCache(
            lambda name: optional_field(b"\x12", to_bytes(name))
        )
        self._forget_contexts()

    def encode(self, spans: Sequence[ReadableSpan]) -> bytes:
        """Return the serialized ``ExportTraceServiceRequest`` of any spans."""
        if len(self._resources) + len(self._scopes) > _MAX_CONTEXTS:
            self._forget_contexts()
        # By resource, then scope, each in the order in which it first occurs.
        groups: dict[int, tuple[_ResourceContext, dict[int, tuple[_ScopeContext, list[bytes]]]]]
        groups = {}
        last_resource: object = self
        last_scope: object = self
        target: list[bytes] = []
        for span in in_turns(spans):
            fields = read_span(span)
            resource, scope = fields[2], fields[3]
            if resource is not last_resource or scope is not last_scope:
                target = self._group(groups, resource, scope)
                last_resource, last_scope = resource, scope
            body = self._span(fields)
            length = len(body)
            target += (b"\x12", SMALL[length] if length < 1024 else varint(length), body)
        # One join at the end: a field at a time, each of the levels would copy the whole batch.
        out: list[bytes] = []
        for resource_context, scopes in groups.values():
            inner = [resource_context.head]
            for scope_context, encoded in scopes.values():
                parts = (scope_context.head, *encoded, scope_context.tail)
                inner += (b"\x12", varint(sum(map(len, parts))), *parts)
            inner.append(resource_context.tail)
            out += (b"\x0a", varint(sum(map(len, inner))), *inner)
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
        """Return the list for the spans of a resource and a scope."""
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

    def _span(self, fields: SpanFields) -> bytes:
        context, parent, _, _, name, kind, start, end, content = fields
        attributes, events, links, status, dropped = content
        trace_id, span_id, _, flags, state, _ = context
        # Packing refuses numbers that are out of range.
        if not (trace_id and span_id) or (parent is not None and not parent.is_valid):
            raise ValueError("the span or its parent has no valid ids")
        out = [_IDS(0x0A10, trace_id >> 64, trace_id & _UINT64, 0x1208, span_id)]
        if state is not NO_TRACE_STATE and state:
            out.append(field(b"\x1a", to_bytes(state.to_header())))
        remote = _LOCAL
        if parent is not None:
            out += (b"\x22\x08", parent.span_id.to_bytes(8, "big"))
            if parent.is_remote:
                remote = _REMOTE
        out += (self._span_names[name or ""], _KINDS[id(kind)], _times(start, end))
        self._span_attributes.write(attributes, out)
        if dropped[0]:
            out += (b"\x50", varint(dropped_count(dropped[0])))
        for event in events:
            self._event(event, out)
        if dropped[1]:
            out += (b"\x60", varint(dropped_count(dropped[1])))
        for link in links:
            out.append(self._link(link))
        if dropped[2]:
            out += (b"\x70", varint(dropped_count(dropped[2])))
        out += (
            _UNSET if status.status_code is StatusCode.UNSET else _status(status),
            _SPAN_FLAGS[remote][flags & 0xFF],
        )
        return b"".join(out)

    def _event(self, event: Event, out: list[bytes]) -> None:
        name, timestamp, attributes, dropped = read_event(event)
        parts = [_time(timestamp), self._event_names[name or ""]]
        self._event_attributes.write(attributes, parts)
        if dropped:
            parts += (b"\x20", varint(dropped_count(dropped)))
        body = b"".join(parts)
        length = len(body)
        out += (b"\x5a", SMALL[length] if length < 1024 else varint(length), body)

    def _link(self, link: Link) -> bytes:
        context = link.context
        if not context.is_valid:
            raise ValueError("a link has no valid ids")
        trace_id = context.trace_id
        out = [_IDS(0x0A10, trace_id >> 64, trace_id & _UINT64, 0x1208, context.span_id)]
        state = context.trace_state
        if state is not NO_TRACE_STATE and state:
            out.append(field(b"\x1a", to_bytes(state.to_header())))
        if link.attributes:
            self._link_attributes.write(plain_attributes(link.attributes), out)
        if link.dropped_attributes:
            out += (b"\x28", varint(dropped_count(link.dropped_attributes)))
        remote = _REMOTE if context.is_remote else _LOCAL
        out.append(_LINK_FLAGS(0x35, remote | context.trace_flags & 0xFF))
        return field(b"\x6a", b"".join(out))


# SpanKind of the API counts from INTERNAL = 0, that of OTLP from INTERNAL = 1.
# By id(): an enum member's own hash is a call into Python, and members live forever.
_KINDS = {id(kind): b"\x30" + SMALL[kind.value + 1] for kind in SpanKind}
_CODES = {id(code): code.value for code in StatusCode}
_UNSET = b"\x7a\x00"


def _status(status: Status) -> bytes:
    code = _CODES[id(status.status_code)]
    described = optional_field(b"\x12", to_bytes(status.description or ""))
    return field(b"\x7a", described + (b"\x18" + SMALL[code] if code else b""))


def _times(start: int | None, end: int | None) -> bytes:
    if start and end and 0 < start <= end <= MAX_TIME:
        return _TIMES(0x39, start, 0x41, end)
    # A span that has not ended, or ended before it started, has no duration.
    start = min(max(start or 0, 0), MAX_TIME)
    end = min(max(end or start, start), MAX_TIME)
    return _time(start, 0x39) + _time(end, 0x41)


def _time(value: int | None, tag: int = 0x09) -> bytes:
    """Return the field of a time; nothing for 0, as in proto3."""
    return _TIME(tag, min(max(value, 0), MAX_TIME)) if value else b""
