from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from attrs import frozen
from opentelemetry import context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from bentotrace.pipeline.guard import Delivery, Guard, Health, Reports
from bentotrace.pipeline.status import ErrorStatus
from bentotrace.transport import FailureKind, Outcome

MakeSpan = Callable[..., ReadableSpan]

REFUSED = Outcome(False, "http://here:4318", FailureKind.REFUSED, reason="nothing listens there")
TAKEN = Outcome(True, "http://here:4318")


def refusing(count: int, *, ok: bool = False) -> Outcome:
    return Outcome(ok, "there", FailureKind.PARTIAL, reason="too long a name", rejected=count)


class Scripted(SpanExporter):
    """Runs one function for every export."""

    def __init__(self) -> None:
        self.reports = Reports()
        self.script: Callable[[Sequence[ReadableSpan]], Any] = lambda spans: (
            SpanExportResult.SUCCESS
        )
        self.at_shutdown: Callable[[], None] = lambda: None
        self.errors: list[ErrorStatus] = []
        self.told: Callable[[ErrorStatus], None] = self.errors.append

    def export(self, spans: Sequence[ReadableSpan]) -> Any:
        return self.script(spans)

    def shutdown(self) -> None:
        self.at_shutdown()


@frozen
class Bench:
    """A guarded exporter, with a clock that stands still."""

    exporter: Scripted
    guard: Guard
    now: list[float]
    span: ReadableSpan

    def export(self, spans: int = 4) -> Delivery:
        return self.guard.export([self.span] * spans)

    def answer(self, result: Any, *reports: tuple[Outcome, int]) -> None:
        def script(spans: Sequence[ReadableSpan]) -> Any:
            for report in reports:
                self.exporter.reports.add(*report)
            return result

        self.exporter.script = script

    def fail(self) -> None:
        self.answer(SpanExportResult.FAILURE, (REFUSED, 4))
        self.export()

    def succeed(self) -> None:
        self.answer(SpanExportResult.SUCCESS)
        self.export()


@pytest.fixture
def bench(make_span: MakeSpan) -> Bench:
    exporter, now = Scripted(), [5000.0]
    guard = Guard(
        exporter,
        exporter.reports,
        name="scripted",
        endpoint="http://here:4318",
        logger=logging.getLogger("bentotrace.scripted"),
        on_error=lambda error: exporter.told(error),
        clock=lambda: now[0],
    )
    return Bench(exporter, guard, now, make_span())


def raising(error: BaseException) -> Callable[..., Any]:
    def script(*_: Any) -> Any:
        raise error

    return script


def numbers(delivery: Delivery) -> tuple[int, int]:
    return delivery.exported, delivery.failed


@pytest.mark.parametrize(
    ("result", "reports", "delivery"),
    [
        pytest.param(SpanExportResult.SUCCESS, [], (4, 0), id="success"),
        pytest.param(SpanExportResult.FAILURE, [], (0, 4), id="failure"),
        pytest.param(None, [], (0, 4), id="nothing"),
        pytest.param(0, [], (0, 4), id="a number"),
        pytest.param(SpanExportResult.SUCCESS, [(TAKEN, 4)], (4, 0), id="taken"),
        pytest.param(SpanExportResult.FAILURE, [(REFUSED, 4)], (0, 4), id="refused"),
        pytest.param(SpanExportResult.SUCCESS, [(REFUSED, 4)], (0, 4), id="refused but success"),
        pytest.param(SpanExportResult.FAILURE, [(refusing(1), 4)], (3, 1), id="partial"),
        pytest.param(
            SpanExportResult.SUCCESS, [(refusing(1, ok=True), 4)], (3, 1), id="partial and ok"
        ),
        pytest.param(
            SpanExportResult.FAILURE, [(TAKEN, 3), (REFUSED, 1)], (3, 1), id="two requests"
        ),
        pytest.param(
            SpanExportResult.SUCCESS, [(REFUSED, 1)], (3, 1), id="one of two reported, success"
        ),
        pytest.param(
            SpanExportResult.FAILURE, [(TAKEN, 1)], (1, 3), id="one of two reported, failure"
        ),
        pytest.param(
            SpanExportResult.FAILURE, [(refusing(99), 4)], (0, 4), id="more refused than sent"
        ),
        pytest.param(
            SpanExportResult.FAILURE, [(REFUSED, 99)], (0, 4), id="more reported than sent"
        ),
        pytest.param(SpanExportResult.FAILURE, [(REFUSED, -1)], (0, 4), id="fewer than none"),
    ],
)
def test_results_and_reports_add_up_to_the_batch(
    bench: Bench, result: Any, reports: list[Any], delivery: tuple[int, int]
) -> None:
    bench.answer(result, *reports)
    assert numbers(bench.export()) == delivery


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(1), KeyboardInterrupt()])
def test_whatever_the_exporter_raises_counts_as_failed(bench: Bench, error: BaseException) -> None:
    bench.exporter.script = raising(error)
    assert numbers(bench.export()) == (0, 4)
    last = bench.guard.health.last_error
    assert last is not None
    assert last.reason.startswith(f"it raised {type(error).__name__}")
    assert (last.kind, last.endpoint) == ("exporter", "http://here:4318")


