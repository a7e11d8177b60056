"""The guard around an exporter: whatever it does becomes a counted, explained result.

A foreign exporter may raise, return None, or trace its own requests. None of that reaches the
application, and what is lost is said: one WARNING at the first failure, at most one summary a
minute while it lasts, one line when it is over.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from attrs import define, field, frozen
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from bentotrace.pipeline.status import ErrorStatus
from bentotrace.transport.outcome import Outcome
from bentotrace.transport.suppression import suppress_instrumentation

__all__ = ["Delivery", "Guard", "Reports"]

_SUMMARY_INTERVAL = 60.0


@frozen
class Delivery:
    """What became of a batch; the two numbers add up to its length."""

    exported: int
    failed: int


@define
class Reports:
    """The outcomes that an exporter reports while it exports one batch."""

    _outcomes: list[tuple[Outcome, int]] = field(factory=list)

    def add(self, outcome: Outcome, spans: int) -> None:
        """Take the outcome of one request that carried so many spans."""
        self._outcomes.append((outcome, spans))

    def take(self) -> list[tuple[Outcome, int]]:
        """Give all since the last call."""
        taken, self._outcomes = self._outcomes, []
        return taken


class Guard:
    """Calls one exporter, from one thread at a time."""

    def __init__(
        self,
        exporter: SpanExporter,
        reports: Reports,
        *,
        name: str,
        endpoint: str,
        logger: logging.Logger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.endpoint = endpoint
        self.last_success: float | None = None
        self.last_error: ErrorStatus | None = None
        self.consecutive_failures = 0
        self._exporter = exporter
        self._reports = reports
        self._logger = logger
        self._clock = clock
        self._lost = 0
        self._next_summary = 0.0

    def export(self, batch: Sequence[ReadableSpan]) -> Delivery:
        """Export a batch; never raises."""
        self._reports.take()
        result: object = None
        reason = ""
        try:
            with suppress_instrumentation():
                result = self._exporter.export(batch)
        except Exception as error:
            reason = f"the exporter raised {type(error).__name__}: {error}"
            self._logger.debug("exporter %s raised", self.name, exc_info=True)
        return self._judge(len(batch), result, reason)

    def shutdown(self) -> None:
        """Shut the exporter down; never raises."""
        try:
            with suppress_instrumentation():
                self._exporter.shutdown()
        except Exception as error:
            self._logger.warning(
                "%s raised %s while it was shut down: %s", self, type(error).__name__, error
            )
            self._logger.debug("exporter %s raised", self.name, exc_info=True)

    def __str__(self) -> str:
        return f"exporter {self.name} to {self.endpoint}" if self.endpoint else self.name

    def _judge(self, total: int, result: object, reason: str) -> Delivery:
        exported = failed = 0
        kind, endpoint = "exporter", self.endpoint
        for outcome, spans in self._reports.take():
            rejected = min(outcome.rejected, spans) if outcome.ok or outcome.rejected else spans
            exported += spans - rejected
            failed += rejected
            if rejected or not outcome.ok:
                reason, endpoint = outcome.reason, outcome.endpoint
                kind = outcome.kind.value if outcome.kind is not None else kind
        # What it did not report counts by its result.
        rest = total - exported - failed
        if result is SpanExportResult.SUCCESS and not reason:
            exported += max(rest, 0)
        else:
            failed += max(rest, 0)
        exported = min(exported, total)
        failed = total - exported
        if failed == 0:
            self._succeeded()
        else:
            reason = reason or _unexplained(result)
            self.last_error = ErrorStatus(kind, reason, endpoint, time.time())
            self._failed(failed, reason)
        return Delivery(exported, failed)

    def _succeeded(self) -> None:
        self.last_success = time.time()
        if self.consecutive_failures:
            self._logger.warning(
                "%s works again; %d spans were lost in %d exports that failed",
                self,
                self._lost,
                self.consecutive_failures,
            )
        self.consecutive_failures = 0
        self._lost = 0

    def _failed(self, spans: int, reason: str) -> None:
        self.consecutive_failures += 1
        self._lost += spans
        now = self._clock()
        if self.consecutive_failures == 1:
            self._logger.warning("%s failed, %d spans are lost: %s", self, spans, reason)
        elif now >= self._next_summary:
            self._logger.warning(
                "%s has failed %d times in a row, %d spans are lost so far: %s",
                self,
                self.consecutive_failures,
                self._lost,
                reason,
            )
        else:
            return
        self._next_summary = now + _SUMMARY_INTERVAL


def _unexplained(result: object) -> str:
    if result is SpanExportResult.FAILURE:
        return "the exporter reported a failure without a reason"
    return f"the exporter returned {result!r}, not a SpanExportResult"
