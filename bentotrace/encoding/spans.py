"""Spans before they are encoded: grouped, and in turns with other threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import INVALID_SPAN_CONTEXT, Link, SpanContext, SpanKind, Status

from bentotrace.encoding.values import INT64_MAX, plain_attributes
from bentotrace.spans import LeanEvent, LeanSpan
from bentotrace.threads import pause

__all__ = [
    "MAX_TIME",
    "NO_TRACE_STATE",
    "BoundedCache",
    "EventFields",
    "SpanContent",
    "SpanFields",
    "group_by_resource",
    "in_turns",
    "read_event",
    "read_span",
    "to_microseconds",
]

NO_TRACE_STATE = INVALID_SPAN_CONTEXT.trace_state
"""The trace state of nearly all spans, compared by identity to save a call."""

MAX_TIME = INT64_MAX
"""The latest time that is sent, in nanoseconds since the epoch."""

SpanContent = tuple[
    Mapping[str, Any], Sequence[Event], Sequence[Link], Status, tuple[int, int, int]
]
"""Attributes, events, links, status; and how many attributes, events and links were dropped."""

SpanFields = tuple[
    SpanContext,
    SpanContext | None,
    Resource,
    InstrumentationScope | None,
    str,
    SpanKind,
    int | None,
    int | None,
    SpanContent,
]
"""What :func:`read_span` returns."""

EventFields = tuple[str, int, Mapping[str, Any], int]
"""What :func:`read_event` returns."""

_MAX_CACHED = 1024
_TURN = 128

_K = TypeVar("_K")
_V = TypeVar("_V")


class BoundedCache(dict[_K, _V]):
    """A dict that creates missing values, and is cleared when it has 1,024."""

    def __init__(self, create: Callable[[_K], _V]) -> None:
        super().__init__()
        self._create = create

    def __missing__(self, key: _K) -> _V:
        if len(self) >= _MAX_CACHED:
            self.clear()
        created = self[key] = self._create(key)
        return created


def read_span(span: ReadableSpan) -> SpanFields:
    """Return all fields of an ended span, since each property costs a call into Python.

    Returns:
        context, parent, resource, scope, name, kind, start and end in nanoseconds since the epoch,
        and the :data:`SpanContent`, whose attributes must not be changed.
    """
    if type(span) is LeanSpan:
        return span.fields()
    return (
        span.context,
        span.parent,
        span.resource,
        span.instrumentation_scope,
        span.name,
        span.kind,
        span.start_time,
        span.end_time,
        (
            plain_attributes(span.attributes),
            span.events,
            span.links,
            span.status,
            (span.dropped_attributes, span.dropped_events, span.dropped_links),
        ),
    )


def read_event(event: Event) -> EventFields:
    """Return name, nanoseconds since the epoch, attributes and their dropped number of an event.

    The attributes must not be changed.
    """
    if type(event) is LeanEvent:
        return event.fields()
    attributes = plain_attributes(event.attributes)
    return event.name, event.timestamp, attributes, event.dropped_attributes


def group_by_resource(spans: Sequence[ReadableSpan]) -> list[Sequence[ReadableSpan]]:
    """Group spans by resource, each group in the order of the spans."""
    if not spans:
        return []
    first = spans[0].resource
    if all(span.resource is first for span in spans):
        return [spans]
    # By identity first: a resource's hash is that of its JSON.
    equal: dict[Resource, list[ReadableSpan]] = {}
    identical: dict[int, list[ReadableSpan]] = {}
    for span in spans:
        resource = span.resource
        group = identical.get(id(resource))
        if group is None:
            group = identical[id(resource)] = equal.setdefault(resource, [])
        group.append(span)
    return list(equal.values())


def in_turns(spans: Sequence[ReadableSpan]) -> Iterator[ReadableSpan]:
    """Iterate over spans, and let other threads run after every 128.

    The thread of an application would wait up to 5 ms for the interpreter, which is the time that
    encoding a batch takes.
    """
    for start in range(0, len(spans), _TURN):
        if start:
            pause(0)
        yield from spans[start : start + _TURN]


def to_microseconds(nanoseconds: int) -> int:
    """Round to the nearest microsecond."""
    return (nanoseconds + 500) // 1000