def test_what_was_taken_before_it_raised_counts_as_exported(bench: Bench) -> None:
    def script(spans: Sequence[ReadableSpan]) -> Any:
        bench.exporter.reports.add(TAKEN, 3)
        raise ValueError("bad")

    bench.exporter.script = script
    assert numbers(bench.export()) == (3, 1)


def test_a_report_that_is_no_outcome_is_the_exporters_error(bench: Bench) -> None:
    def script(spans: Sequence[ReadableSpan]) -> Any:
        bench.exporter.reports.add("sent", 4)  # type: ignore[arg-type]
        return SpanExportResult.SUCCESS

    bench.exporter.script = script
    assert numbers(bench.export()) == (0, 4)
    last = bench.guard.health.last_error
    assert last is not None
    assert "TypeError: report() takes an Outcome" in last.reason


def test_a_report_of_an_earlier_export_is_not_counted_again(bench: Bench) -> None:
    bench.exporter.reports.add(REFUSED, 4)
    assert numbers(bench.export()) == (4, 0)


def test_the_reason_of_a_reported_outcome_reaches_the_health(bench: Bench) -> None:
    bench.fail()
    health = bench.guard.health
    assert health.last_error is not None
    assert health.last_error.kind == "refused"
    assert health.last_error.reason == "nothing listens there"
    assert health.last_error.endpoint == "http://here:4318"
    assert abs(health.last_error.time - time.time()) < 60
    assert (health.consecutive_failures, health.last_success) == (1, None)


def test_a_success_keeps_the_last_error_and_ends_the_row_of_failures(bench: Bench) -> None:
    bench.fail()
    bench.succeed()
    health = bench.guard.health
    assert health.last_error is not None
    assert health.consecutive_failures == 0
    assert health.last_success is not None


def test_instrumentation_is_suppressed_while_exporting_and_not_afterwards(bench: Bench) -> None:
    seen: list[object] = []
    see = lambda *_: seen.append(context.get_value("suppress_instrumentation"))  # noqa: E731
    bench.exporter.script = see
    bench.exporter.at_shutdown = see
    bench.export()
    bench.guard.shutdown()
    assert seen == [True, True]
    assert context.get_value("suppress_instrumentation") is None


