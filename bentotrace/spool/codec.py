"""Encode a batch of spans as bytes, and decode it without loss.

The bytes are compressed JSON and never code: a user who can write to the spool's directory can
create spans, and nothing else. A value without a JSON type is an object with one key: ``i`` an
integer beyond 64 bits in hexadecimal, ``f`` the bits of a float that is not finite, ``b`` bytes in
base64, ``m`` a mapping. A sequence is decoded as a tuple. A value of another type than
OpenTelemetry's, or nested more than 32 deep, is stored as its ``str()``, as exporters send it.
"""

from __future__ import annotations

import base64
import json
import math
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from bentotrace.encoding import (
    INT64_MAX,
    INT64_MIN,
    PlainEvent,
    PlainLink,
    PlainSpan,
    plain_attributes,
    safe_str,
)

__all__ = ["MAX_BYTES", "DamagedBatchError", "decode_batch", "encode_batch"]

_VERSION = 1
_FASTEST = 1
MAX_BYTES = 64 * 1024 * 1024
"""The size of the largest batch, before it is compressed."""

_MAX_DEPTH = 32
_DOUBLE = struct.Struct(">d")
# By id(), as the encoders do. A field of another type than its own raises when it is written: when
# it is read, it would cost the batch. So do "| 0" for an integer, and '+ ""' for text.
_KINDS = {id(kind): kind.value for kind in SpanKind}
_CODES = {id(code): code.value for code in StatusCode}


class DamagedBatchError(ValueError):
    """The bytes are not a batch, or a batch of another version."""


def encode_batch(spans: Sequence[ReadableSpan]) -> bytes:
    """Encode spans; a shared resource or scope is written once."""
    encoder = _Encoder()
    rows = [encoder.span(span) for span in spans]
    text = json.dumps(
        [_VERSION, encoder.resources, encoder.scopes, rows],
        ensure_ascii=False,
        separators=(",", ":"),
    )
    # Escaped in JSON, two adjacent lone surrogates would be decoded as one character.
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > MAX_BYTES:
        raise ValueError(f"a batch of {len(data)} bytes is too large; the limit is {MAX_BYTES}")
    return zlib.compress(data, _FASTEST)


def decode_batch(content: bytes) -> list[ReadableSpan]:
    """Decode the bytes of :func:`encode_batch`.

    Raises:
        DamagedBatchError: they are damaged.
    """
    try:
        decompressor = zlib.decompressobj()
        data = decompressor.decompress(content, MAX_BYTES)
        if not decompressor.eof:
            raise ValueError("the batch is truncated or too large")
        version, *parts = json.loads(data.decode("utf-8", "surrogatepass"))
        if version != _VERSION:
            raise ValueError(f"the version is {version!r}, not {_VERSION}")
        resources, scopes, rows = parts
        shared = [_resource(row) for row in resources], [_scope(row) for row in scopes]
        return [_span(row, *shared) for row in rows]
    # Arbitrary bytes can fail in any way.
    except Exception as error:
        raise DamagedBatchError(f"{type(error).__name__}: {error}") from error


class _Encoder:
    def __init__(self) -> None:
        self.resources: list[Any] = []
        self.scopes: list[Any] = []
        # They are held, so that their ids are not reused.
        self._known: dict[int, tuple[int, object]] = {}

    def span(self, span: ReadableSpan) -> list[Any]:
        status = span.status
        return [
            self._resource(span.resource),
            self._scope(span.instrumentation_scope),
            _from_context(span.context),
            _from_context(span.parent),
            _from_value(span.name),
            _KINDS[id(span.kind)],
            span.start_time,
            span.end_time,
            _CODES[id(status.status_code)],
            _from_value(status.description),
            _from_attributes(span.attributes),
            [_from_event(event) for event in span.events],
            [_from_link(link) for link in span.links],
            [span.dropped_attributes | 0, span.dropped_events | 0, span.dropped_links | 0],
        ]

    def _resource(self, resource: Resource) -> int:
        if id(resource) not in self._known:
            self._known[id(resource)] = len(self.resources), resource
            self.resources.append([_from_attributes(resource.attributes), resource.schema_url])
        return self._known[id(resource)][0]

    def _scope(self, scope: InstrumentationScope | None) -> int | None:
        if scope is None:
            return None
        if id(scope) not in self._known:
            self._known[id(scope)] = len(self.scopes), scope
            texts = map(_from_value, (scope.name, scope.version, scope.schema_url))
            self.scopes.append([*texts, _from_attributes(scope.attributes)])
        return self._known[id(scope)][0]


