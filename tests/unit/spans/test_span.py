"""Lean spans beside the SDK's: the same programs, what others read of them, and the log."""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import trace as trace_api
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import (
    Event,
    ReadableSpan,
    Span,
    SpanLimits,
    SpanProcessor,
    SynchronousMultiSpanProcessor,
    Tracer,
    TracerProvider,
)
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from bentotrace.pipeline.sampler import RequestSampler
from bentotrace.spans import LeanProcessors, LeanSpan, LeanSpanProcessor, LeanTracer
from bentotrace.spans.check import find_difference
from bentotrace.spans.span import to_sdk_span


class Ids(IdGenerator):
    def __init__(self) -> None:
        self.last = 0

    def generate_span_id(self) -> int:
        self.last += 1
        return self.last

    generate_trace_id = generate_span_id


def read(span: ReadableSpan) -> dict[str, Any]:
    """Return everything that the public names of a span say, and the types of the values."""
    context, parent = span.context, span.parent
    assert context is not None
    return {
        "name": span.name,
        "kind": span.kind,
        "context": tuple(context),
        "parent": parent and tuple(parent),
        "times": (span.start_time, span.end_time),
        "status": (span.status.status_code, span.status.description),
        "attributes": typed(span.attributes),
        "events": [
            (event.name, event.timestamp, typed(event.attributes), event.dropped_attributes)
            for event in span.events
        ],
        "links": [
            (tuple(link.context), typed(link.attributes), link.dropped_attributes)
            for link in span.links
        ],
        "resource": span.resource,
        "scope": span.instrumentation_scope,
        "dropped": (span.dropped_attributes, span.dropped_events, span.dropped_links),
    }


def typed(attributes: Any) -> list[tuple[str, type, str]]:
    return [(key, type(value), repr(value)) for key, value in (attributes or {}).items()]


class Reader(SpanProcessor):
    """A processor of others: it reads each span when it starts and when it has ended."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, Any]]] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self.seen.append(("start", read(span)))

    def on_end(self, span: ReadableSpan) -> None:
        assert type(span) is ReadableSpan
        self.seen.append(("end", read(span)))


class Own(LeanSpanProcessor):
    """A processor that takes lean spans."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


def make_tracer(
    processor: SpanProcessor, *, lean: bool, limits: SpanLimits | None = None
) -> trace_api.Tracer:
    processors = LeanProcessors() if lean else SynchronousMultiSpanProcessor()
    processors.add_span_processor(processor)
    provider = TracerProvider(
        # The configured sampler, which answers a lean tracer in a way of its own.
        sampler=RequestSampler(1.0) if lean else ALWAYS_ON,
        resource=Resource({"service.name": "test"}),
        shutdown_on_exit=False,
        active_span_processor=processors,
        id_generator=Ids(),
        span_limits=limits or SpanLimits(),
    )
    tracer = provider.get_tracer("test", "1", attributes={"scope": 1})
    assert isinstance(tracer, Tracer)
    return LeanTracer.adopt(tracer) if lean else tracer


@contextmanager
def logged() -> Iterator[list[str]]:
    """Collect what the SDK logs."""
    messages: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(f"{record.name} {record.levelname} {record.getMessage()}")

    logger = logging.getLogger("opentelemetry")
    handler, before = Collect(), logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield messages
    finally:
        logger.removeHandler(handler)
        logger.propagate = before


REMOTE = SpanContext(1 << 100, 1 << 50, is_remote=True, trace_flags=TraceFlags(1))

