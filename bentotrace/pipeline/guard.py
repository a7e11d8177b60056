"""The guard around an exporter: whatever it does becomes a counted, explained result.

A foreign exporter may raise, return None, or trace its own requests. None of that reaches the
application, and what is lost is said: one WARNING at the first failure, at most one summary a
minute while it lasts, one line when it is over. Each loss has its line at DEBUG.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from attrs import evolve
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from bentotrace.pipeline.advice import advice_on
from bentotrace.pipeline.counts import NOTHING
from bentotrace.pipeline.reports import Reports
from bentotrace.pipeline.status import ErrorStatus
from bentotrace.redaction import Redaction
from bentotrace.transport.outcome import FailureKind, Outcome
from bentotrace.transport.suppression import suppress_instrumentation

__all__ = ["Delivery", "Guard", "Health", "OnExportError", "counted"]

OnExportError = Callable[[ErrorStatus], object]
"""What an application has called with each failed export."""

_SUMMARY_INTERVAL = 60.0
# The other 4xx, and these codes of gRPC, are said of what was sent.
_PASSING_STATUSES = ("408", "425", "429")
_LASTING_CODES = ("INVALID_ARGUMENT", "ALREADY_EXISTS", "FAILED_PRECONDITION")
# What a plugin reports is looked at as far as this.
_LONGEST_REASON = 4 * 1024
_NO_SECRETS = Redaction()


class Delivery(NamedTuple):
    """What became of a batch; the numbers add up to its length.

    Attributes:
        exported: spans that the receiver took.
        failed: spans that it did not take.
        kind: the kind of the error that lost them.
        kept: all of them, where another try may fare better and the caller keeps them for it.
        dropped: spans that an extension withheld, by reason.
    """

    exported: int
    failed: int
    kind: str = ""
    kept: int = 0
    dropped: Mapping[str, int] = NOTHING


class Health(NamedTuple):
    """How an exporter fares.

    Attributes:
        last_success: when it last delivered a whole batch, in seconds since the epoch.
        last_error: the last failure.
        consecutive_failures: exports that failed since the last that did not.
    """

    last_success: float | None = None
    last_error: ErrorStatus | None = None
    consecutive_failures: int = 0


class Guard:
    """Calls one exporter, from one thread at a time.

    Attributes:
        name: the exporter type.
        endpoint: where the spans go; "" when the exporter does not tell.
        health: how it fares; replaced as a whole, so that another thread reads one moment.
    """

    def __init__(
        self,
        exporter: SpanExporter,
        reports: Reports,
        *,
        name: str,
        endpoint: str,
        logger: logging.Logger,
        on_error: OnExportError | None = None,
        redaction: Redaction = _NO_SECRETS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Guard an exporter.

        Args:
            exporter: what is called.
            reports: where it reports.
            name: the exporter type.
            endpoint: where the spans go.
            logger: where losses are told.
            on_error: called with each failed export, in the exporting thread.
            redaction: masks what must not be quoted from an exception or an outcome.
            clock: tells the seconds between two summaries.
        """
        self.name = name
        self.endpoint = endpoint
        self.health = Health()
        self._exporter = exporter
        self._reports = reports
        self._logger = logger
        self._on_error = on_error
        self._redaction = redaction
        self._told_callback = False
        self._clock = clock
        self._quiet_until = 0.0
        self._forget_losses()

    def export(
        self, batch: Sequence[ReadableSpan], *, keep: bool | Callable[[], bool] = False
    ) -> Delivery:
        """Export a batch; never raises.

        Args:
            batch: the spans.
            keep: whether the caller keeps the whole batch on disk when some of it is not taken
                for a reason that may pass. A function is asked after the export, and then keeps it
                in memory, whatever the reason; that is no failure.
        """
        self._reports.take()
        self._reports.take_dropped()
        result: object = None
        raised = ""
        try:
            with suppress_instrumentation():
                result = self._exporter.export(batch)
        # In a thread that is not its own, an exporter's SystemExit would end the exporting.
        except BaseException as error:
            raised = self._explain(error)
        return self._judge(len(batch), result, raised, keep)

    def shutdown(self) -> None:
        """Shut the exporter down, and say what was lost and not said yet; never raises."""
        try:
            with suppress_instrumentation():
                self._exporter.shutdown()
        except BaseException as error:
            self._warn("%s was shut down, but %s", self, self._explain(error))
        if self._failures and not self._told:
            self._warn("%s %s", self, self._sum_up())

    def give_up(self, spans: int) -> ErrorStatus | None:
        """Give up the running export, and so many spans with it.

        Returns:
            The last error, be it of an attempt that the export was about to make again.
        """
        outcome = self._reports.last_failure()
        if outcome is not None:
            error = evolve(self._error(outcome), spans=spans)
            self.health = self.health._replace(last_error=error)
        return self.health.last_error

    def restart(self) -> None:
        """Begin anew in a forked child, which has neither succeeded nor failed yet."""
        self.health = Health()
        self._quiet_until = 0.0
        self._forget_losses()

    def __str__(self) -> str:
        return f"exporter {self.name}" + (f" to {self.endpoint}" if self.endpoint else "")

    def _judge(
        self, total: int, result: object, raised: str, keep: bool | Callable[[], bool]
    ) -> Delivery:
        reported, rejected, error, passing = self._reported()
        dropped, withheld = self._withheld(total)
        total -= withheld
        # What it did not report counts by its result.
        rest = max(total - reported, 0)
        failed = rejected if result is SpanExportResult.SUCCESS else rejected + rest
        failed = min(failed, total)
        if failed == 0:
            self._succeed()
            return Delivery(total, 0, dropped=dropped)
        if callable(keep) and not reported - rejected and keep():
            return Delivery(0, 0, kept=total + withheld)
        if error is None:
            reason = raised or self._unexplained(result)
            error = ErrorStatus("exporter", reason, self.endpoint, time.time())
        if rest and (raised or result is SpanExportResult.FAILURE):
            passing = True
        if keep is True and passing:
            self._fail(evolve(error, exporter=self.name), kept=total + withheld)
            return Delivery(0, 0, error.kind, total + withheld)
        self._fail(evolve(error, exporter=self.name, spans=failed))
        return Delivery(total - failed, failed, error.kind, dropped=dropped)

    def _withheld(self, total: int) -> tuple[Mapping[str, int], int]:
        """Give the spans of a batch that were withheld, by reason and in all; no more than it."""
        dropped: dict[str, int] = {}
        for reason, spans in self._reports.take_dropped().items():
            counted_already = sum(dropped.values())
            if spans and counted_already < total:
                shown = self._redaction.line(reason)
                left = total - counted_already
                dropped[shown] = dropped.get(shown, 0) + min(spans, left)
        return dropped, sum(dropped.values())

    def _reported(self) -> tuple[int, int, ErrorStatus | None, bool]:
        """Add up the reports.

        Returns:
            Spans they speak of, spans that were not taken, the last why, and whether one of the
            reasons may pass.
        """
        reported = rejected = 0
        error = None
        passing = False
        for outcome, spans in self._reports.take():
            whole = not outcome.ok and outcome.rejected <= 0
            lost = spans if whole else min(max(outcome.rejected, 0), spans)
            reported += spans
            rejected += lost
            if lost:
                error = self._error(outcome)
                passing = passing or (whole and _may_pass(outcome))
                what = counted(lost, "span")
                self._log(logging.DEBUG, "%s did not deliver %s: %s", self, what, error.reason)
        return reported, rejected, error, passing

    def _error(self, outcome: Outcome) -> ErrorStatus:
        kind = outcome.kind.value if outcome.kind is not None else "exporter"
        # A plugin may have built the outcome itself, of what a receiver said.
        redact = self._redaction.redact
        reason = redact(str(outcome.reason or "")[:_LONGEST_REASON])
        reason = reason or "the receiver gave no reason"
        return ErrorStatus(kind, reason, redact(outcome.endpoint), time.time(), self.name)

    def _succeed(self) -> None:
        self.health = self.health._replace(last_success=time.time(), consecutive_failures=0)
        # What happens within a quiet minute is summed up after it.
        if self._failures and (self._told or self._clock() >= self._quiet_until):
            self._warn("%s works again; it %s", self, self._sum_up())
            self._forget_losses()

    def _fail(self, error: ErrorStatus, *, kept: int = 0) -> None:
        count = self.health.consecutive_failures + 1
        self.health = self.health._replace(last_error=error, consecutive_failures=count)
        self._failures += 1
        self._lost += error.spans
        self._call_back(error)
        now = self._clock()
        if now < self._quiet_until:
            return
        self._quiet_until = now + _SUMMARY_INTERVAL
        self._told = True
        if self._failures == 1:
            lost, held = counted(error.spans, "span"), counted(kept, "span")
            what = f"keeps {held} on disk" if kept else f"lost {lost}"
            self._warn("%s failed and %s: %s; %s", self, what, error.reason, advice_on(error.kind))
        else:
            self._warn(
                "%s has failed %d times and lost %s so far; the last time: %s",
                self,
                self._failures,
                self._losses(),
                error.reason,
            )

    def _call_back(self, error: ErrorStatus) -> None:
        if self._on_error is None:
            return
        try:
            self._on_error(error)
        except Exception as raised:
            self._log_traceback("on_export_error raised", raised)
            if not self._told_callback:
                self._told_callback = True
                self._warn(
                    "on_export_error raised %s (traceback: logger %s at level DEBUG)",
                    type(raised).__name__,
                    self._logger.name,
                )

    def _forget_losses(self) -> None:
        """Begin to count for the next line about losses."""
        self._failures = 0
        self._lost = 0
        self._told = False

    def _losses(self) -> str:
        return counted(self._lost, "span") if self._lost else "no span"

    def _sum_up(self) -> str:
        return f"lost {self._losses()} in {counted(self._failures, 'export')} that failed"

    def _explain(self, error: BaseException) -> str:
        self._log_traceback(f"exporter {self.name} raised", error)
        try:
            text = str(error)
        except Exception:
            text = ""
        raised = f"it raised {type(error).__name__}" + (f": {text}" if text else "")
        told = self._redaction.line(raised)
        return f"{told} (traceback: logger {self._logger.name} at level DEBUG)"

    def _unexplained(self, result: object) -> str:
        logger = self._logger.name
        if result is SpanExportResult.FAILURE:
            return (
                "it reported a failure without a reason "
                f"(more may be in its own log, or {logger}'s)"
            )
        try:
            returned = self._redaction.line(repr(result))
        except Exception:
            returned = type(result).__name__
        return f"it returned {returned}, where a SpanExportResult belongs"

    def _log_traceback(self, what: str, error: BaseException) -> None:
        # As text: a handler would format an exc_info itself, and show what its message quotes.
        if not self._logger.isEnabledFor(logging.DEBUG):
            return
        try:
            text = self._redaction.traceback(error)
        except Exception:
            text = type(error).__name__
        self._log(logging.DEBUG, "%s\n%s", what, text)

    def _warn(self, message: str, *arguments: object) -> None:
        self._log(logging.WARNING, message, *arguments)

    def _log(self, level: int, message: str, *arguments: object) -> None:
        """Log; a handler that raises must not stop the exporting."""
        try:
            self._logger.log(level, message, *arguments)
        except Exception:
            return


def counted(number: int, noun: str) -> str:
    """Write "1 span" or "2 spans"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _may_pass(outcome: Outcome) -> bool:
    """Tell whether the same spans may be taken later, once the receiver is back or is mended.

    Only what the receiver says of the spans themselves stays as it is. Wrong credentials, paths
    and certificates are put right by people, while the spans are kept.
    """
    if outcome.kind in (FailureKind.TOO_LARGE, FailureKind.PARTIAL):
        return False
    if outcome.kind is not FailureKind.STATUS:
        return True
    status = outcome.status or ""
    if status.isdecimal():
        return not 400 <= int(status) < 500 or status in _PASSING_STATUSES
    return status not in _LASTING_CODES
