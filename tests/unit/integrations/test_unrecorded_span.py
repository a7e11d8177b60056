from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanContext, TraceFlags, TraceState

from bentotrace.integrations._unrecorded_span import LateSpan, UnrecordedSpan, start_unrecorded

# Sampled, and with the flag of the W3C's level 2 that says that the id is random.
PARENT = SpanContext(
    0x5555,
    0x7777,
    is_remote=True,
    trace_flags=TraceFlags(3),
    trace_state=TraceState([("shop", "1")]),
)


@pytest.fixture
def switching() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("start", [start_unrecorded, LateSpan])
class TestASpanThatIsNotRecorded:
    def test_continues_its_parents_trace(self, start: Callable[..., UnrecordedSpan]) -> None:
        context = start(PARENT).get_span_context()

        assert context.is_valid
        assert context.trace_id == PARENT.trace_id
        assert context.span_id != PARENT.span_id
        assert (context.is_remote, context.trace_flags) == (False, 2)
        assert context.trace_state == PARENT.trace_state

    def test_may_be_the_first_of_a_trace(self, start: Callable[..., UnrecordedSpan]) -> None:
        spans = [start(INVALID_SPAN_CONTEXT) for _ in range(100)]
        contexts = [span.get_span_context() for span in spans]

        assert all(context.is_valid for context in contexts)
        assert len({context.trace_id for context in contexts}) == 100
        assert len({context.span_id for context in contexts}) == 100
        assert max(context.trace_id for context in contexts) >= 1 << 64

    def test_has_the_flags_that_the_sdk_gives_it(
        self, start: Callable[..., UnrecordedSpan]
    ) -> None:
        theirs = TracerProvider(sampler=ALWAYS_OFF).get_tracer("test").start_span("dropped")

        flags = theirs.get_span_context().trace_flags
        assert start(INVALID_SPAN_CONTEXT).get_span_context().trace_flags == flags

    def test_has_its_context_as_an_attribute(self, start: Callable[..., UnrecordedSpan]) -> None:
        span = start(PARENT)

        assert span.context is span.get_span_context()
        assert not span.is_recording()


@pytest.mark.usefixtures("switching")
def test_threads_that_ask_at_once_get_the_same_context() -> None:
    for _ in range(300):
        span, found, begin = LateSpan(PARENT), [], threading.Barrier(4)

        def ask(
            span: LateSpan = span,
            found: list[SpanContext] = found,
            begin: threading.Barrier = begin,
        ) -> None:
            begin.wait()
            found.append(span.get_span_context())

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(found) == 4
        assert len({context.span_id for context in found}) == 1
