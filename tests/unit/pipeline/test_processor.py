from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanContext, TraceFlags

from bentotrace.config.options import ProcessorOptions
from bentotrace.pipeline.guard import Guard, Reports
from bentotrace.pipeline.processor import BatchProcessor
from bentotrace.pipeline.status import DestinationStatus
from bentotrace.transport import FailureKind, Outcome

MakeSpan = Callable[..., ReadableSpan]
MakeProcessor = Callable[..., BatchProcessor]
WaitUntil = Callable[[Callable[[], Any]], None]

HANG = 3600.0


def balanced(status: DestinationStatus) -> bool:
    finished = status.exported + status.failed + status.dropped
    by_reason = sum(status.dropped_by_reason.values())
    return status.ended == finished + status.pending and status.dropped == by_reason


def end(processor: BatchProcessor, make_span: MakeSpan, *names: str) -> None:
    for name in names:
        processor.on_end(make_span(name))


class Hanging(SpanExporter):
    """Stays in a call until it is released."""

    def __init__(self, *, in_shutdown: bool = False) -> None:
        self.in_shutdown = in_shutdown
        self.entered = threading.Event()
        self.released = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if not self.in_shutdown:
            self.entered.set()
            self.released.wait(HANG)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        if self.in_shutdown:
            self.entered.set()
            self.released.wait(HANG)


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    exporter = Hanging()
    yield exporter
    exporter.released.set()


def test_what_is_queued_is_exported_in_order_in_batches(
    recorder: Any, make_processor: MakeProcessor, make_span: MakeSpan
) -> None:
    processor = make_processor(recorder, max_export_batch_size=2)
    end(processor, make_span, *"abcde")
    assert processor.close(10)
    assert recorder.names == list("abcde")
    assert max(map(len, recorder.batches)) <= 2
    assert processor.status().exported == 5


def test_no_thread_runs_before_a_span_has_ended(
    recorder: Any, make_processor: MakeProcessor, make_span: MakeSpan
) -> None:
    before = threading.active_count()
    processor = make_processor(recorder)
    assert threading.active_count() == before
    end(processor, make_span, "a")
    assert threading.active_count() == before + 1
    processor.close(10)
    assert threading.active_count() == before


def test_a_full_batch_is_exported_at_once(
    recorder: Any, make_processor: MakeProcessor, make_span: MakeSpan, wait_until: WaitUntil
) -> None:
    processor = make_processor(recorder, max_export_batch_size=3, schedule_delay=HANG)
    end(processor, make_span, *"abc")
    wait_until(lambda: recorder.names == list("abc"))


def test_fewer_spans_are_exported_after_the_delay(
    recorder: Any, make_processor: MakeProcessor, make_span: MakeSpan, wait_until: WaitUntil
) -> None:
    processor = make_processor(recorder, schedule_delay=0.01)
    end(processor, make_span, "a")
    wait_until(lambda: recorder.names == ["a"])


def test_a_delay_longer_than_a_lock_can_wait_is_no_error(
    recorder: Any, make_processor: MakeProcessor, make_span: MakeSpan
) -> None:
    processor = make_processor(recorder, schedule_delay=threading.TIMEOUT_MAX * 10)
    end(processor, make_span, "a")
    assert processor.force_flush(int(threading.TIMEOUT_MAX * 10_000))
    assert processor.close(threading.TIMEOUT_MAX * 10)


def test_a_span_that_is_not_sampled_is_ignored(
    recorder: Any, make_processor: MakeProcessor, make_span: MakeSpan
) -> None:
    processor = make_processor(recorder)
    processor.on_end(make_span("unsampled", sampled=False))
    processor.on_end(ReadableSpan("without context"))
    assert processor.status().ended == 0
    processor.close(10)
    assert recorder.names == []


def test_batches_are_no_larger_than_the_queue(
    recorder: Any, make_processor: MakeProcessor, make_span: MakeSpan, wait_until: WaitUntil
) -> None:
    processor = make_processor(recorder, max_queue_size=2, max_export_batch_size=512)
    end(processor, make_span, "a", "b")
    wait_until(lambda: recorder.names == ["a", "b"])


def test_it_is_a_standard_span_processor(recorder: Any, make_processor: MakeProcessor) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(make_processor(recorder))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("parent"):
        tracer.start_span("child").end()
    assert provider.force_flush()
    assert recorder.names == ["child", "parent"]
    provider.shutdown()
    assert recorder.shutdowns == 1


