"""What the guard says of an exporter, when, and how often."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry import context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from ...golden import Golden
from .scripted import Bench, raising


def test_a_shutdown_that_raises_is_said_and_reaches_nobody(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.exporter.at_shutdown = raising(SystemExit(1))
    bench.guard.shutdown()
    assert "did not shut down cleanly: it raised SystemExit: 1" in caplog.text


def test_no_instrumented_client_of_a_log_handler_or_callback_makes_spans(bench: Bench) -> None:
    suppressed: list[object] = []

    class Ship(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            suppressed.append(context.get_value("suppress_instrumentation"))

    bench.exporter.told = lambda _: Ship().emit(logging.makeLogRecord({}))
    bench.exporter.at_shutdown = raising(ValueError())
    handler = Ship()
    logging.getLogger().addHandler(handler)
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.DEBUG)
    try:
        bench.exporter.script = raising(ValueError())
        bench.export()
        bench.succeed()
        bench.guard.shutdown()
    finally:
        logging.getLogger().removeHandler(handler)
        logging.getLogger().setLevel(level)
    # A traceback, the failure, the callback, the recovery, the shutdown with its traceback.
    assert len(suppressed) >= 5
    assert set(suppressed) == {True}
    assert context.get_value("suppress_instrumentation") is None


def test_the_first_failure_is_said_with_endpoint_count_reason_and_what_to_do(
    bench: Bench, caplog: pytest.LogCaptureFixture, golden: Golden
) -> None:
    bench.fail()
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    golden(record.getMessage())


def test_further_failures_are_summed_up_once_a_minute(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(100):
        bench.fail()
        bench.now[0] += 1.0
    first, second = [record.getMessage() for record in caplog.records]
    assert "failed and lost 4 spans" in first
    assert "has failed 61 times and lost 244 spans so far" in second


def test_spans_that_cannot_be_sent_are_logged_once_a_minute_and_at_the_end(
    bench: Bench, caplog: pytest.LogCaptureFixture, golden: Golden
) -> None:
    def drop(spans: Sequence[ReadableSpan]) -> SpanExportResult:
        bench.exporter.reports.drop(len(spans), "invalid span")
        return SpanExportResult.SUCCESS

    bench.exporter.script = drop
    for _ in range(100):
        bench.export(2)
        bench.now[0] += 1.0
    bench.guard.shutdown()
    first, second, last = [record.getMessage() for record in caplog.records]
    golden(first)
    assert "dropped 120 spans" in second
    assert "dropped 78 spans" in last


def test_recovery_is_said_once_with_what_was_lost(
    bench: Bench, caplog: pytest.LogCaptureFixture, golden: Golden
) -> None:
    bench.fail()
    bench.fail()
    for _ in range(10):
        bench.succeed()
    _, recovery = [record.getMessage() for record in caplog.records]
    golden(recovery)


def test_a_receiver_that_fails_every_other_time_does_not_flood_the_log_and_hides_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(120):
        bench.fail()
        bench.succeed()
        bench.now[0] += 1.0
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 4
    assert "failed and lost 4 spans" in messages[0]
    assert "works again; it lost 4 spans in 1 failed export" in messages[1]
    assert "has failed 60 times and lost 240 spans so far" in messages[2]
    assert "works again; it lost 240 spans in 60 failed exports" in messages[3]
    bench.guard.shutdown()
    assert "lost 236 spans in 59 failed exports" in caplog.records[-1].getMessage()


def test_nothing_is_said_of_a_healthy_exporter(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    bench.succeed()
    bench.guard.shutdown()
    assert caplog.records == []


def test_a_traceback_is_logged_at_debug_only(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    bench.exporter.script = raising(ValueError("bad"))
    bench.export()
    debug, warning = caplog.records
    assert (debug.levelname, warning.levelname) == ("DEBUG", "WARNING")
    # As text, for a handler would format an exception with all that its message quotes.
    assert (debug.exc_info, warning.exc_info) == (None, None)
    assert debug.getMessage().startswith(
        "exporter scripted raised\nTraceback (most recent call last)"
    )
    assert debug.getMessage().endswith("ValueError: bad")
    assert "Traceback" not in warning.getMessage()
    assert "it raised ValueError: bad" in warning.getMessage()
    assert "logger bentotrace.scripted at level DEBUG" in warning.getMessage()


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (SpanExportResult.FAILURE, "it reported a failure without a reason"),
        (None, "it returned None instead of a SpanExportResult"),
    ],
)
def test_a_failure_without_a_reason_is_said_as_that(
    bench: Bench, caplog: pytest.LogCaptureFixture, result: Any, words: str
) -> None:
    bench.answer(result)
    bench.export()
    assert words in caplog.text


def test_the_message_of_an_exception_is_one_line_without_credentials(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.exporter.script = raising(OSError("POST https://me:secret@host/x\nfailed " + "x" * 999))
    bench.export()
    message = caplog.records[-1].getMessage()
    assert "secret" not in message
    assert "\n" not in message
    assert len(message) < 500


@pytest.mark.parametrize("error", [KeyError("mine"), SystemExit(3), GeneratorExit()])
def test_an_application_that_raises_then_is_said_once_and_no_obstacle(
    bench: Bench, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    bench.exporter.told = raising(error)
    bench.fail()
    bench.fail()
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len([line for line in said if f"raised {type(error).__name__}" in line]) == 1
    assert bench.guard.health.consecutive_failures == 2