def _span(
    row: list[Any], resources: list[Resource], scopes: list[InstrumentationScope]
) -> ReadableSpan:
    resource, scope, context, parent, name, kind, start, end, *rest = row
    code, description, attributes, events, links, dropped = rest
    span = PlainSpan(
        _to_value(name),
        context=_to_context(context),
        parent=_to_context(parent),
        resource=resources[resource],
        attributes=_to_attributes(attributes),
        events=[_event(row) for row in events],
        links=[_link(row) for row in links],
        kind=SpanKind(kind),
        status=Status(StatusCode(code), _to_value(description)),
        start_time=start,
        end_time=end,
        instrumentation_scope=None if scope is None else scopes[scope],
    )
    attributes_count, events_count, links_count = map(int, dropped)
    span.dropped = (attributes_count, events_count, links_count)
    return span


def _resource(row: list[Any]) -> Resource:
    attributes, schema_url = row
    return Resource(_to_attributes(attributes) or {}, schema_url)


def _scope(row: list[Any]) -> InstrumentationScope:
    name, version, schema_url, attributes = row
    return InstrumentationScope(
        _to_value(name), _to_value(version), _to_value(schema_url), _to_attributes(attributes)
    )


def _event(row: list[Any]) -> Event:
    name, timestamp, attributes, dropped = row
    event = PlainEvent(_to_value(name), _to_attributes(attributes), timestamp)
    event.dropped = int(dropped)
    return event


def _link(row: list[Any]) -> Link:
    context, attributes, dropped = row
    target = _to_context(context)
    if target is None:
        raise ValueError("a link has no context")
    link = PlainLink(target, _to_attributes(attributes))
    link.dropped = int(dropped)
    return link


def _from_event(event: Event) -> list[Any]:
    attributes = _from_attributes(event.attributes)
    return [_from_value(event.name), event.timestamp, attributes, event.dropped_attributes | 0]


def _from_link(link: Link) -> list[Any]:
    attributes = _from_attributes(link.attributes)
    return [_from_context(link.context), attributes, link.dropped_attributes | 0]


def _from_context(context: SpanContext | None) -> list[Any] | None:
    if context is None:
        return None
    state = context.trace_state
    return [
        context.trace_id | 0,
        context.span_id | 0,
        bool(context.is_remote),
        context.trace_flags | 0,
        [[key + "", value + ""] for key, value in state.items()] if state else None,
    ]


def _to_context(row: list[Any] | None) -> SpanContext | None:
    if row is None:
        return None
    trace_id, span_id, remote, flags, state = row
    return SpanContext(
        trace_id,
        span_id,
        remote,
        TraceFlags(flags),
        None if state is None else TraceState([(key, value) for key, value in state]),
    )


def _from_attributes(attributes: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if attributes is None:
        return None
    return {
        key if type(key) is str else safe_str(key): _from_value(value)
        for key, value in plain_attributes(attributes).items()
    }


def _to_attributes(written: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if written is None else {key: _to_value(value) for key, value in written.items()}


def _from_value(value: Any, depth: int = 0) -> Any:
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, int):
        return value if INT64_MIN <= value <= INT64_MAX else {"i": hex(value)}
    if isinstance(value, float):
        return value if math.isfinite(value) else {"f": _DOUBLE.pack(value).hex()}
    if isinstance(value, bytes):
        return {"b": base64.b64encode(value).decode()}
    if depth < _MAX_DEPTH:
        if isinstance(value, Sequence):
            return [_from_value(item, depth + 1) for item in value]
        if isinstance(value, Mapping):
            return {
                "m": {safe_str(key): _from_value(item, depth + 1) for key, item in value.items()}
            }
    return safe_str(value)


def _to_value(written: Any) -> Any:
    if isinstance(written, list):
        return tuple(_to_value(item) for item in written)
    if isinstance(written, dict):
        ((kind, content),) = written.items()
        return _READ[kind](content)
    return written


_READ: Mapping[str, Callable[[Any], Any]] = {
    "i": lambda content: int(content, 16),
    "f": lambda content: float(_DOUBLE.unpack(bytes.fromhex(content))[0]),
    "b": lambda content: base64.b64decode(content, validate=True),
    "m": lambda content: {key: _to_value(item) for key, item in content.items()},
}
