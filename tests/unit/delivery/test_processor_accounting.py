"""Every span is counted, once, at every moment."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanContext, TraceFlags

from bentotrace.config.options import ProcessorOptions
from bentotrace.delivery.guard import Guard
from bentotrace.delivery.processor import BatchProcessor
from bentotrace.delivery.reports import Reports
from bentotrace.delivery.status import DestinationStatus
from bentotrace.transport import FailureKind, Outcome

from .hanging import HANG, Hanging, MakeProcessor, MakeSpan, balanced, end


@pytest.mark.parametrize("result", [SpanExportResult.FAILURE, None, True, "SUCCESS"])
def test_a_wrong_result_counts_as_failed(
    recorder: Any, make_processor: MakeProcessor, make_span: MakeSpan, result: Any
) -> None:
    recorder.answer = lambda spans: result
    processor = make_processor(recorder)
    end(processor, make_span, "a", "b")
    assert not processor.force_flush()
    status = processor.status()
    assert (status.failed, status.exported, status.pending) == (2, 0, 0)
    assert status.consecutive_failures == 1
    assert status.last_error is not None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_batch_of_a_thread_that_a_log_handler_ends_is_reported(
    recorder: Any,
    make_processor: MakeProcessor,
    make_span: MakeSpan,
) -> None:
    class Leaving(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logger.removeHandler(self)
            raise SystemExit

    logger = logging.getLogger("bentotrace.recorder")
    logger.addHandler(Leaving())
    recorder.answer = lambda spans: SpanExportResult.FAILURE
    processor = make_processor(recorder)
    end(processor, make_span, "a", "b")
    assert not processor.force_flush()
    for thread in threading.enumerate():
        if thread.name == "bentotrace-recorder":
            thread.join(10)
    status = processor.status()
    assert status.failed_by_kind == {"unexpected": 2}
    assert status.last_error is not None
    assert status.last_error.spans == 2
    assert status.last_error.reason.startswith("SystemExit ended the exporting thread")


@pytest.mark.parametrize("error", [RuntimeError, SystemExit, KeyboardInterrupt, GeneratorExit])
def test_an_exporter_that_raises_does_not_end_the_exporting(
    recorder: Any, make_processor: MakeProcessor, make_span: MakeSpan, error: type[BaseException]
) -> None:
    def answer(spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if spans[0].name == "a":
            raise error("no")
        return SpanExportResult.SUCCESS

    recorder.answer = answer
    processor = make_processor(recorder)
    end(processor, make_span, "a")
    assert not processor.force_flush()
    end(processor, make_span, "b")
    assert processor.force_flush()
    status = processor.status()
    assert (status.failed, status.exported) == (1, 1)
    assert status.last_error is not None
    assert status.last_error.reason.startswith(f"it raised {error.__name__}")


def test_the_ending_thread_does_not_wait_for_the_exporter_and_memory_is_bounded(
    hanging: Hanging, make_processor: MakeProcessor, make_span: MakeSpan
) -> None:
    processor = make_processor(hanging, max_queue_size=10, max_export_batch_size=5)
    span = make_span()
    for _ in range(5):
        processor.on_end(span)
    assert hanging.entered.wait(10)
    begin = time.monotonic()
    for _ in range(1000):
        processor.on_end(span)
    assert time.monotonic() - begin < 5
    status = processor.status()
    assert (status.ended, status.pending) == (1005, 15)
    assert status.dropped_by_reason == {"queue_full": 990}


def test_the_counts_are_exact_at_every_moment_of_a_burst(
    recorder: Any, make_processor: MakeProcessor, make_span: MakeSpan
) -> None:
    answers = [SpanExportResult.SUCCESS, SpanExportResult.FAILURE, None]

    def answer(spans: Sequence[ReadableSpan]) -> Any:
        return answers[len(recorder.batches) % 3]

    recorder.answer = answer
    processor = make_processor(recorder, max_queue_size=100, max_export_batch_size=30)
    span, done = make_span(), threading.Event()
    readings: list[DestinationStatus] = []

    def read() -> None:
        while not done.is_set():
            readings.append(processor.status())

    def burst() -> None:
        for number in range(3000):
            processor.on_end(span)
            if number % 500 == 0:
                processor.force_flush(1)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=burst) for _ in range(3)]
        reader = threading.Thread(target=read)
        for thread in (reader, *threads):
            thread.start()
        for thread in threads:
            thread.join(30)
        assert processor.close(30)
        done.set()
        reader.join(30)
    finally:
        sys.setswitchinterval(interval)
    last = processor.status()
    assert (last.ended, last.pending) == (9000, 0)
    assert last.exported + last.failed == len(recorder.names)
    assert len(readings) > 10
    assert all(balanced(reading) for reading in readings)
    ended = [reading.ended for reading in readings]
    assert ended == sorted(ended)


class ProcessorMachine(RuleBasedStateMachine):
    """Drives a processor and foretells every count.

    Between two steps the exporter has nothing to do that is due, so that a step knows which
    batches it causes.
    """

    CAPACITY, BATCH = 8, 3

    def __init__(self) -> None:
        super().__init__()
        self.reports = Reports()
        self.behaviour = "take"
        self.received: list[int] = []
        logger = logging.getLogger("bentotrace.machine")
        guard = Guard(
            self.make_exporter(), self.reports, name="machine", endpoint="", logger=logger
        )
        options = ProcessorOptions(
            max_queue_size=self.CAPACITY, max_export_batch_size=self.BATCH, schedule_delay=HANG
        )
        self.processor = BatchProcessor(guard, options, logger)
        self.ended = self.exported = self.failed = self.late = self.pending = 0
        self.closed = False

    def make_exporter(self) -> SpanExporter:
        return Machine(self)

    @rule(
        behaviour=st.sampled_from(
            ["take", "fail", "nothing", "wrong", "raise", "leave", "refuse one", "two requests"]
        )
    )
    def behave(self, behaviour: str) -> None:
        self.behaviour = behaviour

    @rule(count=st.integers(1, 20))
    def end(self, count: int) -> None:
        overflowed = self.overflowed()
        for _ in range(count):
            self.processor.on_end(span())
        self.ended += count
        if self.closed:
            self.late += count
            return
        deadline = time.monotonic() + 10
        while self.processor.status().pending >= self.BATCH:
            assert time.monotonic() < deadline
            time.sleep(0.0005)
        self.pending += count - (self.overflowed() - overflowed)
        while self.pending >= self.BATCH:
            self.account(self.BATCH)

    @rule()
    def flush(self) -> None:
        failed = self.failed
        self.finish()
        assert self.processor.force_flush(10_000) == (self.failed == failed)

    @precondition(lambda self: not self.closed)
    @rule()
    def close(self) -> None:
        self.finish()
        assert self.processor.close(10)
        self.closed = True

    @precondition(lambda self: self.closed)
    @rule()
    def close_again(self) -> None:
        assert self.processor.close(0)

    @invariant()
    def counts_are_foretold(self) -> None:
        status = self.processor.status()
        assert balanced(status)
        assert status.ended == self.ended
        assert (status.exported, status.failed) == (self.exported, self.failed)
        assert status.pending == self.pending
        assert status.dropped_by_reason.get("shutdown", 0) == self.late
        assert sum(self.received) == self.exported + self.failed

    def teardown(self) -> None:
        self.processor.close(10)

    def overflowed(self) -> int:
        return self.processor.status().dropped_by_reason.get("queue_full", 0)

    def finish(self) -> None:
        if self.pending:
            self.account(self.pending)

    def account(self, size: int) -> None:
        """Foretell what becomes of a batch."""
        taken = {"take": size, "refuse one": size - 1, "two requests": 1}.get(self.behaviour, 0)
        self.exported += taken
        self.failed += size - taken
        self.pending -= size


class OutcomesMachine(ProcessorMachine):
    """The same, with an exporter that returns outcomes."""

    def make_exporter(self) -> SpanExporter:
        return Returning(self)


class Machine(SpanExporter):
    """Does what the state machine says."""

    def __init__(self, machine: ProcessorMachine) -> None:
        self.machine = machine

    def export(self, spans: Sequence[ReadableSpan]) -> Any:
        self.machine.received.append(len(spans))
        report, total = self.machine.reports.add, len(spans)
        match self.machine.behaviour:
            case "take":
                return SpanExportResult.SUCCESS
            case "fail":
                return SpanExportResult.FAILURE
            case "nothing":
                return None
            case "wrong":
                return total
            case "raise":
                raise ValueError("no")
            case "leave":
                sys.exit(1)
            case "refuse one":
                refused = Outcome(True, "there", kind=FailureKind.PARTIAL, reason="no", rejected=1)
                report(refused, total)
                return SpanExportResult.FAILURE
            case _:
                report(Outcome(True, "there"), 1)
                if total > 1:
                    report(Outcome(False, "there", FailureKind.REFUSED, reason="no"), total - 1)
                return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        assert not self.machine.closed


class Returning(Machine):
    """Returns as outcomes what the other reports."""

    def export_outcomes(self, spans: Sequence[ReadableSpan]) -> Any:
        result = self.export(spans)
        outcomes = self.machine.reports.take()
        if not outcomes and isinstance(result, SpanExportResult):
            return [(Outcome(result is SpanExportResult.SUCCESS, "there"), len(spans))]
        return outcomes or result


def span() -> ReadableSpan:
    flags = TraceFlags(TraceFlags.SAMPLED)
    return ReadableSpan("span", SpanContext(1, 1, is_remote=False, trace_flags=flags))


TestProcessorMachine = ProcessorMachine.TestCase
TestOutcomesMachine = OutcomesMachine.TestCase
TestProcessorMachine.settings = TestOutcomesMachine.settings = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