texts = st.sampled_from(["", "a", "b", "key", "a long text of forty characters in all"])
keys: st.SearchStrategy[Any] = st.one_of(texts, st.sampled_from([None, 1, b"bytes"]))
simple: st.SearchStrategy[Any] = st.one_of(
    texts,
    st.booleans(),
    st.integers(-(1 << 70), 1 << 70),
    st.floats(allow_nan=False),
    st.binary(max_size=3),
)
items: list[st.SearchStrategy[Any]] = [
    texts,
    st.booleans(),
    st.integers(-(1 << 70), 1 << 70),
    st.floats(allow_nan=False),
    # Of several types, which SDKs treat differently.
    st.one_of(simple, st.none(), st.lists(texts, max_size=2)),
]
lists: st.SearchStrategy[Any] = st.one_of(
    [
        st.lists(item, max_size=3).flatmap(lambda made: st.sampled_from([made, tuple(made)]))
        for item in items
    ]
)
values: st.SearchStrategy[Any] = st.one_of(
    simple,
    lists,
    st.none(),
    st.tuples(st.integers(0, 9), st.text(max_size=2)),
    st.dictionaries(texts, st.integers(0, 9), max_size=2),
    st.builds(object),
)
mappings: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.dictionaries(texts, simple, max_size=6),
    st.dictionaries(texts, st.one_of(simple, lists), max_size=6),
    st.dictionaries(keys, values, max_size=6),
)
times = st.one_of(st.none(), st.integers(1, 1 << 62))
steps = st.one_of(
    st.tuples(st.just("set"), keys, values),
    st.tuples(st.just("set_all"), mappings),
    st.tuples(st.just("event"), texts, mappings, st.integers(0, 99)),
    st.tuples(st.just("link"), st.sampled_from([REMOTE, SpanContext(0, 0, False)]), mappings),
    st.tuples(st.just("status"), st.sampled_from(StatusCode), st.sampled_from([None, "why"])),
    st.tuples(st.just("error"), texts),
    st.tuples(st.just("name"), texts),
    st.tuples(st.just("end"), st.integers(1, 99)),
)
programs = st.fixed_dictionaries(
    {
        "name": texts,
        "kind": st.sampled_from(SpanKind),
        "remote": st.booleans(),
        "attributes": mappings,
        "linked": st.booleans(),
        "start_time": st.integers(0, 99),
        "steps": st.lists(steps, max_size=8),
    }
)
all_limits = st.builds(
    SpanLimits,
    max_span_attributes=st.sampled_from([0, 1, 3, 128]),
    max_event_attributes=st.sampled_from([0, 2, 128]),
    max_link_attributes=st.sampled_from([1, 128]),
    max_events=st.sampled_from([0, 1, 2, 128]),
    max_links=st.sampled_from([0, 1, 128]),
    max_attribute_length=st.sampled_from([None, 3]),
    max_span_attribute_length=st.sampled_from([None, 0, 5]),
)


def run(tracer: trace_api.Tracer, program: dict[str, Any]) -> list[str]:
    """Run a program; return the exceptions that it raised."""
    raised: list[str] = []

    def attempt(call: Callable[[], object]) -> object:
        try:
            return call()
        except Exception as error:
            raised.append(f"{type(error).__name__}: {error}")
            return None

    parent = trace_api.NonRecordingSpan(REMOTE)
    context = trace_api.set_span_in_context(parent, Context()) if program["remote"] else Context()
    links = [trace_api.Link(REMOTE, {"x": 1})] if program["linked"] else []
    span: Any = attempt(
        lambda: tracer.start_span(
            program["name"],
            context,
            program["kind"],
            program["attributes"],
            links,
            program["start_time"],
        )
    )
    if span is None:
        return raised
    for name, *values in program["steps"]:
        calls: dict[str, Callable[..., object]] = {
            "set": span.set_attribute,
            "set_all": span.set_attributes,
            "event": span.add_event,
            "link": span.add_link,
            "status": lambda code, text: span.set_status(Status(code, text)),
            "error": lambda text: span.add_event("exception", {"exception.message": text}, 5),
            "name": span.update_name,
            "end": span.end,
        }
        attempt(lambda call=calls[name], values=values: call(*values))  # type: ignore[misc]
        # A live span is read by the application too.
        raised.append(f"{read(span)} {span.is_recording()}")
    span.end(1000)
    return raised


@pytest.mark.parametrize("lean", [False, True])
def test_a_list_that_changes_later_does_not_change_the_span(lean: bool) -> None:
    own = Own()
    measured, labels = [0.5, 1.5], ["a"]
    tracer = make_tracer(own, lean=lean, limits=SpanLimits())
    span = tracer.start_span("span", attributes={"measured": measured})
    span.set_attribute("labels", labels)
    span.add_event("event", {"labels": labels})
    measured.append(2.5)
    labels.clear()
    span.end()

    (ended,) = own.spans
    assert ended.attributes == {"measured": (0.5, 1.5), "labels": ("a",)}
    assert ended.events[0].attributes == {"labels": ("a",)}


