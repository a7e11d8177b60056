"""What Jaeger's three encodings have in common: the tags of a span, and a cache of encoded parts.

Source: OpenTelemetry specification, "OpenTelemetry to Jaeger Transformation".
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanKind, Status, StatusCode, TraceState

from bentotrace.encoding import (
    NO_TRACE_STATE,
    BoundedCache,
    Prefixes,
    dropped_count,
    json_text,
    number_text,
    plain_value,
    safe_str,
)

__all__ = [
    "DROPPED_ATTRIBUTES",
    "NO_CONSTANTS",
    "B",
    "Constants",
    "Encoder",
    "Tags",
    "process_tags",
    "service_name",
    "span_tags",
    "tag_value",
]

_MAX_SCOPES = 256
DROPPED_ATTRIBUTES = "otel.dropped_attributes_count"

_GENERATED = frozenset(
    [
        "error",
        "span.kind",
        "w3c.tracestate",
        DROPPED_ATTRIBUTES,
        "otel.dropped_events_count",
        "otel.dropped_links_count",
        "otel.library.name",
        "otel.library.version",
        "otel.scope.name",
        "otel.scope.version",
        "otel.status_code",
        "otel.status_description",
    ]
)
"""The names of all tags other than attributes."""

Tag = tuple[str, Any]

# By id(): another type of value raises, or is not hashable.
_KINDS = {id(kind): kind.name.lower() for kind in SpanKind}
_CODES = {id(code): code.name for code in StatusCode}


def tag_value(value: Any) -> str | bool | int | float | bytes:
    """Return any value as one of a tag's types.

    NaN, infinity and integers beyond 64 bits become text, which Jaeger's JSON has no numbers for;
    sequences and mappings become JSON, anything else its ``str()``.
    """
    if type(value) is tuple:
        return json_text(value)
    plain = plain_value(value)
    if plain is None:
        return ""
    if isinstance(plain, (list, dict)):
        return json_text(value)
    if isinstance(plain, float) and not math.isfinite(plain):
        return number_text(plain)
    found: str | bool | int | float | bytes = plain
    return found


def _tags_of_scope(scope: InstrumentationScope | None, kind: SpanKind) -> list[Tag]:
    """Return the tags common to all spans of a scope and a kind."""
    tags: list[Tag] = []
    if kind is not SpanKind.INTERNAL:
        tags.append(("span.kind", _KINDS[id(kind)]))
    if scope is not None:
        for key, value in (("name", scope.name), ("version", scope.version)):
            if value:
                # The library names are deprecated, and used by older dashboards.
                text = safe_str(value)
                tags += ((f"otel.scope.{key}", text), (f"otel.library.{key}", text))
    return tags


def span_tags(state: TraceState | None, status: Status, dropped: tuple[int, int, int]) -> list[Tag]:
    """Return the tags of trace state, status and dropped items; most spans have none.

    The trace state's tag has the name that Jaeger uses for spans that arrive over OTLP.
    """
    tags: list[Tag] = []
    code = status.status_code
    if code is not StatusCode.UNSET:
        tags.append(("otel.status_code", _CODES[id(code)]))
        if status.description:
            tags.append(("otel.status_description", safe_str(status.description)))
        if code is StatusCode.ERROR:
            tags.append(("error", True))
    if state is not NO_TRACE_STATE and state:
        tags.append(("w3c.tracestate", state.to_header() + ""))
    if any(dropped):
        names = (DROPPED_ATTRIBUTES, "otel.dropped_events_count", "otel.dropped_links_count")
        counted = zip(names, dropped, strict=True)
        tags += [(name, dropped_count(number)) for name, number in counted if number]
    return tags


def service_name(resource: Resource) -> str:
    """Return the name of the process; Jaeger rejects an empty one."""
    return safe_str(resource.attributes.get(SERVICE_NAME) or "unknown_service")


def process_tags(resource: Resource) -> Iterator[Tag]:
    """Yield the tags of the process: every resource attribute but the service's name."""
    for key, value in resource.attributes.items():
        if key != SERVICE_NAME:
            yield key, value


