"""Spans for tests, with ids and times that are the same in every run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from types import SimpleNamespace
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.span import TraceState

__all__ = [
    "START_NS",
    "Clock",
    "SequentialIds",
    "full_span",
    "make_span",
    "make_spans",
    "odd_spans",
]

START_NS = 1_700_000_000_000_000_000
"""When the spans of :func:`make_span` start, in nanoseconds since the epoch."""

_RESOURCE = Resource({"service.name": "shop"})
_SCOPE = InstrumentationScope("shop.tracer", "1.2")
_MILLISECOND = 1_000_000


class Clock:
    """A clock that advances by a millisecond whenever it is read.

    Args:
        start_ns: its first time, in nanoseconds since the epoch.
    """

    def __init__(self, start_ns: int = START_NS) -> None:
        self._ticks = count(start_ns, _MILLISECOND)

    def __call__(self) -> int:
        """Return the time in nanoseconds since the epoch."""
        return next(self._ticks)


class SequentialIds(IdGenerator):
    """Ids 1, 2, 3, ... for ``TracerProvider(id_generator=SequentialIds())``."""

    def __init__(self) -> None:
        self._trace_ids, self._span_ids = count(1), count(1)

    def generate_span_id(self) -> int:
        """Return the next id of a span."""
        return next(self._span_ids)

    def generate_trace_id(self) -> int:
        """Return the next id of a trace."""
        return next(self._trace_ids)


def make_span(
    name: str = "work",
    *,
    number: int = 1,
    parent: ReadableSpan | SpanContext | None = None,
    attributes: Mapping[str, Any] | None = None,
    **fields: Any,
) -> ReadableSpan:
    """Return an ended span.

    Args:
        name: its name.
        number: determines its id and its times.
        parent: the span above it, or its context, in the same trace; without one it is the root of
            trace 1.
        attributes: its attributes.
        fields: other arguments of ``ReadableSpan``, such as ``kind``, ``status`` or ``events``.
    """
    above = parent.context if isinstance(parent, ReadableSpan) else parent
    trace_id = 1 if above is None else above.trace_id
    values: dict[str, Any] = {
        "context": SpanContext(trace_id, number, False, TraceFlags(1)),
        "parent": above,
        "resource": _RESOURCE,
        "attributes": attributes or {},
        "kind": SpanKind.INTERNAL,
        "status": Status(),
        "start_time": START_NS + number * _MILLISECOND,
        "end_time": START_NS + (number + 1) * _MILLISECOND,
        "instrumentation_scope": _SCOPE,
    }
    return ReadableSpan(name, **{**values, **fields})


def make_spans(number: int, **fields: Any) -> list[ReadableSpan]:
    """Return ``number`` spans named "span 1", "span 2", ...; arguments as :func:`make_span`."""
    return [make_span(f"span {each}", number=each, **fields) for each in range(1, number + 1)]


def full_span(number: int = 1) -> ReadableSpan:
    """Return a span in which every field has a value, with times in whole microseconds."""
    parent = SpanContext(0xF0E1D2C3, 0x99, True, TraceFlags(1))
    linked = SpanContext(0xABC, 0xDEF, True, TraceFlags(1))
    return make_span(
        "GET /classify",
        attributes={"text": "büro", "yes": True, "count": -5, "share": 0.5, "list": ["a", "b"]},
        context=SpanContext(
            0xF0E1D2C3, number + 0x100, False, TraceFlags(1), TraceState([("vendor", "abc")])
        ),
        parent=parent,
        kind=SpanKind.SERVER,
        status=Status(StatusCode.ERROR, "boom"),
        events=[Event("cache miss", {"key": "k"}, START_NS + 500_000)],
        links=[Link(linked, {"why": "retry"})],
        resource=Resource({"service.name": "shop", "process.pid": 7}),
    )


class _Hostile:
    """Raises whatever is read of it."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


_ODD_VALUES: Mapping[str, Callable[[], Any]] = {
    "None": lambda: None,
    "2**64": lambda: 1 << 64,
    "10**400": lambda: 10**400,
    "NaN": lambda: float("nan"),
    "minus infinity": lambda: float("-inf"),
    "a lone surrogate": lambda: "\ud800",
    "control characters": lambda: "nul \0 and tab \t",
    "bytes": lambda: b"\xff\0",
    "a nested mapping": lambda: {"nested": {"deep": [1, None]}},
    "a list of several types": lambda: ["mixed", 1, None],
    "an object": lambda: SimpleNamespace(an="object"),
    "an object whose text raises": _Hostile,
}


def odd_spans(number: int = 1) -> list[ReadableSpan]:
    """Return spans with values that OpenTelemetry's API does not allow, and that do occur.

    Args:
        number: the number of the first, as in :func:`make_span`.
    """
    fields: list[tuple[str, dict[str, Any]]] = [
        *(
            (what, {"attributes": {"odd": create(), "good": "yes"}})
            for what, create in _ODD_VALUES.items()
        ),
        ("", {"attributes": {"": "the empty key"}}),
        ("ends before it starts", {"end_time": START_NS - 5}),
        ("never ended", {"end_time": None}),
        ("starts before the epoch", {"start_time": -5}),
        ("very long", {"attributes": {"text": "x" * 30_000}}),
        ("without a resource", {"resource": None}),
        ("without a scope", {"instrumentation_scope": None}),
    ]
    return [
        make_span(name, number=number + index, **changes)
        for index, (name, changes) in enumerate(fields)
    ]