# Accounting


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
        guard = Guard(Machine(self), self.reports, name="machine", endpoint="", logger=logger)
        options = ProcessorOptions(
            max_queue_size=self.CAPACITY, max_export_batch_size=self.BATCH, schedule_delay=HANG
        )
        self.processor = BatchProcessor(guard, options, logger)
        self.ended = self.exported = self.failed = self.late = self.pending = 0
        self.closed = False

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


def span() -> ReadableSpan:
    flags = TraceFlags(TraceFlags.SAMPLED)
    return ReadableSpan("span", SpanContext(1, 1, is_remote=False, trace_flags=flags))


TestProcessorMachine = ProcessorMachine.TestCase
TestProcessorMachine.settings = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


# Flushing


def test_a_flush_ends_within_its_timeout_and_says_that_it_is_not_done(
    hanging: Hanging, make_processor: MakeProcessor, make_span: MakeSpan
) -> None:
    processor = make_processor(hanging)
    end(processor, make_span, "a")
    begin = time.monotonic()
    assert not processor.force_flush(100)
    assert 0.1 <= time.monotonic() - begin < 5
    assert processor.status().pending == 1


def test_a_flush_does_not_wait_for_spans_that_end_after_the_call(
    recorder: Any, make_processor: MakeProcessor, make_span: MakeSpan
) -> None:
    processor = make_processor(recorder)
    recorder.gate.clear()
    end(processor, make_span, "before")
    flush = processor.begin_flush()
    assert recorder.entered.wait(10)
    end(processor, make_span, "after")
    recorder.gate.set()
    assert processor.end_flush(flush, 10)
    assert recorder.names == ["before"]


def test_a_flush_counts_what_is_being_exported_as_queued(
    recorder: Any, make_processor: MakeProcessor, make_span: MakeSpan
) -> None:
    processor = make_processor(recorder, max_export_batch_size=1)
    recorder.gate.clear()
    end(processor, make_span, "a")
    assert recorder.entered.wait(10)
    assert not processor.force_flush(10)
    recorder.gate.set()
    assert processor.force_flush()


def test_a_flush_without_a_timeout_takes_the_usual_one(
    recorder: Any, make_processor: MakeProcessor, make_span: MakeSpan
) -> None:
    processor = make_processor(recorder)
    end(processor, make_span, "a")
    assert processor.force_flush(None)


def test_an_earlier_failure_does_not_spoil_a_flush(
    recorder: Any, make_processor: MakeProcessor, make_span: MakeSpan
) -> None:
    processor = make_processor(recorder)
    recorder.answer = lambda spans: SpanExportResult.FAILURE
    end(processor, make_span, "a")
    assert not processor.force_flush()
    recorder.answer = lambda spans: SpanExportResult.SUCCESS
    assert processor.force_flush()
    end(processor, make_span, "b")
    assert processor.force_flush()


def test_an_exporter_may_flush_and_close_its_own_processor(
    recorder: Any, make_processor: MakeProcessor, make_span: MakeSpan
) -> None:
    processor = make_processor(recorder)
    seen: list[bool] = []

    def answer(spans: Sequence[ReadableSpan]) -> SpanExportResult:
        seen.extend([processor.force_flush(60_000), processor.close(60)])
        return SpanExportResult.SUCCESS

    recorder.answer = answer
    end(processor, make_span, "a")
    assert processor.force_flush(10_000)
    assert seen == [False, True]
    assert processor.close(10)


# Closing


def test_closing_exports_the_rest_and_shuts_the_exporter_down_once(
    recorder: Any, make_processor: MakeProcessor, make_span: MakeSpan
) -> None:
    processor = make_processor(recorder)
    end(processor, make_span, "a")
    assert processor.close(10)
    assert processor.close(0)
    processor.shutdown()
    assert (recorder.names, recorder.shutdowns) == (["a"], 1)


def test_closing_before_the_first_span_shuts_the_exporter_down(
    recorder: Any, make_processor: MakeProcessor
) -> None:
    assert make_processor(recorder).close(10)
    assert recorder.shutdowns == 1


