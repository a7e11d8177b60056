from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from opentelemetry import context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from bentotrace.delivery.accounting import BatchResult
from bentotrace.delivery.health import Health

from .scripted import REFUSED, TAKEN, Bench, raising, refusing


def numbers(result: BatchResult) -> tuple[int, int]:
    return result.exported, sum(result.failed.values())


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


def test_a_child_that_was_forked_during_a_flush_flushes(run_python: Callable[[str], str]) -> None:
    printed = run_python(
        """
        import logging, os, sys, threading
        from bentotrace.delivery.guard import Guard
        from bentotrace.delivery.reports import Reports
        from opentelemetry.sdk.trace.export import SpanExporter

        parent = os.getpid()
        entered, released = threading.Event(), threading.Event()

        class Buffering(SpanExporter):
            def force_flush(self, timeout_millis=0):
                if os.getpid() == parent:
                    entered.set()
                    released.wait(30)
                return True

        logger = logging.getLogger("test")
        guard = Guard(Buffering(), Reports(), name="x", endpoint="", logger=logger)
        flushing = threading.Thread(target=guard.flush, args=[30])
        flushing.start()
        entered.wait()
        print(guard.flush(30), flush=True)
        if not os.fork():
            guard.restart()
            print(guard.flush(30), flush=True)
            os._exit(0)
        os.wait()
        released.set()
        flushing.join()
        print(guard.flush(30))
        """
    )
    assert printed.split() == ["False", "True", "True"]
