"""What a queue tells of its spans: how many there are of each fate, and whether a flush is done."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from bentotrace.threads import Signal

__all__ = ["NOTHING", "Counts", "Flush"]

NOTHING: Mapping[str, int] = MappingProxyType({})
"""No span, by reason or by kind."""


class Counts(NamedTuple):
    """What became of the spans that were put, at one moment.

    Attributes:
        exported: the receiver took them.
        failed: they were tried, and not taken.
        overflowed: the queue was full.
        late: they came after the closing, or were abandoned by it.
        exporting: they are being exported.
        waiting: they are to be exported.
        failed_by_kind: those that failed, by the kind of the error.
        spooled: they lie on disk.
        discarded: they were lost on disk, or withheld by an extension, by reason.
    """

    exported: int = 0
    failed: int = 0
    overflowed: int = 0
    late: int = 0
    exporting: int = 0
    waiting: int = 0
    failed_by_kind: Mapping[str, int] = NOTHING
    spooled: int = 0
    discarded: Mapping[str, int] = NOTHING

    @property
    def pending(self) -> int:
        """Those that are neither delivered nor lost yet."""
        return self.exporting + self.waiting + self.spooled

    @property
    def dropped(self) -> int:
        """All that never reached an exporter, or were lost before they reached it again."""
        return self.overflowed + self.late + sum(self.discarded.values())

    @property
    def ended(self) -> int:
        """All that were put."""
        return self.exported + self.failed + self.dropped + self.pending


class Flush:
    """What became of the spans that were queued at one moment.

    Attributes:
        goal: how many spans are settled when the last of them is.
        lost: how many had been lost before.
        taken: whether the receiver took them all; None while some are on their way.
    """

    def __init__(self, goal: int, lost: int, taken: bool | None, settled: Signal) -> None:
        self.goal = goal
        self.lost = lost
        self.taken = taken
        self._settled = settled

    def wait(self, timeout: float) -> bool:
        """Wait, at most ``timeout`` seconds; True when all of them were taken."""
        self._settled.wait_for(lambda: self.taken is not None, timeout)
        return self.taken is True
