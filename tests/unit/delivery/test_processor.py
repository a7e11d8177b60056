from __future__ import annotations

import ctypes
import logging
import os
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult

from .hanging import HANG, Hanging, MakeProcessor, MakeSpan, WaitUntil, end


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
    def started() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread not in before]

    before = threading.enumerate()
    processor = make_processor(recorder)
    assert started() == []
    end(processor, make_span, "a")
    assert len(started()) == 1
    processor.close(10)
    assert started() == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_exporting_thread_that_has_died_is_replaced_and_reported(
    recorder: Any,
    make_processor: MakeProcessor,
    make_span: MakeSpan,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def exporting() -> threading.Thread:
        (thread,) = (each for each in threading.enumerate() if each.name == "bentotrace-recorder")
        return thread

    processor = make_processor(recorder, max_export_batch_size=1)
    end(processor, make_span, "before")
    assert processor.flush(10)
    dying = exporting()
    # It waits for a span, and dies of the exception when it wakes up.
    assert dying.ident is not None
    killed = ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(dying.ident), ctypes.py_object(SystemExit)
    )
    assert killed == 1
    end(processor, make_span, "meanwhile")
    dying.join(10)
    assert not dying.is_alive()
    reason = "SystemExit ended the exporting thread; the next span starts another"
    assert f"exporter recorder failed: {reason}" in caplog.text
    error = processor.status().last_error
    assert error is not None
    assert (error.kind, error.reason) == ("unexpected", reason)

    end(processor, make_span, "after")
    assert exporting() is not dying
    assert processor.flush(10)
    assert recorder.names == ["before", "meanwhile", "after"]
    assert processor.close(10)


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
        processor._queue._lock.run(lambda: (held.set(), release.wait(10)))

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
