"""The guard around an exporter, which turns every export into a counted result with a reason.

An exporter of another project may raise, return None, or trace its own requests. None of that
reaches the application, and every loss is logged: see
:class:`~bentotrace.delivery.health.FailureLog`.
"""

from __future__ import annotations

import _thread
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from attrs import evolve
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from bentotrace.delivery.accounting import BatchResult
from bentotrace.delivery.advice import Advise, general_advice
from bentotrace.delivery.health import FailureLog, Health, OnExportError, log_untraced, pluralize
from bentotrace.delivery.reports import Reports
from bentotrace.delivery.status import DropReason, ErrorStatus
from bentotrace.interruptions import raised_by_signal
from bentotrace.redaction import Redaction
from bentotrace.spans import to_sdk_span
from bentotrace.threads import Signal, make_thread
from bentotrace.transport import suppress_instrumentation
from bentotrace.transport.outcome import FailureKind, Outcome

__all__ = ["Guard"]

ExportOutcomes = Callable[[Sequence[ReadableSpan]], Iterable[tuple[Outcome, int]]]

# The other 4xx, and these codes of gRPC, reject the spans themselves.
_PASSING_STATUSES = ("408", "425", "429")
_LASTING_CODES = ("INVALID_ARGUMENT", "ALREADY_EXISTS", "FAILED_PRECONDITION")
# Characters; redacting costs time.
_LONGEST_REASON = 4 * 1024
_NO_SECRETS = Redaction()
# The processor bounds the whole shutdown.
_LAST_FLUSH_SECONDS = 5.0
_CONTRADICTION = "it returned FAILURE, but reported every span as accepted"


