"""The tracer of lean spans beside the SDK's: the current span, decorators, and errors."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace as trace_api
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Tracer, TracerProvider
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
)
from opentelemetry.trace import INVALID_SPAN, Link, SpanContext, StatusCode, TraceFlags, TraceState

from bentotrace.pipeline.sampler import RequestSampler
from bentotrace.spans import LeanProcessors, LeanSpan, LeanSpanProcessor, LeanTracer


class Ended(LeanSpanProcessor):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


@pytest.fixture(params=["lean", "sdk"])
def lean(request: pytest.FixtureRequest) -> bool:
    """Run each test with the SDK's tracer too: what it expects is what the SDK does."""
    return bool(request.param == "lean")


@pytest.fixture
def ended() -> Ended:
    return Ended()


def make(ended: Ended, *, lean: bool, sampler: Sampler = ALWAYS_ON) -> Tracer:
    processors = LeanProcessors()
    processors.add_span_processor(ended)
    provider = TracerProvider(
        sampler=sampler,
        resource=Resource({}),
        shutdown_on_exit=False,
        active_span_processor=processors,
    )
    tracer = provider.get_tracer("test")
    assert isinstance(tracer, Tracer)
    return LeanTracer.adopt(tracer) if lean else tracer


@pytest.fixture
def tracer(lean: bool, ended: Ended) -> Iterator[Tracer]:
    tracer = make(ended, lean=lean)
    assert isinstance(tracer.start_span("a"), LeanSpan) == lean
    yield tracer
    assert trace_api.get_current_span() is INVALID_SPAN


def test_the_current_span_is_the_parent_of_the_next(tracer: Tracer, ended: Ended) -> None:
    with tracer.start_as_current_span("outer") as outer:
        assert trace_api.get_current_span() is outer
        with tracer.start_as_current_span("inner") as inner:
            assert trace_api.get_current_span() is inner
        assert trace_api.get_current_span() is outer

    child, root = ended.spans
    assert [child.name, root.name] == ["inner", "outer"]
    assert child.parent == root.context
    assert root.parent is None


def test_an_error_is_recorded_and_raised(tracer: Tracer, ended: Ended) -> None:
    with pytest.raises(ValueError, match="why"), tracer.start_as_current_span("a"):
        raise ValueError("why")

    (span,) = ended.spans
    assert (span.status.status_code, span.status.description) == (
        StatusCode.ERROR,
        "ValueError: why",
    )
    (event,) = span.events
    attributes = dict(event.attributes or {})
    assert attributes["exception.type"] == "ValueError"
    assert "raise ValueError" in str(attributes["exception.stacktrace"])


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_an_exit_is_no_error(tracer: Tracer, ended: Ended, error: type[BaseException]) -> None:
    with pytest.raises(error), tracer.start_as_current_span("a"):
        raise error

    (span,) = ended.spans
    assert (span.status.status_code, len(span.events)) == (StatusCode.UNSET, 0)


def test_errors_are_not_recorded_where_the_caller_says_so(tracer: Tracer, ended: Ended) -> None:
    with (
        pytest.raises(ValueError, match="why"),
        tracer.start_as_current_span("a", record_exception=False, set_status_on_exception=False),
    ):
        raise ValueError("why")
    with (
        pytest.raises(ValueError, match="why"),
        tracer.start_span("b", None, record_exception=False),
    ):
        raise ValueError("why")
    with (
        pytest.raises(ValueError, match="why"),
        tracer.start_span("c", set_status_on_exception=False),
    ):
        raise ValueError("why")

    found = [(span.status.status_code.name, len(span.events)) for span in ended.spans]
    assert found == [("UNSET", 0), ("ERROR", 0), ("UNSET", 1)]


def test_a_span_may_stay_open(tracer: Tracer, ended: Ended) -> None:
    with tracer.start_as_current_span("a", end_on_exit=False) as span:
        pass
    assert span.is_recording()
    assert not ended.spans
    span.end()
    assert len(ended.spans) == 1


def test_a_decorator_starts_a_span_at_each_call(tracer: Tracer, ended: Ended) -> None:
    @tracer.start_as_current_span("a")
    def fall(number: int) -> int:
        """Count down."""
        return fall(number - 1) if number else id(trace_api.get_current_span())

    assert fall.__doc__ == "Count down."
    assert fall(2) != 0
    assert len(ended.spans) == 3
    fall(0)
    assert len({span.context.span_id for span in ended.spans if span.context}) == 4
    assert [span.parent is None for span in ended.spans] == [False, False, True, True]


def test_a_decorated_coroutine_function_is_in_the_span_until_it_returns(
    tracer: Tracer, ended: Ended
) -> None:
    @tracer.start_as_current_span("a")
    async def wait(seconds: float) -> trace_api.Span:
        await asyncio.sleep(seconds)
        assert not ended.spans
        return trace_api.get_current_span()

    span = asyncio.run(wait(0.01))
    assert [found.context for found in ended.spans] == [span.get_span_context()]


def test_links_are_kept(tracer: Tracer, ended: Ended) -> None:
    context = SpanContext(1, 2, True)
    tracer.start_span("a", links=[Link(context, {"x": 1})]).end()
    (link,) = ended.spans[0].links
    assert (link.context, dict(link.attributes or {})) == (context, {"x": 1})


class Sample(Sampler):
    """Adds an attribute and a trace state, as samplers may."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision

    def should_sample(self, *_args: Any, **_kwargs: Any) -> SamplingResult:
        return SamplingResult(self.decision, {"by": "sampler"}, TraceState([("a", "b")]))

    def get_description(self) -> str:
        return "Sample"


@pytest.mark.parametrize("decision", list(Decision))
def test_the_sampler_decides(lean: bool, ended: Ended, decision: Decision) -> None:
    span = make(ended, lean=lean, sampler=Sample(decision)).start_span("a", attributes={"x": 1})
    span.end()
    context = span.get_span_context()
    assert context.trace_flags.sampled == (decision is Decision.RECORD_AND_SAMPLE)
    assert context.trace_state["a"] == "b"
    assert span.is_recording() is False
    assert [dict(found.attributes or {}) for found in ended.spans] == (
        [] if decision is Decision.DROP else [{"by": "sampler"}]
    )


@pytest.mark.parametrize("flags", range(4))
def test_the_flags_follow_the_parent(lean: bool, ended: Ended, flags: int) -> None:
    remote = SpanContext(1 << 90, 3, True, TraceFlags(flags), TraceState([("k", "v")]))
    context = trace_api.set_span_in_context(trace_api.NonRecordingSpan(remote))
    sampler = ParentBased(ALWAYS_OFF)
    contexts = [
        make(ended, lean=way, sampler=sampler).start_span("a", context).get_span_context()
        for way in (lean, False)
    ]
    ours, theirs = [tuple(found)[:1] + tuple(found)[2:] for found in contexts]
    assert ours == theirs


def test_the_same_scope_has_the_same_tracer(ended: Ended) -> None:
    tracer = make(ended, lean=True)
    assert LeanTracer.adopt(tracer) is tracer
    assert isinstance(tracer, Tracer)


@pytest.mark.parametrize("sampler", [ALWAYS_ON, RequestSampler(1.0)], ids=["SDK's", "ours"])
def test_a_span_without_attributes_needs_no_cleaning(
    sampler: Sampler, ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bentotrace.spans.span.clean", lambda *_: pytest.fail("cleaned"))
    span = make(ended, lean=True, sampler=sampler).start_span("a")
    span.set_attribute("key", "value")
    span.end()
    assert ended.spans == [span]
    assert dict(span.attributes) == {"key": "value"}