def test_a_shutdown_that_raises_is_said_and_reaches_nobody(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.exporter.at_shutdown = raising(SystemExit(1))
    bench.guard.shutdown()
    assert "was shut down, but it raised SystemExit: 1" in caplog.text


def test_the_first_failure_is_said_with_endpoint_count_reason_and_what_to_do(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.fail()
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == (
        "exporter scripted to http://here:4318 failed and lost 4 spans: nothing listens there; "
        "start the receiver, or correct host and port of the endpoint"
    )


def test_further_failures_are_summed_up_once_a_minute(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(100):
        bench.fail()
        bench.now[0] += 1.0
    first, second = [record.getMessage() for record in caplog.records]
    assert "failed and lost 4 spans" in first
    assert "has failed 61 times and lost 244 spans so far" in second


def test_recovery_is_said_once_with_what_was_lost(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.fail()
    bench.fail()
    for _ in range(10):
        bench.succeed()
    _, recovery = [record.getMessage() for record in caplog.records]
    assert recovery == (
        "exporter scripted to http://here:4318 works again; it lost 8 spans in 2 exports that failed"
    )


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
    assert "works again; it lost 4 spans in 1 export that" in messages[1]
    assert "has failed 60 times and lost 240 spans so far" in messages[2]
    assert "works again; it lost 240 spans in 60 exports" in messages[3]
    bench.guard.shutdown()
    assert "lost 236 spans in 59 exports that failed" in caplog.records[-1].getMessage()


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
    assert debug.exc_info is not None
    assert warning.exc_info is None
    assert "it raised ValueError: bad" in warning.getMessage()
    assert "logger bentotrace.scripted at level DEBUG" in warning.getMessage()


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (SpanExportResult.FAILURE, "it reported a failure without a reason"),
        (None, "it returned None, where a SpanExportResult belongs"),
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


def test_an_exception_that_cannot_be_shown_is_no_obstacle(bench: Bench) -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise ValueError("I will not say")

    bench.exporter.script = raising(MuteError())
    assert numbers(bench.export()) == (0, 4)


def test_a_restart_forgets_what_was_before(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.fail()
    bench.guard.restart()
    assert bench.guard.health == Health()
    bench.succeed()
    assert len(caplog.records) == 1


def test_a_guard_without_an_endpoint_names_the_exporter_alone(bench: Bench) -> None:
    bench.guard.endpoint = ""
    assert str(bench.guard) == "exporter scripted"


def test_each_failed_export_is_handed_to_the_application(bench: Bench) -> None:
    bench.fail()
    bench.fail()
    bench.succeed()
    told = [(error.kind, error.exporter, error.spans) for error in bench.exporter.errors]
    assert told == [("refused", "scripted", 4)] * 2
    assert bench.guard.health.last_error is bench.exporter.errors[1]


def test_an_application_that_raises_then_is_said_once_and_no_obstacle(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.exporter.told = raising(KeyError("mine"))
    bench.fail()
    bench.fail()
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len([line for line in said if "on_export_error raised KeyError" in line]) == 1
    assert bench.guard.health.consecutive_failures == 2


def status(word: str) -> Outcome:
    return Outcome(False, "there", FailureKind.STATUS, status=word, reason="bad")


@pytest.mark.parametrize(
    ("result", "reports", "kept"),
    [
        pytest.param(SpanExportResult.FAILURE, [], 4, id="no reason"),
        pytest.param(None, [], 0, id="no result"),
        pytest.param(SpanExportResult.SUCCESS, [], 0, id="success"),
        pytest.param(SpanExportResult.FAILURE, [(refusing(1), 4)], 0, id="partial"),
        pytest.param(SpanExportResult.FAILURE, [(TAKEN, 3), (REFUSED, 1)], 4, id="two requests"),
        pytest.param(
            SpanExportResult.FAILURE, [(refusing(1), 2), (REFUSED, 2)], 4, id="partial and refused"
        ),
        pytest.param(SpanExportResult.FAILURE, [(status("400"), 4)], 0, id="400"),
        pytest.param(SpanExportResult.FAILURE, [(status("410"), 4)], 0, id="410"),
        pytest.param(SpanExportResult.FAILURE, [(status("408"), 4)], 4, id="408"),
        pytest.param(SpanExportResult.FAILURE, [(status("429"), 4)], 4, id="429"),
        pytest.param(SpanExportResult.FAILURE, [(status("302"), 4)], 4, id="302"),
        pytest.param(SpanExportResult.FAILURE, [(status("500"), 4)], 4, id="500"),
        pytest.param(SpanExportResult.FAILURE, [(status("INVALID_ARGUMENT"), 4)], 0, id="invalid"),
        pytest.param(SpanExportResult.FAILURE, [(status("UNAVAILABLE"), 4)], 4, id="unavailable"),
        pytest.param(SpanExportResult.FAILURE, [(status("RESOURCE_EXHAUSTED"), 4)], 4, id="busy"),
        *(
            pytest.param(
                SpanExportResult.FAILURE,
                [(Outcome(False, "there", kind), 4)],
                0 if kind in (FailureKind.TOO_LARGE, FailureKind.PARTIAL) else 4,
                id=kind.value,
            )
            for kind in FailureKind
            if kind is not FailureKind.STATUS
        ),
    ],
)
def test_a_batch_is_kept_whole_when_a_reason_may_pass(
    bench: Bench, result: Any, reports: list[Any], kept: int
) -> None:
    bench.answer(result, *reports)
    delivery = bench.guard.export([bench.span] * 4, keep=True)
    assert delivery.kept == kept
    assert delivery.exported + delivery.failed + delivery.kept == 4


def test_what_raises_may_be_taken_the_next_time(bench: Bench) -> None:
    bench.exporter.script = raising(OSError("no network"))
    assert bench.guard.export([bench.span] * 4, keep=True) == Delivery(0, 0, "exporter", 4)


def test_spans_that_are_kept_are_not_said_to_be_lost(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.answer(SpanExportResult.FAILURE, (REFUSED, 4))
    for _ in range(62):
        bench.guard.export([bench.span] * 4, keep=True)
        bench.now[0] += 1.0
    bench.succeed()
    first, second, third = [record.getMessage() for record in caplog.records]
    assert "failed and keeps 4 spans on disk: nothing listens there" in first
    assert "has failed 61 times and lost no span so far" in second
    assert "works again; it lost no span in 62 exports that failed" in third
    last = bench.guard.health.last_error
    assert last is not None
    assert last.spans == 0
