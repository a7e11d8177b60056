"""What the tests of the guard share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from bentotrace.delivery.accounting import BatchResult
from bentotrace.delivery.guard import Guard
from bentotrace.delivery.reports import Reports
from bentotrace.delivery.status import ErrorStatus
from bentotrace.transport import FailureKind, Outcome

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

    def export(self, spans: int = 4) -> BatchResult:
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


def raising(error: BaseException) -> Callable[..., Any]:
    def script(*_: Any) -> Any:
        raise error

    return script
