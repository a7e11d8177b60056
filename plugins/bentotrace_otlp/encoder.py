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
from collections.abc import Sequence
from struct import Struct

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

from bentotrace.encoding import NO_TRACE_STATE, Known, plain_attributes, to_bytes, varint
from bentotrace_otlp.attributes import SMALL, Attributes, field, optional

__all__ = ["TraceEncoder"]

_MAX_CONTEXTS = 256

_UINT64 = (1 << 64) - 1

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


class _ResourceContext:
    """A resource, encoded once.

    Attributes:
        resource: held, so that its identity stays its own.
        group: the first resource that was equal to it; spans are grouped by that.
        head: the ``resource`` field of ``ResourceSpans``.
        tail: its ``schema_url`` field.
    """

    __slots__ = ("group", "head", "resource", "tail")

    def __init__(self, resource: Resource, group: Resource, attributes: Attributes) -> None:
        out: list[bytes] = []
        attributes.write(resource.attributes, out)
        self.resource = resource
        self.group = group
        self.head = field(b"\x0a", b"".join(out))
        self.tail = optional(b"\x1a", to_bytes(resource.schema_url or ""))


class _ScopeContext:
    """An instrumentation scope, encoded once; attributes as in :class:`_ResourceContext`."""

    __slots__ = ("group", "head", "scope", "tail")

    def __init__(
        self,
        scope: InstrumentationScope | None,
        group: InstrumentationScope | None,
        attributes: Attributes,
    ) -> None:
        self.scope = scope
        self.group = group
        if scope is None:
            self.head, self.tail = b"\x0a\x00", b""
            return
        out = [
            optional(b"\x0a", to_bytes(scope.name or "")),
            optional(b"\x12", to_bytes(scope.version or "")),
        ]
        # Scopes have attributes since opentelemetry-sdk 1.28.
        attributes.write(getattr(scope, "attributes", None) or {}, out)
        self.head = field(b"\x0a", b"".join(out))
        self.tail = optional(b"\x1a", to_bytes(scope.schema_url or ""))


class TraceEncoder:
    """Encodes batches of spans; used by one thread at a time.

    It keeps what is the same from span to span: resources and scopes by their identity, because
    a resource's hash is its JSON, and the bytes before each attribute's value. Both are bounded.
    """

    def __init__(self) -> None:
        self._resource_attributes = Attributes(_RESOURCE_ATTRIBUTES)
        self._scope_attributes = Attributes(_SCOPE_ATTRIBUTES)
        self._span_attributes = Attributes(_SPAN_ATTRIBUTES)
        self._event_attributes = Attributes(_EVENT_ATTRIBUTES)
        self._link_attributes = Attributes(_LINK_ATTRIBUTES)
        self._span_names: Known[str, bytes] = Known(lambda name: optional(b"\x2a", to_bytes(name)))
        self._event_names: Known[str, bytes] = Known(lambda name: optional(b"\x12", to_bytes(name)))
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
            length = len(body)
            target += (b"\x12", SMALL[length] if length < 1024 else varint(length), body)
        out = []
        for resource_context, scopes in groups.values():
            inner = [resource_context.head]
            for scope_context, encoded in scopes.values():
                encoded.append(scope_context.tail)
                inner.append(field(b"\x12", scope_context.head + b"".join(encoded)))
            inner.append(resource_context.tail)
            out.append(field(b"\x0a", b"".join(inner)))
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
        state = context.trace_state
        if state is not NO_TRACE_STATE and state:
            out.append(field(b"\x1a", to_bytes(state.to_header())))
        flags = _LOCAL_FLAGS
        if parent is not None:
            out += (b"\x22\x08", parent.span_id.to_bytes(8, "big"))
            if parent.is_remote:
                flags = _REMOTE_FLAGS
        name = span.name or ""
        out += (
            self._span_names[name],
            _KINDS[id(span.kind)],
            _times(span.start_time, span.end_time),
        )
        self._span_attributes.write(plain_attributes(span.attributes), out)
        if span.dropped_attributes:
            out += (b"\x50", varint(span.dropped_attributes))
        for event in span.events:
            self._event(event, out)
        if span.dropped_events:
            out += (b"\x60", varint(span.dropped_events))
        for link in span.links:
            out.append(self._link(link))
        if span.dropped_links:
            out += (b"\x70", varint(span.dropped_links))
        status = span.status
        out += (_UNSET if status.status_code is StatusCode.UNSET else _status(status), flags)
        return b"".join(out)

    def _event(self, event: Event, out: list[bytes]) -> None:
        name = event.name or ""
        parts = [
            _time(event.timestamp),
            self._event_names[name],
        ]
        self._event_attributes.write(plain_attributes(event.attributes), parts)
        if event.dropped_attributes:
            parts += (b"\x20", varint(event.dropped_attributes))
        body = b"".join(parts)
        length = len(body)
        out += (b"\x5a", SMALL[length] if length < 1024 else varint(length), body)

    def _link(self, link: Link) -> bytes:
        context = link.context
        trace_id = context.trace_id
        out = [_IDS(0x0A10, trace_id >> 64, trace_id & _UINT64, 0x1208, context.span_id)]
        if link.attributes:
            self._link_attributes.write(plain_attributes(link.attributes), out)
        if link.dropped_attributes:
            out += (b"\x28", varint(link.dropped_attributes))
        out.append(_LINK_REMOTE_FLAGS if context.is_remote else _LINK_LOCAL_FLAGS)
        return field(b"\x6a", b"".join(out))


# SpanKind of the API counts from INTERNAL = 0, that of OTLP from INTERNAL = 1.
# By id(): an enum member's own hash is a call into Python, and members live forever.
_KINDS = {id(kind): b"\x30" + SMALL[kind.value + 1] for kind in SpanKind}
_UNSET = b"\x7a\x00"


def _status(status: Status) -> bytes:
    code = status.status_code.value
    described = optional(b"\x12", to_bytes(status.description or ""))
    return field(b"\x7a", described + (b"\x18" + SMALL[code] if code else b""))


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
