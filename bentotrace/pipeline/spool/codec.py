"""A batch of spans as bytes, and back without loss.

The bytes are compressed JSON and never code: whoever may write into the directory of a spool can
make spans, and nothing else. A value that JSON has no word for stands in an object with one key:
``i`` an integer beyond 64 bits in hexadecimal, ``f`` the bits of a float that is not finite, ``b``
bytes in base64, ``m`` a mapping. A sequence comes back as a tuple. A value of another type than
OpenTelemetry's, and what is nested more than 32 deep, is kept as its ``str()``, as exporters send
it.
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

from bentotrace.encoding import INT64_MAX, INT64_MIN, plain_attributes, shown

__all__ = ["DamagedBatchError", "decode_batch", "encode_batch"]

_VERSION = 1
_FASTEST = 1
_MAX_BYTES = 256 * 1024 * 1024
_MAX_DEPTH = 32
_DOUBLE = struct.Struct(">d")


class DamagedBatchError(ValueError):
    """The bytes are no batch, or one of a version that is not known here."""


class _SpooledSpan(ReadableSpan):
    """A span that was on disk; it knows what it had dropped before."""

    _dropped: tuple[int, int, int]

    @property
    def dropped_attributes(self) -> int:
        return self._dropped[0]

    @property
    def dropped_events(self) -> int:
        return self._dropped[1]

    @property
    def dropped_links(self) -> int:
        return self._dropped[2]

    @property
    def instrumentation_info(self) -> Any:
        """The scope, which has all that its predecessor had."""
        return self.instrumentation_scope


class _SpooledEvent(Event):
    _dropped: int

    @property
    def dropped_attributes(self) -> int:
        return self._dropped


class _SpooledLink(Link):
    _dropped: int

    @property
    def dropped_attributes(self) -> int:
        return self._dropped


def encode_batch(spans: Sequence[ReadableSpan]) -> bytes:
    """Encode spans; what they share is written once."""
    encoder = _Encoder()
    rows = [encoder.span(span) for span in spans]
    text = json.dumps(
        [_VERSION, encoder.resources, encoder.scopes, rows],
        ensure_ascii=False,
        separators=(",", ":"),
    )
    # Not escaped in JSON, where two lone surrogates side by side would come back as one character.
    return zlib.compress(text.encode("utf-8", "surrogatepass"), _FASTEST)


def decode_batch(content: bytes) -> list[ReadableSpan]:
    """Decode what :func:`encode_batch` made.

    Raises:
        DamagedBatchError: it did not make this.
    """
    try:
        decompressor = zlib.decompressobj()
        data = decompressor.decompress(content, _MAX_BYTES)
        if not decompressor.eof:
            raise ValueError("it ends early, or is too large")
        version, *parts = json.loads(data.decode("utf-8", "surrogatepass"))
        if version != _VERSION:
            raise ValueError(f"it is of version {version!r}, not {_VERSION}")
        resources, scopes, rows = parts
        decoder = _Decoder([_resource(row) for row in resources], [_scope(row) for row in scopes])
        return [decoder.span(row) for row in rows]
    # Bytes that anybody may have written can fail in any way.
    except Exception as error:
        raise DamagedBatchError(f"{type(error).__name__}: {error}") from error


class _Encoder:
    def __init__(self) -> None:
        self.resources: list[Any] = []
        self.scopes: list[Any] = []
        self._known: dict[int, int] = {}

    def span(self, span: ReadableSpan) -> list[Any]:
        status = span.status
        return [
            self._resource(span.resource),
            self._scope(span.instrumentation_scope),
            _from_context(span.context),
            _from_context(span.parent),
            _from_value(span.name),
            span.kind.value,
            span.start_time,
            span.end_time,
            status.status_code.value,
            _from_value(status.description),
            _from_attributes(span.attributes),
            [
                [
                    _from_value(event.name),
                    event.timestamp,
                    _from_attributes(event.attributes),
                    event.dropped_attributes,
                ]
                for event in span.events
            ],
            [
                [
                    _from_context(link.context),
                    _from_attributes(link.attributes),
                    link.dropped_attributes,
                ]
                for link in span.links
            ],
            [span.dropped_attributes, span.dropped_events, span.dropped_links],
        ]

    def _resource(self, resource: Resource) -> int:
        # The spans hold the resources and scopes, so that no two have the same id.
        number = self._known.get(id(resource))
        if number is None:
            number = self._known[id(resource)] = len(self.resources)
            self.resources.append([_from_attributes(resource.attributes), resource.schema_url])
        return number

    def _scope(self, scope: InstrumentationScope | None) -> int | None:
        if scope is None:
            return None
        number = self._known.get(id(scope))
        if number is None:
            number = self._known[id(scope)] = len(self.scopes)
            attributes = _from_attributes(scope.attributes)
            self.scopes.append(
                [
                    _from_value(scope.name),
                    _from_value(scope.version),
                    _from_value(scope.schema_url),
                    attributes,
                ]
            )
        return number


class _Decoder:
    def __init__(self, resources: list[Resource], scopes: list[InstrumentationScope]) -> None:
        self._resources = resources
        self._scopes = scopes

    def span(self, row: list[Any]) -> ReadableSpan:
        (
            resource,
            scope,
            context,
            parent,
            name,
            kind,
            start,
            end,
            code,
            description,
            attributes,
            events,
            links,
            dropped,
        ) = row
        span = _SpooledSpan(
            _to_value(name),
            context=_to_context(context),
            parent=_to_context(parent),
            resource=self._resources[resource],
            attributes=_to_attributes(attributes),
            events=[_event(row) for row in events],
            links=[_link(row) for row in links],
            kind=SpanKind(kind),
            status=Status(StatusCode(code), _to_value(description)),
            start_time=start,
            end_time=end,
            instrumentation_scope=None if scope is None else self._scopes[scope],
        )
        attributes_count, events_count, links_count = dropped
        span._dropped = (int(attributes_count), int(events_count), int(links_count))
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
    event = _SpooledEvent(_to_value(name), _to_attributes(attributes), timestamp)
    event._dropped = int(dropped)
    return event


def _link(row: list[Any]) -> Link:
    context, attributes, dropped = row
    made = _to_context(context)
    if made is None:
        raise ValueError("a link leads nowhere")
    link = _SpooledLink(made, _to_attributes(attributes))
    link._dropped = int(dropped)
    return link


def _from_context(context: SpanContext | None) -> list[Any] | None:
    if context is None:
        return None
    state = context.trace_state
    return [
        context.trace_id,
        context.span_id,
        bool(context.is_remote),
        int(context.trace_flags),
        list(state.items()) if state else None,
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
        key if type(key) is str else shown(key): _from_value(value)
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
            return {"m": {shown(key): _from_value(item, depth + 1) for key, item in value.items()}}
    return shown(value)


def _to_value(written: Any) -> Any:
    if isinstance(written, list):
        return tuple(_to_value(item) for item in written)
    if isinstance(written, dict):
        ((kind, content),) = written.items()
        return _READ[kind](content)
    return written


def _to_float(bits: str) -> float:
    (value,) = _DOUBLE.unpack(bytes.fromhex(bits))
    return float(value)


_READ: Mapping[str, Callable[[Any], Any]] = {
    "i": lambda content: int(content, 16),
    "f": _to_float,
    "b": lambda content: base64.b64decode(content, validate=True),
    "m": lambda content: {key: _to_value(item) for key, item in content.items()},
}
