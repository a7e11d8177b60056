"""The spans for tests are the same in every run."""

from __future__ import annotations

from hypothesis import given
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider

from bentotrace.encoding import repair
from bentotrace.testing.spans import (
    START_NS,
    Clock,
    SequentialIds,
    full_span,
    make_span,
    make_spans,
    odd_spans,
)
from bentotrace.testing.strategies import spans


def test_ids_and_times_are_determined_by_the_number() -> None:
    first, second = make_spans(2)
    assert first.to_json() == make_span("span 1", number=1).to_json()
    assert (first.name, second.name) == ("span 1", "span 2")
    assert first.context is not None
    assert second.context is not None
    assert first.context.trace_id == second.context.trace_id == 1
    assert (first.context.span_id, second.context.span_id) == (1, 2)
    assert first.end_time == second.start_time


def test_a_parent_is_a_span_or_its_context() -> None:
    parent = make_span("parent")
    below = [make_span(parent=parent), make_span(parent=parent.context)]
    assert [span.parent for span in below] == [parent.context] * 2


def test_ids_of_a_provider_and_times_of_a_clock_count() -> None:
    provider = TracerProvider(id_generator=SequentialIds(), shutdown_on_exit=False)
    tracer, clock = provider.get_tracer("test"), Clock()
    for number in (1, 2):
        span = tracer.start_span("x", start_time=clock())
        assert span.get_span_context().trace_id == number
        assert span.get_span_context().span_id == number
        assert isinstance(span, ReadableSpan)
        assert span.start_time == START_NS + (number - 1) * 1_000_000


def test_a_full_span_has_every_field() -> None:
    span = full_span()
    for field in ("parent", "attributes", "events", "links", "resource", "instrumentation_scope"):
        assert getattr(span, field), field
    assert span.status.description


def test_odd_spans_have_ids_of_their_own_and_can_be_repaired() -> None:
    odd = odd_spans(number=7)
    assert [span.context.span_id for span in odd if span.context] == [*range(7, 7 + len(odd))]
    assert repair(odd).lost == 0


@given(span=spans())
def test_a_span_of_the_strategy_needs_no_repair(span: ReadableSpan) -> None:
    repaired = repair([span])
    assert (repaired.lost, repaired.fields) == (0, frozenset())