def test_closing_ends_in_time_when_the_exporter_hangs_and_says_once_what_is_abandoned(
    hanging: Hanging,
    make_processor: MakeProcessor,
    make_span: MakeSpan,
    caplog: pytest.LogCaptureFixture,
) -> None:
    processor = make_processor(hanging, max_export_batch_size=2)
    end(processor, make_span, *"abc")
    assert hanging.entered.wait(10)
    begin = time.monotonic()
    assert not processor.close(0.2)
    assert time.monotonic() - begin < 5
    assert not processor.close(60)
    processor.shutdown()
    assert time.monotonic() - begin < 5
    status = processor.status()
    assert (status.ended, status.pending) == (3, 0)
    assert status.dropped_by_reason == {"shutdown": 3}
    (record,) = caplog.records
    assert (
        "within the 0.2 s of its shutdown, and 3 spans had to be abandoned" in record.getMessage()
    )
    assert "processor.shutdown_timeout" in record.getMessage()


def test_what_is_abandoned_is_told_with_the_failure_of_the_last_attempt(
    hanging: Hanging,
    make_processor: MakeProcessor,
    make_span: MakeSpan,
    caplog: pytest.LogCaptureFixture,
) -> None:
    reports = Reports()
    processor = make_processor(hanging, reports)
    end(processor, make_span, "a", "b")
    flush = processor.begin_flush()
    assert hanging.entered.wait(10)
    reports.add(Outcome(False, "there", FailureKind.REFUSED, reason="nobody is there"), 0)
    assert not processor.close(0.05)
    assert not processor.end_flush(flush, 0)
    assert "(last error: nobody is there)" in caplog.text
    status = processor.status()
    assert status.last_error is not None
    assert (status.last_error.kind, status.last_error.spans) == ("refused", 2)
    assert (status.failed, status.dropped_by_reason) == (0, {"shutdown": 2})


def test_a_late_result_of_an_abandoned_export_changes_nothing(
    hanging: Hanging, make_processor: MakeProcessor, make_span: MakeSpan, wait_until: WaitUntil
) -> None:
    threads = threading.active_count()
    processor = make_processor(hanging)
    end(processor, make_span, "a")
    assert not processor.close(0.05)
    hanging.released.set()
    wait_until(lambda: threading.active_count() == threads)
    status = processor.status()
    assert (status.exported, status.dropped, status.pending) == (0, 1, 0)


def test_closing_ends_in_time_when_the_shutdown_of_the_exporter_hangs(
    make_processor: MakeProcessor, make_span: MakeSpan, caplog: pytest.LogCaptureFixture
) -> None:
    exporter = Hanging(in_shutdown=True)
    processor = make_processor(exporter)
    end(processor, make_span, "a")
    begin = time.monotonic()
    assert not processor.close(0.2)
    assert time.monotonic() - begin < 5
    exporter.released.set()
    assert processor.status().exported == 1
    (record,) = caplog.records
    assert "no span is lost" in record.getMessage()


def test_closing_an_unused_processor_ends_in_time_when_the_shutdown_hangs(
    make_processor: MakeProcessor,
) -> None:
    exporter = Hanging(in_shutdown=True)
    begin = time.monotonic()
    assert not make_processor(exporter).close(0.1)
    assert time.monotonic() - begin < 5
    exporter.released.set()


def test_closing_without_time_abandons_and_counts(
    recorder: Any, make_processor: MakeProcessor, make_span: MakeSpan
) -> None:
    recorder.gate.clear()
    processor = make_processor(recorder)
    end(processor, make_span, "a")
    assert not processor.close(0)
    assert not processor.close(-1)
    assert processor.status().dropped_by_reason == {"shutdown": 1}


