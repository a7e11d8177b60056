"""The account of a queue: its spans by result, and which drops have been reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from bentotrace.delivery.status import DropReason, ErrorStatus
from bentotrace.threads import Signal

__all__ = ["REPORT_INTERVAL", "Accounting", "BatchResult", "Counts", "Flush"]

REPORT_INTERVAL = 60.0
"""Seconds between two reports of dropped spans."""

_NONE: Mapping[str, int] = MappingProxyType({})


class BatchResult(NamedTuple):
    """The result of exporting a batch, in numbers of spans.

    Attributes:
        exported: accepted by the receiver.
        failed: not accepted, by the kind of the error.
        dropped: withheld from the receiver, or lost in the spool, by reason.
        kept: still pending, because the caller keeps them for another attempt.
        failure: the last error, also of spans that are kept.
    """

    exported: int = 0
    failed: Mapping[str, int] = _NONE
    dropped: Mapping[str, int] = _NONE
    kept: int = 0
    failure: ErrorStatus | None = None

    @property
    def lost(self) -> int:
        """The spans that were neither delivered nor kept."""
        return sum(self.failed.values()) + sum(self.dropped.values())

    def limit(self, spans: int) -> BatchResult:
        """Return the result for this number of the spans; those not delivered are left out."""
        left = spans
        parts = []
        for part in ({"": self.exported}, self.failed, self.dropped):
            limited = {reason: min(count, left) for reason, count in part.items()}
            left -= sum(limited.values())
            parts.append(limited)
        exported, failed, dropped = parts
        return BatchResult(exported[""], failed, dropped, failure=self.failure)


class Counts(NamedTuple):
    """The counts of a queue at one moment: ``exporting``, ``waiting`` and ``kept`` are pending.

    The others are as in :class:`BatchResult`.
    """

    exported: int = 0
    failed: Mapping[str, int] = _NONE
    dropped: Mapping[str, int] = _NONE
    exporting: int = 0
    waiting: int = 0
    kept: int = 0

    @property
    def pending(self) -> int:
        """The spans that are neither delivered nor lost yet."""
        return self.exporting + self.waiting + self.kept

    @property
    def ended(self) -> int:
        """All spans that were put."""
        lost = sum(self.failed.values()) + sum(self.dropped.values())
        return self.exported + lost + self.pending


class Accounting:
    """The sums of one queue, under the queue's lock.

    Attributes:
        kept: spans that are kept for another attempt.
        overflowed: spans that found the queue full.
        late: spans that ended after the queue was closed, or were abandoned then.
    """

    def __init__(self) -> None:
        self.kept = 0
        self.overflowed = 0
        self.late = 0
        self._exported = 0
        self._failed: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._reported = 0
        self._report_at = 0.0

    @property
    def finished(self) -> int:
        """The spans that are delivered or lost, without those that no exporter ever saw."""
        return self._exported + self.lost

    @property
    def lost(self) -> int:
        """The spans among the finished ones that were not delivered."""
        return sum(self._failed.values()) + sum(self._dropped.values())

    def settle(self, result: BatchResult) -> None:
        """Add the result of a batch."""
        self._exported += result.exported
        self._failed.update(result.failed)
        self._dropped.update(result.dropped)
        self.kept += result.kept

    def overflow(self, now: float) -> None:
        """Count a span that found the queue full."""
        if self._reported == self.overflowed:
            self._report_at = max(self._report_at, now)
        self.overflowed += 1

    def take_unreported(self, now: float, overdue: float) -> int:
        """Return the overflowed spans whose report is due, and count them as reported."""
        unreported = self.overflowed - self._reported
        if unreported == 0 or now < self._report_at + overdue:
            return 0
        self._reported = self.overflowed
        self._report_at = now + REPORT_INTERVAL
        return unreported

    def counts(self, *, exporting: int, waiting: int, forgotten: int) -> Counts:
        """Return all counts; ``forgotten`` spans were put after the consumer had ended."""
        dropped = self._dropped.copy()
        dropped[DropReason.QUEUE_FULL] += self.overflowed
        dropped[DropReason.SHUTDOWN] += self.late + forgotten
        return Counts(
            exported=self._exported,
            failed=dict(self._failed),
            dropped={reason: count for reason, count in dropped.items() if count},
            exporting=exporting,
            waiting=waiting,
            kept=self.kept,
        )


class Flush:
    """The spans that were queued when a flush was requested.

    Attributes:
        goal: the number of finished spans once the last of them is finished.
        lost: the number of spans that had been lost before.
        attempts: the number of attempts to send that had begun before.
        taken: whether the receiver accepted them all; None while some are pending.
    """

    def __init__(
        self, goal: int, lost: int, attempts: int, taken: bool | None, settled: Signal
    ) -> None:
        self.goal = goal
        self.lost = lost
        self.attempts = attempts
        self.taken = taken
        self._settled = settled

    def is_same(self, other: Flush) -> bool:
        """Return whether both end at the same time, with the same result."""
        return (self.goal, self.lost, self.attempts) == (other.goal, other.lost, other.attempts)

    def wait(self, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds; True when the receiver accepted all of them."""
        self._settled.wait_for(lambda: self.taken is not None, timeout)
        return self.taken is True
