"""The account of a queue: what became of its spans, and how much of that has been told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from bentotrace.pipeline.counts import Counts

__all__ = ["NOTICE_INTERVAL", "Tally"]

NOTICE_INTERVAL = 60.0
"""Seconds between two notices of dropped spans."""


class Tally:
    """Sums, under the queue's lock.

    Attributes:
        exported: spans that the receiver took.
        failed: spans that it did not take.
        spooled: spans on disk.
        overflowed: spans that found the queue full.
        late: spans that came after the closing, or were abandoned by it.
    """

    def __init__(self) -> None:
        self.exported = 0
        self.failed = 0
        self.spooled = 0
        self.overflowed = 0
        self.late = 0
        self._failed_by_kind: Counter[str] = Counter()
        self._discarded: Counter[str] = Counter()
        self._told = 0
        self._tell_at = 0.0

    @property
    def finished(self) -> int:
        """The spans that are delivered or lost, but for those that no exporter ever saw."""
        return self.exported + self.lost

    @property
    def lost(self) -> int:
        """The spans among the finished ones that were not delivered."""
        return self.failed + sum(self._discarded.values())

    def settle(self, exported: int, failed: int, kind: str, dropped: Mapping[str, int]) -> None:
        """Count what became of spans; the failed ones by kind, the dropped ones by reason."""
        self.exported += exported
        self.failed += failed
        if failed:
            self._failed_by_kind[kind] += failed
        self._discarded.update(dropped)

    def overflow(self, now: float) -> None:
        """Count a span that found the queue full."""
        if self._told == self.overflowed:
            self._tell_at = max(self._tell_at, now)
        self.overflowed += 1

    def take_notice(self, now: float, overdue: float) -> int:
        """Give the overflowed spans that are to be told of now, and take them as told."""
        untold = self.overflowed - self._told
        if untold == 0 or now < self._tell_at + overdue:
            return 0
        self._told = self.overflowed
        self._tell_at = now + NOTICE_INTERVAL
        return untold

    def counts(self, *, exporting: int, waiting: int, forgotten: int) -> Counts:
        """Give all counts.

        Args:
            exporting: spans that are on their way.
            waiting: spans that are to be exported.
            forgotten: spans that came when nobody was there any more to export them.
        """
        return Counts(
            exported=self.exported,
            failed=self.failed,
            overflowed=self.overflowed,
            late=self.late + forgotten,
            exporting=exporting,
            waiting=waiting,
            failed_by_kind=dict(self._failed_by_kind),
            spooled=self.spooled,
            discarded=dict(self._discarded),
        )
