"""How long a thread that ends a span may wait in a crowded queue."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from bentotrace.interruptions import unlocked
from bentotrace.threads import pause

__all__ = ["Pace"]

# With a sleep of 0, Python up to 3.10 takes the interpreter back before another thread wakes up.
# On Windows, 0 lets others run first, and anything longer takes milliseconds.
_YIELD_SECONDS = 0 if os.name == "nt" else 1e-6
# The wait in a full queue. An event loop should not stand still for longer than 5 ms.
_LONGEST_SECONDS = 0.004
# The same while nothing is known of the receiver, before the first export has ended.
_FIRST_SECONDS = 0.001
# An export that takes longer is not waited for; the first one may be to a receiver that is down.
_PATIENCE = 1.0
_FIRST_PATIENCE = 0.25


class Pace:
    """Slows producers down to what the receiver accepts, and never while exports fail.

    In a busy loop the exporting thread gets the interpreter every 5 ms only, and hundreds of spans
    end meanwhile; with 16 busy threads, thousands. A producer that finds the queue half full yields
    the interpreter, and sleeps the longer the fuller the queue is, up to 4 ms.
    """

    def __init__(
        self,
        *,
        max_wait: float = 0.0,
        is_failing: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start without knowing the receiver.

        Args:
            max_wait: seconds without a delivered batch for which a full queue is waited for,
                whatever the receiver does.
            is_failing: whether an attempt of the running export has failed.
            clock: seconds.
        """
        self._max_wait = max_wait
        self._is_failing = is_failing
        self._clock = clock
        self._delivers: bool | None = None
        self._exporting_since: float | None = None
        self._stuck_since: float | None = None

    def begin_export(self) -> None:
        """Record that a batch was taken."""
        self._exporting_since = self._clock()

    def end_export(self, delivered: bool) -> None:
        """Record the result of a batch."""
        self._exporting_since = None
        self._delivers = delivered
        if delivered:
            self._stuck_since = None

    def wait(self, fill: Callable[[], float]) -> None:
        """Wait in a crowded queue; ``fill`` returns from 0, half full, to 1, full, or below."""
        if self._is_delivering():
            longest = _LONGEST_SECONDS if self._delivers else _FIRST_SECONDS
            pause(max(_YIELD_SECONDS, longest * max(fill(), 0.0) ** 2))
        if not self._max_wait or fill() < 1:
            return
        now = self._clock()
        stuck_since = self._stuck_since = self._stuck_since or now
        with unlocked():
            while fill() >= 1 and self._clock() - stuck_since < self._max_wait:
                if not pause(_LONGEST_SECONDS):
                    return
                stuck_since = self._stuck_since or self._clock()

    def _is_delivering(self) -> bool:
        if self._delivers is False or self._is_failing():
            return False
        since = self._exporting_since
        patience = _PATIENCE if self._delivers else _FIRST_PATIENCE
        return since is None or self._clock() - since < patience
