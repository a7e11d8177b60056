"""Closing ends in time, whatever the exporter does."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from bentotrace.delivery.reports import Reports
from bentotrace.transport import FailureKind, Outcome

from .hanging import Hanging, MakeProcessor, MakeSpan, WaitUntil, end


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
    assert "within 0.2 s of its shutdown, and 3 spans had to be abandoned" in record.getMessage()
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
    threads = set(threading.enumerate())
    processor = make_processor(hanging)
    end(processor, make_span, "a")
    assert not processor.close(0.05)
    hanging.released.set()
    wait_until(lambda: set(threading.enumerate()) <= threads)
    status = processor.status()
    assert (status.exported, status.dropped, status.pending) == (0, 1, 0)


def test_closing_ends_in_time_when_the_shutdown_of_the_exporter_hangs(
    make_processor: MakeProcessor, make_span: MakeSpan, caplog: pytest.LogCaptureFixture
) -> None:
    exporter = Hanging(in_shutdown=True)
    processor = make_processor(exporter)
    end(processor, make_span, "a")
    assert processor.force_flush()
    begin = time.monotonic()
    assert not processor.close(0.2)
    assert time.monotonic() - begin < 5
    exporter.released.set()
    assert processor.status().exported == 1
    (record,) = caplog.records
    assert "no spans were lost" in record.getMessage()


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