class Guard:
    """Calls one exporter, from one thread at a time.

    An exporter may have a method ``export_outcomes(spans)``, which is called instead of ``export``
    and returns the outcome of each request and the number of its spans. A generator that yields
    each when its request ends loses none when a later one raises. Other exporters return a result,
    and may report outcomes through their context.

    Attributes:
        name: the exporter type.
        endpoint: the receiver; "" when it is unknown.
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
        advise: Advise = general_advice,
    ) -> None:
        """Guard an exporter that adds to ``reports``.

        ``on_error`` is called with each failed export, in the exporting thread; ``advise`` says
        what to do about one that is logged.
        """
        self.name = name
        self.endpoint = endpoint
        self._exporter = exporter
        self._export_outcomes = _find_export_outcomes(exporter)
        self._force_flush = _find_force_flush(exporter) if self._export_outcomes is None else None
        # Held during a flush, until the exporter returns.
        self._flushing = _thread.allocate_lock()
        self._miscounted = False
        self._reports = reports
        self._logger = logger
        self._redaction = redaction
        self._failures = FailureLog(str(self), logger, on_error, redaction, clock, advise)

    @property
    def health(self) -> Health:
        """The last results."""
        return self._failures.health

    def export(
        self, batch: Sequence[ReadableSpan], *, keep: bool | Callable[[], bool] = False
    ) -> BatchResult:
        """Export a batch; raises only what a signal handler raises meanwhile.

        Args:
            batch: the spans.
            keep: whether the caller keeps the whole batch when some of it is not accepted for a
                temporary reason. A function is called after a failed export; when it returns
                True, the caller keeps the batch whatever the reason, and no failure is recorded.
        """
        self._reports.take()
        self._reports.take_dropped()
        if self._reports.passed is not None:
            self._reports.passed = 0
        returned: object = None
        raised = ""
        # A log handler or on_export_error may send what happened by an instrumented client.
        with suppress_instrumentation():
            try:
                # A copy, because an exporter or extension may change it.
                returned = self._call(list(batch))
            # An exporter's SystemExit would end the exporting thread.
            except BaseException as error:
                if raised_by_signal(error):
                    raise
                raised = self._explain(error)
            result = self._judge(len(batch), returned, raised, keep)
            self.report_invalid(result)
            return result

    def flush(self, timeout: float) -> bool:
        """Wait until an exporter with a buffer of its own has sent it; never raises.

        Returns:
            True when it has, or has no buffer; False when it failed, or did not return in time.
        """
        if self._force_flush is None:
            return True
        flushing = self._flushing
        if not flushing.acquire(blocking=False):
            return False
        returned: list[bool] = []
        done = Signal()

        def run() -> None:
            returned.append(self._flush_exporter(timeout))
            flushing.release()
            done.notify()

        try:
            # An exporter that hangs must not block the caller.
            make_thread(run, f"bentotrace-flush-{self.name}").start()
        except (RuntimeError, MemoryError):
            flushing.release()
            return False
        return done.wait_for(lambda: bool(returned), timeout) and returned[0]

    def _flush_exporter(self, timeout: float) -> bool:
        if self._force_flush is None:
            return True
        try:
            with suppress_instrumentation():
                # One that returns nothing has no result to report.
                return self._force_flush(int(timeout * 1000)) is not False
        except BaseException as error:
            if raised_by_signal(error):
                raise
            self._failures.warn("%s did not flush: %s", self, self._explain(error))
            return False

    def report_invalid(self, result: BatchResult) -> None:
        """Log the spans of a result that were dropped because they cannot be sent."""
        self._failures.drop_invalid(result.dropped.get(DropReason.INVALID_SPAN, 0))

    def is_failing(self) -> bool:
        """Return whether an attempt of the running export has failed."""
        return self._reports.last_failure() is not None

    def shutdown(self) -> None:
        """Shut the exporter down, and log losses that have not been logged.

        Raises only what a signal handler raises meanwhile.
        """
        self._flush_exporter(_LAST_FLUSH_SECONDS)
        try:
            with suppress_instrumentation():
                self._exporter.shutdown()
        except BaseException as error:
            if raised_by_signal(error):
                raise
            self._failures.warn("%s did not shut down cleanly: %s", self, self._explain(error))
        self._failures.close()

    def give_up(self, spans: int) -> ErrorStatus | None:
        """Abandon the running export with its spans, and return the last error.

        The error may be of an attempt that the export was about to repeat.
        """
        outcome = self._reports.last_failure()
        if outcome is not None:
            error = evolve(self._error(outcome), spans=spans)
            self._failures.health = self.health._replace(last_error=error)
        return self.health.last_error

    def fail(self, error: BaseException, spans: int) -> None:
        """Record an error that ended an export, or the exporting thread, with the spans it lost."""
        reason, name = self._explain(error), type(error).__name__
        if raised_by_signal(error):
            reason = f"a signal handler raised {name} during the export"
        elif not isinstance(error, Exception):
            reason = f"{name} ended the exporting thread; the next span starts another"
        kind = FailureKind.UNEXPECTED.value
        status = ErrorStatus(kind, reason, self.endpoint, time.time(), self.name, spans)
        with suppress_instrumentation():
            self._failures.fail(status)

    def restart(self) -> None:
        """Reset the health, in a forked child."""
        self._flushing = _thread.allocate_lock()
        self._failures.restart()

    def __str__(self) -> str:
        return f"exporter {self.name}" + (f" to {self.endpoint}" if self.endpoint else "")

    def _call(self, batch: Sequence[ReadableSpan]) -> object:
        if self._export_outcomes is None:
            return self._exporter.export([to_sdk_span(span) for span in batch])
        for outcome, spans in self._export_outcomes(batch):
            self._reports.add(outcome, spans)
        # For spans without an outcome.
        return SpanExportResult.FAILURE

    def _judge(
        self, total: int, returned: object, raised: str, keep: bool | Callable[[], bool]
    ) -> BatchResult:
        reported, rejected, failure, temporary = self._add_up()
        dropped = self._withheld(total, silently=returned is SpanExportResult.SUCCESS)
        sendable = total - sum(dropped.values())
        # The returned result is about spans that were not reported.
        rest = max(sendable - reported, 0)
        failed = rejected if returned is SpanExportResult.SUCCESS else rejected + rest
        failed = min(failed, sendable)
        self._check_count(reported, total)
        if not failed and returned is SpanExportResult.FAILURE and self._export_outcomes is None:
            # The result contradicts the reports; a loss is never hidden.
            failed, raised = sendable, _CONTRADICTION
        if failed == 0:
            self._failures.succeed()
            return BatchResult(sendable, dropped=dropped)
        if callable(keep) and not reported - rejected and keep():
            return BatchResult(kept=total)
        if failure is None:
            reason = raised or self._unexplained(returned)
            error = ErrorStatus("exporter", reason, self.endpoint, time.time(), self.name)
        else:
            error = self._error(failure)
        if rest and (raised or returned is SpanExportResult.FAILURE):
            temporary = True
        if keep is True and temporary:
            self._failures.fail(error, failure, kept=total)
            return BatchResult(kept=total, failure=error)
        error = evolve(error, spans=failed)
        self._failures.fail(error, failure)
        return BatchResult(sendable - failed, {error.kind: failed}, dropped, failure=error)

    def _check_count(self, reported: int, total: int) -> None:
        """Warn once about an exporter that reports more spans than it received."""
        if reported > total and not self._miscounted:
            self._miscounted = True
            self._failures.warn(
                "%s reported %s of a batch of %d; its counts are limited to the batch; report this "
                "to its author",
                self,
                pluralize(reported, "span"),
                total,
            )

    def _withheld(self, total: int, *, silently: bool) -> Mapping[str, int]:
        """Return the withheld spans of a batch, by reason; no more than the batch has.

        ``silently``: with those that extensions neither passed on nor reported.
        """
        dropped: Counter[str] = Counter()
        for reason, spans in self._reports.take_dropped().items():
            spans = min(spans, total - sum(dropped.values()))
            if spans:
                dropped[self._redaction.line(reason)] += spans
        passed = self._reports.passed
        if silently and passed is not None and passed + sum(dropped.values()) < total:
            dropped[DropReason.EXTENSION] = total - passed - sum(dropped.values())
        return dropped

    def _add_up(self) -> tuple[int, int, Outcome | None, bool]:
        """Return the reported and the rejected spans, the last failure, and if one may pass."""
        reported = rejected = 0
        failure = None
        temporary = False
        for outcome, spans in self._reports.take():
            whole = not outcome.ok and outcome.rejected <= 0
            lost = spans if whole else min(max(outcome.rejected, 0), spans)
            reported += spans
            rejected += lost
            if lost:
                failure = outcome
                temporary = temporary or (whole and _is_temporary(outcome))
                message, number = "%s did not deliver %s: %s", pluralize(lost, "span")
                reason = self._error(outcome).reason
                log_untraced(self._logger, logging.DEBUG, message, self, number, reason)
        return reported, rejected, failure, temporary

    def _error(self, outcome: Outcome) -> ErrorStatus:
        kind = outcome.kind.value if outcome.kind is not None else "exporter"
        # A plugin may quote the receiver in an outcome.
        redact = self._redaction.redact
        reason = redact(str(outcome.reason or "")[:_LONGEST_REASON]) or "no reason was reported"
        return ErrorStatus(kind, reason, redact(outcome.endpoint), time.time(), self.name)

    def _explain(self, error: BaseException) -> str:
        self._failures.traceback(f"exporter {self.name} raised", error)
        try:
            text = str(error)
        except BaseException:
            text = ""
        raised = f"it raised {type(error).__name__}" + (f": {text}" if text else "")
        line = self._redaction.line(raised)
        return f"{line} (traceback: logger {self._logger.name} at level DEBUG)"

    def _unexplained(self, returned: object) -> str:
        logger = self._logger.name
        if returned is SpanExportResult.FAILURE:
            return f"it reported a failure without a reason (see logger {logger})"
        try:
            text = self._redaction.line(repr(returned))
        except BaseException:
            text = type(returned).__name__
        return f"it returned {text} instead of a SpanExportResult"


def _find_export_outcomes(exporter: SpanExporter) -> ExportOutcomes | None:
    """Return the exporter's ``export_outcomes``; None when its ``export`` must be called.

    An ``export`` that wraps the exporter, by delegation, by inheritance or in place, takes
    precedence.
    """
    if "export" in getattr(exporter, "__dict__", {}):
        return None
    for kind in type(exporter).__mro__:
        if "export_outcomes" in vars(kind):
            found: ExportOutcomes = exporter.export_outcomes  # type: ignore[attr-defined]
            return found
        if "export" in vars(kind):
            break
    return None


def _find_force_flush(exporter: SpanExporter) -> Callable[[int], object] | None:
    """Return the exporter's ``force_flush``; None when it is the one that does nothing."""
    try:
        found = getattr(exporter, "force_flush", None)
    except Exception:
        return None
    inherited = getattr(found, "__func__", found) is SpanExporter.force_flush
    return found if callable(found) and not inherited else None


def _is_temporary(outcome: Outcome) -> bool:
    """Return whether the same spans may be accepted later, once the receiver is back or fixed.

    Wrong credentials, paths and certificates can be corrected while the spans are kept; a
    rejection of the spans themselves is final.
    """
    if outcome.kind in (FailureKind.TOO_LARGE, FailureKind.PARTIAL):
        return False
    if outcome.kind is not FailureKind.STATUS or outcome.retryable:
        return True
    status = outcome.status or ""
    if status.isdecimal():
        return not 400 <= int(status) < 500 or status in _PASSING_STATUSES
    return status not in _LASTING_CODES