@pytest.mark.few_pythons
@settings(max_examples=400, deadline=None)
@given(program=programs, limits=all_limits)
def test_others_see_the_same_spans_and_log(program: dict[str, Any], limits: SpanLimits) -> None:
    results = []
    for lean in (False, True):
        reader = Reader()
        with logged() as messages:
            raised = run(make_tracer(reader, lean=lean, limits=limits), copy.deepcopy(program))
        results.append((reader.seen, raised, [without_address(text) for text in messages]))
    theirs, ours = results
    assert without_address(repr(ours)) == without_address(repr(theirs))


@pytest.mark.few_pythons
@settings(max_examples=200, deadline=None)
@given(program=programs, limits=all_limits)
def test_an_exporter_reads_the_same_of_a_lean_span(
    program: dict[str, Any], limits: SpanLimits
) -> None:
    reader, own = Reader(), Own()
    with logged():
        run(make_tracer(reader, lean=False, limits=limits), copy.deepcopy(program))
        run(make_tracer(own, lean=True, limits=limits), copy.deepcopy(program))
    theirs = [seen for moment, seen in reader.seen if moment == "end"]
    assert without_address(repr([read(span) for span in own.spans])) == without_address(
        repr(theirs)
    )
    converted = [read(to_sdk_span(span)) for span in own.spans]
    assert without_address(repr(converted)) == without_address(repr(theirs))


def without_address(text: str) -> str:
    """Remove the addresses of objects, whose text is their type and address."""
    return "".join(
        part.split(">", 1)[-1] if at else part for at, part in enumerate(text.split(" at 0x"))
    )


def test_the_installed_sdk_has_lean_spans() -> None:
    assert find_difference() == ""
    own = Own()
    make_tracer(own, lean=True).start_span("a").end()
    assert isinstance(own.spans[0], LeanSpan)


def test_a_span_that_ends_in_many_threads_arrives_once() -> None:
    own = Own()
    tracer = make_tracer(own, lean=True)
    for _ in range(50):
        span = tracer.start_span("a")
        ready = threading.Barrier(4)

        def end(span: trace_api.Span = span, ready: threading.Barrier = ready) -> None:
            ready.wait()
            span.end()

        threads = [threading.Thread(target=end) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(own.spans) == 50


def test_an_ended_span_does_not_change_any_more() -> None:
    own = Own()
    span: Any = make_tracer(own, lean=True).start_span("a", attributes={"x": 1})
    span.add_event("event", {"y": 2})
    span.end()
    with logged() as messages:
        span.set_attribute("x", 3)
        span.set_attributes({"x": 4})
        span.add_event("late")
        span.add_link(REMOTE)
        span.update_name("b")
        span.set_status(Status(StatusCode.ERROR))
    (ended,) = own.spans
    assert (ended.name, dict(ended.attributes or {})) == ("a", {"x": 1})
    assert [event.name for event in ended.events] == ["event"]
    assert (len(ended.links), ended.status.status_code) == (0, StatusCode.UNSET)
    assert len(messages) == 6


def test_the_attributes_that_a_caller_passes_are_copied() -> None:
    own = Own()
    attributes, details = {"x": 1}, {"y": 1}
    span = make_tracer(own, lean=True).start_span("a", attributes=attributes)
    span.add_event("event", details)
    attributes["x"] = details["y"] = 2
    span.end()
    (ended,) = own.spans
    assert dict(ended.attributes or {}) == {"x": 1}
    assert dict(ended.events[0].attributes or {}) == {"y": 1}
    with pytest.raises(TypeError):
        ended.events[0].attributes["y"] = 3  # type: ignore[index]


def test_a_copy_of_an_event_is_the_sdk_s() -> None:
    own = Own()
    span = make_tracer(own, lean=True).start_span("a")
    span.add_event("event", {"y": 1}, 7)
    span.end()
    event = copy.deepcopy(own.spans[0].events[0])
    assert type(event) is Event
    assert isinstance(event.attributes, BoundedAttributes)
    assert (event.name, event.timestamp, dict(event.attributes)) == ("event", 7, {"y": 1})


def test_what_a_processor_of_others_changes_is_what_is_exported() -> None:
    class Mask(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            span._attributes = {"secret": "***"}

    own = Own()
    tracer = make_tracer(Mask(), lean=True)
    assert isinstance(tracer, LeanTracer)
    tracer.span_processor.add_span_processor(own)
    tracer.start_span("a", attributes={"secret": "x"}).end()
    assert dict(own.spans[0].attributes or {}) == {"secret": "***"}