def test_two_threads_may_close_at_once(
    recorder: Any, make_processor: MakeProcessor, make_span: MakeSpan
) -> None:
    recorder.gate.clear()
    processor = make_processor(recorder)
    end(processor, make_span, "a")
    results: list[bool] = []
    threads = [
        threading.Thread(target=lambda: results.append(processor.close(10))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    recorder.gate.set()
    for thread in threads:
        thread.join(10)
    assert results == [True] * 3
    assert recorder.shutdowns == 1


def test_spans_that_end_after_the_closing_are_counted_and_said_once(
    recorder: Any,
    make_processor: MakeProcessor,
    make_span: MakeSpan,
    caplog: pytest.LogCaptureFixture,
) -> None:
    processor = make_processor(recorder)
    processor.close(10)
    end(processor, make_span, "a", "b")
    assert processor.status().dropped_by_reason == {"shutdown": 2}
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert recorder.names == []


# What is said


def test_dropped_spans_are_said_with_what_to_do_and_not_by_the_ending_thread(
    recorder: Any,
    make_processor: MakeProcessor,
    make_span: MakeSpan,
    caplog: pytest.LogCaptureFixture,
) -> None:
    recorder.gate.clear()
    processor = make_processor(recorder, max_queue_size=2, max_export_batch_size=2)
    end(processor, make_span, "a", "b")
    assert recorder.entered.wait(10)
    end(processor, make_span, *"cdef")
    assert caplog.records == []
    recorder.gate.set()
    processor.close(10)
    (record,) = caplog.records
    assert record.threadName == "bentotrace-recorder"
    assert "dropped 2 spans because the queue of exporter recorder was full" in record.getMessage()
    assert "processor.max_queue_size" in record.getMessage()


def test_a_queue_that_stays_full_is_said_although_the_exporter_hangs(
    hanging: Hanging,
    make_processor: MakeProcessor,
    make_span: MakeSpan,
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 1000.0
    processor = make_processor(
        hanging, max_queue_size=1, max_export_batch_size=1, clock=lambda: now
    )
    end(processor, make_span, "exporting")
    assert hanging.entered.wait(10)
    end(processor, make_span, "waiting", "dropped")
    assert caplog.records == []
    now += 60
    end(processor, make_span, "dropped too")
    end(processor, make_span, "and this")
    (record,) = caplog.records
    assert record.getMessage().startswith("dropped 2 spans because")
    processor.close(0)
    assert caplog.records[1].getMessage().startswith("dropped 1 span because")
    assert "2 spans had to be abandoned" in caplog.records[2].getMessage()


class Broken(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise OSError("no space left on device")


def test_a_log_handler_that_raises_reaches_neither_the_application_nor_the_exporting(
    recorder: Any, make_processor: MakeProcessor, make_span: MakeSpan
) -> None:
    logger, handler = logging.getLogger("bentotrace.recorder"), Broken()
    logger.addHandler(handler)
    try:
        processor = make_processor(recorder)
        recorder.answer = lambda spans: SpanExportResult.FAILURE
        end(processor, make_span, "a")
        assert not processor.force_flush()
        recorder.answer = lambda spans: SpanExportResult.SUCCESS
        end(processor, make_span, "b")
        assert processor.force_flush()
        processor.close(10)
        end(processor, make_span, "late")
    finally:
        logger.removeHandler(handler)
    assert processor.status().ended == 3


def test_no_log_line_is_written_while_the_lock_is_held(
    recorder: Any, make_processor: MakeProcessor, make_span: MakeSpan
) -> None:
    """A handler's lock and the queue's, taken in both orders, would be a deadlock."""
    reached: list[int] = []

    class Asks(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            asking = threading.Thread(target=lambda: reached.append(processor.status().ended))
            asking.start()
            asking.join(10)

    logger, handler = logging.getLogger("bentotrace.recorder"), Asks()
    logger.addHandler(handler)
    try:
        recorder.gate.clear()
        processor = make_processor(recorder, max_queue_size=1, max_export_batch_size=1)
        end(processor, make_span, "a")
        assert recorder.entered.wait(10)
        end(processor, make_span, "b", "dropped")
        recorder.answer = lambda spans: None
        recorder.gate.set()
        processor.close(10)
        end(processor, make_span, "late")
    finally:
        logger.removeHandler(handler)
    assert len(reached) >= 3


# Forks


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_while_the_lock_is_held_does_not_deadlock_the_child(
    recorder: Any, make_processor: MakeProcessor, make_span: MakeSpan
) -> None:
    processor = make_processor(recorder)
    end(processor, make_span, "parent's")
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with processor._queue._lock:
            held.set()
            release.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)
    child = os.fork()
    if child == 0:
        end(processor, make_span, "child's")
        done = processor.force_flush(5000) and processor.close(5)
        os._exit(0 if done and processor.status().ended == 1 else 1)
    release.set()
    holder.join(10)
    deadline, waited = time.monotonic() + 15, (0, 0)
    while waited[0] == 0 and time.monotonic() < deadline:
        waited = os.waitpid(child, os.WNOHANG)
        time.sleep(0.01)
    if waited[0] == 0:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert waited == (child, 0)


def test_after_a_fork_the_counts_and_the_health_begin_anew(
    recorder: Any, make_processor: MakeProcessor, make_span: MakeSpan
) -> None:
    processor = make_processor(recorder)
    recorder.answer = lambda spans: None
    end(processor, make_span, "a")
    processor.force_flush()
    queue = processor._queue
    processor.after_fork()
    status = processor.status()
    assert (status.ended, status.last_error, status.consecutive_failures) == (0, None, 0)
    queue.close()
