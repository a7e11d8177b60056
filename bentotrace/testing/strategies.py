"""Strategies of hypothesis for spans."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import strategies as st
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from bentotrace.encoding import PlainSpan
from bentotrace.testing.spans import START_NS, make_span

__all__ = ["any_spans", "anything", "attributes", "spans"]

_INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
_SCALARS = (st.booleans(), _INT64, st.floats(), st.text(max_size=20))
_TIMES = st.integers(START_NS, START_NS + 10**12)


def attributes() -> st.SearchStrategy[dict[str, Any]]:
    """Return attributes of every type that OpenTelemetry's API allows."""
    values = st.one_of(*_SCALARS, *(st.lists(scalar, max_size=3) for scalar in _SCALARS))
    return st.dictionaries(st.text(min_size=1, max_size=10), values, max_size=4)


def _contexts() -> st.SearchStrategy[SpanContext]:
    return st.builds(
        SpanContext,
        st.integers(1, (1 << 128) - 1),
        st.integers(1, (1 << 64) - 1),
        st.booleans(),
        st.just(TraceFlags(1)),
    )


def spans() -> st.SearchStrategy[ReadableSpan]:
    """Return spans whose fields OpenTelemetry's API allows."""
    return st.builds(
        make_span,
        st.text(min_size=1, max_size=20),
        context=_contexts(),
        parent=st.none() | _contexts(),
        attributes=attributes(),
        kind=st.sampled_from(SpanKind),
        status=st.builds(Status, st.sampled_from(StatusCode)),
        start_time=_TIMES,
        end_time=_TIMES.map(lambda time: time + 10**12),
        events=st.lists(st.builds(Event, st.text(max_size=10), attributes(), _TIMES), max_size=2),
        links=st.lists(st.builds(Link, _contexts(), attributes()), max_size=2),
    )


class _Hostile:
    """Raises whatever is read of it."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


class _Word(str):
    __slots__ = ()


class _Number(int):
    """A number of which nothing can be computed."""

    def __index__(self) -> int:
        raise RuntimeError

    __and__ = __or__ = __rshift__ = __lt__ = __add__ = __format__ = __index__  # type: ignore[assignment]


class _OddState(TraceState):
    """A trace state that has any entries and text."""

    def __init__(self, entries: Any, header: Any) -> None:
        super().__init__()
        self._dict = entries
        self._header = header

    def to_header(self) -> str:
        header: str = self._header.text
        return header


class _OddResource(Resource):
    """A resource that has any attributes."""

    def __init__(self, attributes: Any, hashed: Any) -> None:
        super().__init__({})
        self._odd = attributes, hashed

    @property
    def attributes(self) -> Any:
        return self._odd[0]

    def __hash__(self) -> int:
        return hash(self._odd[1])

    def __eq__(self, other: object) -> bool:
        return self is other


def anything() -> st.SearchStrategy[Any]:
    """Return objects of any type, with values that wire formats cannot represent."""
    context = SpanContext(1, 2, False, TraceFlags(1))
    return st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.sampled_from([0, -1, 1 << 31, 1 << 32, 1 << 63, 1 << 64, 1 << 128, 10**5000]),
        st.floats(),
        st.text(max_size=20),
        st.binary(max_size=20),
        st.lists(st.integers(), max_size=3),
        st.dictionaries(st.text(max_size=3), st.none(), max_size=2),
        st.builds(object),
        st.builds(_Hostile),
        st.just(_Word("word")),
        st.just(_Number(1)),
        st.sampled_from(
            [SpanKind.SERVER, StatusCode.ERROR, context, Resource({}), ValueError, START_NS]
        ),
    )


def _like(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return objects that have the fields of one of OpenTelemetry's."""
    return st.fixed_dictionaries(fields).map(lambda values: SimpleNamespace(**values))


def any_spans(number: int = 1) -> st.SearchStrategy[ReadableSpan]:
    """Return spans of which up to three fields have any value, valid or not.

    Args:
        number: the number of the span, as in :func:`~bentotrace.testing.spans.make_span`.
    """
    thing = anything()
    mapping = st.one_of(thing, st.dictionaries(st.text(max_size=5), thing, max_size=4))
    # Trace states are read first by a test for truth, then by the header or the entries.
    entries = st.dictionaries(st.text(max_size=5) | st.integers(), thing, max_size=2)
    headers = st.one_of(thing, _like(text=thing))
    states = st.one_of(
        thing,
        st.builds(_OddState, mapping | entries, headers),
        st.builds(TraceState, st.just([("vendor", "value")])),
        _like(items=thing, to_header=thing),
    )
    contexts = st.one_of(
        thing,
        st.builds(SpanContext, st.integers(), st.integers(), st.booleans(), st.none() | thing),
        st.builds(
            SpanContext,
            st.integers(1, (1 << 128) - 1),
            st.integers(1, (1 << 64) - 1),
            thing,
            st.just(TraceFlags(1)) | thing,
            states,
        ),
        _like(
            trace_id=thing,
            span_id=thing,
            is_remote=thing,
            is_valid=st.booleans() | thing,
            trace_flags=thing,
            trace_state=states,
        ),
    )
    events = _like(name=thing, attributes=mapping, timestamp=thing, dropped_attributes=thing)
    links = _like(context=contexts, attributes=mapping, dropped_attributes=thing)
    codes = thing | st.sampled_from(StatusCode)
    fields = {
        "name": thing,
        "context": contexts,
        "parent": contexts,
        "kind": thing,
        "start_time": thing,
        "end_time": thing,
        "attributes": mapping,
        "events": st.one_of(thing, st.lists(thing | events, max_size=2)),
        "links": st.one_of(thing, st.lists(thing | links, max_size=2)),
        "status": st.one_of(thing, _like(status_code=codes, description=thing)),
        "resource": st.one_of(
            thing,
            _like(attributes=mapping, schema_url=thing),
            st.builds(_OddResource, mapping, thing),
        ),
        "instrumentation_scope": st.one_of(
            thing, _like(name=thing, version=thing, schema_url=thing, attributes=mapping)
        ),
        "dropped": st.one_of(thing, st.tuples(thing, thing, thing)),
    }
    names = st.lists(st.sampled_from(sorted(fields)), unique=True, max_size=3)
    changes = names.flatmap(
        lambda chosen: st.fixed_dictionaries({name: fields[name] for name in chosen})
    )
    return changes.map(lambda values: _span(number, **values))


def _span(number: int, dropped: Any = (0, 0, 0), **changes: Any) -> ReadableSpan:
    good = make_span(number=number)
    values: dict[str, Any] = {
        "name": good.name,
        "context": good.context,
        "resource": good.resource,
        "attributes": {"number": number},
        "events": [Event("e", {"a": 1}, START_NS)],
        "links": [Link(SpanContext(1, 2, False, TraceFlags(1)))],
        "kind": SpanKind.SERVER,
        "status": Status(StatusCode.OK),
        "start_time": good.start_time,
        "end_time": good.end_time,
        "instrumentation_scope": good.instrumentation_scope,
    }
    span = PlainSpan(**{**values, **changes})
    span.dropped = dropped
    return span