class Tags(NamedTuple):
    """Encoded tags.

    Attributes:
        number: the number of tags.
        data: the bytes.
        names: their keys, where a span's attributes may have the same.
    """

    number: int
    data: bytes
    names: frozenset[str] = frozenset()


class Constants:
    """The constant tags of a scope, by ``id()`` of the span's kind.

    An enum member's own hash is a call into Python, and members live forever.
    """

    __slots__ = ("by_kind", "scope")

    def __init__(self, scope: InstrumentationScope | None) -> None:
        self.scope = scope
        self.by_kind: dict[int, Tags] = {}


NO_CONSTANTS = Constants(None)
"""The constants of a scope that is not known yet."""


P = TypeVar("P", bound=Prefixes)
B = TypeVar("B")


class Encoder(ABC, Generic[P, B]):
    """Keeps repeated parts in bounded caches; used by one thread at a time.

    A subclass writes one encoding. ``P`` is the cached value of an attribute key, ``B`` an encoded
    batch. Resources and scopes are held and compared by identity, because a resource's hash is that
    of its JSON.
    """

    def __init__(self) -> None:
        self._keys: BoundedCache[str, P] = BoundedCache(self._meet_key)
        self._generated_keys: BoundedCache[str, P] = BoundedCache(self._make_prefixes)
        # Names are compared only after an attribute had the name of a generated tag.
        self._collides = False
        self._names: BoundedCache[str, bytes] = BoundedCache(self._encode_name)
        self._event_names: BoundedCache[str, bytes] = BoundedCache(self._encode_event_name)
        self._scopes: dict[int, Constants] = {}
        # No span has this resource.
        self._resource: object = self
        self._process = b""

    def encode(self, spans: Sequence[ReadableSpan]) -> B:
        """Encode spans, at least one, which all have one resource."""
        collides = self._collides
        encoded = self._encode(spans)
        # The first attribute with a generated name turns on the comparison, which costs time.
        return encoded if self._collides == collides else self._encode(spans)

    @abstractmethod
    def _encode(self, spans: Sequence[ReadableSpan]) -> B:
        """Encode spans, at least one, which all have one resource."""

    def _meet_key(self, key: str) -> P:
        self._collides = self._collides or key in _GENERATED
        return self._make_prefixes(key)

    def _own_tags(
        self, attributes: Mapping[str, Any], constant: Tags, more: Iterable[tuple[str, Any]]
    ) -> Mapping[str, Any]:
        """Return the attributes without names of generated tags: Jaeger warns about duplicates."""
        if _GENERATED.isdisjoint(attributes):
            return attributes
        generated = constant.names.union(name for name, _ in more)
        return {key: value for key, value in attributes.items() if key not in generated}

    @abstractmethod
    def _make_prefixes(self, key: str) -> P:
        """Return the cached value for a key."""

    @abstractmethod
    def _encode_name(self, name: str) -> bytes:
        """Encode the field of a span's name."""

    @abstractmethod
    def _encode_event_name(self, name: str) -> bytes:
        """Encode the tag ``event`` of a log, as the first of its fields."""

    @abstractmethod
    def _encode_tags(self, tags: Iterable[tuple[str, Any]]) -> Tags:
        """Encode tags of any values, as the first of a struct."""

    @abstractmethod
    def _encode_process(self, resource: Resource) -> bytes:
        """Encode the process that a resource is."""

    def _constant_tags(self, scope: InstrumentationScope | None, kind: SpanKind) -> Tags:
        """Encode and cache the tags of a scope and a kind; callers look in the cache first."""
        constants = self._scopes.get(id(scope))
        if constants is None:
            if len(self._scopes) >= _MAX_SCOPES:
                self._scopes.clear()
            constants = self._scopes[id(scope)] = Constants(scope)
        tags = _tags_of_scope(scope, kind)
        made = self._encode_tags(tags)._replace(names=frozenset(name for name, _ in tags))
        constants.by_kind[id(kind)] = made
        return made

    def _process_of(self, resource: Resource) -> bytes:
        if resource is not self._resource:
            self._process = self._encode_process(resource)
            self._resource = resource
        return self._process
