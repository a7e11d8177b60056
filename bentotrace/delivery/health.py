"""The health of an exporter: its last errors, the log lines about them, and what to do."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from bentotrace.delivery.advice import Advise, general_advice
from bentotrace.delivery.status import ErrorStatus
from bentotrace.interruptions import log_safely, raised_by_signal
from bentotrace.redaction import Redaction
from bentotrace.transport import suppress_instrumentation
from bentotrace.transport.outcome import Outcome

__all__ = ["FailureLog", "Health", "OnExportError", "log_untraced", "pluralize"]

OnExportError = Callable[[ErrorStatus], object]
"""A function of the application that is called with each failed export."""

_SUMMARY_INTERVAL = 60.0


def pluralize(number: int, noun: str) -> str:
    """Return "1 span" or "2 spans"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def log_untraced(logger: logging.Logger, level: int, message: str, *arguments: object) -> None:
    """Log safely, without spans for the requests of a log handler."""
    with suppress_instrumentation():
        log_safely(logger, level, message, *arguments)


class Health(NamedTuple):
    """The last results of an exporter.

    Attributes:
        last_success: when a whole batch was last delivered, in seconds since the epoch.
        last_error: the last failure.
        consecutive_failures: failed exports since the last success.
    """

    last_success: float | None = None
    last_error: ErrorStatus | None = None
    consecutive_failures: int = 0


class FailureLog:
    """Logs the failures of one exporter, and keeps its health; never raises.

    One WARNING at the first failure, at most one summary a minute while it lasts, one line at
    recovery.

    Attributes:
        health: replaced as a whole, so that other threads read a consistent value.
    """

    def __init__(
        self,
        subject: str,
        logger: logging.Logger,
        on_error: OnExportError | None,
        redaction: Redaction,
        clock: Callable[[], float],
        advise: Advise = general_advice,
    ) -> None:
        """Start without a failure; the log lines begin with ``subject``."""
        self._subject = subject
        self._logger = logger
        self._on_error = on_error
        self._redaction = redaction
        self._clock = clock
        self._advise = advise
        self._callback_reported = False
        self.restart()

    def restart(self) -> None:
        """Reset the health, in a forked child."""
        self.health = Health()
        self._quiet_until = 0.0
        self._invalid = 0
        self._invalid_quiet_until = 0.0
        self._reset_losses()

    def succeed(self) -> None:
        """Record an export without a failure."""
        self.health = self.health._replace(last_success=time.time(), consecutive_failures=0)
        # The failures of a quiet minute are summed up after it.
        if self._failures and (self._reported or self._clock() >= self._quiet_until):
            self.warn("%s works again; it %s", self._subject, self._summary())
            self._reset_losses()

    def fail(self, error: ErrorStatus, outcome: Outcome | None = None, *, kept: int = 0) -> None:
        """Record a failed export.

        Args:
            error: the failure.
            outcome: what the exporter reported of it; None without a report.
            kept: the number of its spans that are kept for another attempt.
        """
        count = self.health.consecutive_failures + 1
        self.health = self.health._replace(last_error=error, consecutive_failures=count)
        self._failures += 1
        self._lost += error.spans
        self._call_back(error)
        now = self._clock()
        if now < self._quiet_until:
            return
        self._quiet_until = now + _SUMMARY_INTERVAL
        self._reported = True
        if self._failures > 1:
            self.warn(
                "%s has failed %d times and lost %s so far; last error: %s",
                self._subject,
                self._failures,
                pluralize(self._lost, "span"),
                error.reason,
            )
            return
        lost, held = pluralize(error.spans, "span"), pluralize(kept, "span")
        effect = f" and keeps {held} on disk" if kept else f" and lost {lost}"
        effect = effect if kept or error.spans else ""
        advice = self._advise(error.kind, outcome)
        self.warn("%s failed%s: %s; %s", self._subject, effect, error.reason, advice)

    def drop_invalid(self, spans: int) -> None:
        """Log dropped spans that cannot be sent, at most once a minute."""
        self._invalid += spans
        now = self._clock()
        if self._invalid and now >= self._invalid_quiet_until:
            self._invalid_quiet_until = now + _SUMMARY_INTERVAL
            self._warn_of_invalid()

    def close(self) -> None:
        """Log losses that have not been logged."""
        if self._invalid:
            self._warn_of_invalid()
        if self._failures and not self._reported:
            self.warn("%s %s", self._subject, self._summary())

    def warn(self, message: str, *arguments: object) -> None:
        """Log a WARNING."""
        log_untraced(self._logger, logging.WARNING, message, *arguments)

    def traceback(self, title: str, error: BaseException) -> None:
        """Log a traceback at DEBUG, as text: a handler would format an exc_info unredacted."""
        if not self._logger.isEnabledFor(logging.DEBUG):
            return
        try:
            text = self._redaction.traceback(error)
        except BaseException:
            text = type(error).__name__
        log_untraced(self._logger, logging.DEBUG, "%s\n%s", title, text)

    def _call_back(self, error: ErrorStatus) -> None:
        if self._on_error is None:
            return
        try:
            self._on_error(error)
        # A SystemExit of the application would end the exporting thread.
        except BaseException as raised:
            if raised_by_signal(raised):
                raise
            self.traceback("on_export_error raised", raised)
            if not self._callback_reported:
                self._callback_reported = True
                self.warn(
                    "on_export_error raised %s (traceback: logger %s at level DEBUG)",
                    type(raised).__name__,
                    self._logger.name,
                )

    def _warn_of_invalid(self) -> None:
        self.warn(
            "%s dropped %s without valid ids; correct the code that creates them",
            self._subject,
            pluralize(self._invalid, "span"),
        )
        self._invalid = 0

    def _reset_losses(self) -> None:
        self._failures = 0
        self._lost = 0
        self._reported = False

    def _summary(self) -> str:
        exports = pluralize(self._failures, "failed export")
        return f"lost {pluralize(self._lost, 'span')} in {exports}"
