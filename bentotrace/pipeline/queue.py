"""The queue between the spans that end and the exporter, with an exact account of all that came.

A queue belongs to one process. Any thread may put; one thread, the consumer, takes.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from opentelemetry.sdk.trace import ReadableSpan

from bentotrace.pipeline.consumer import Consumer
from bentotrace.pipeline.counts import NOTHING, Counts, Flush
from bentotrace.pipeline.tally import Tally
from bentotrace.threads import Signal
from bentotrace.transport.deadline import Deadline

__all__ = ["SpanQueue"]

_YIELD_EVERY = 64
# Without a moment of sleep, Python up to 3.10 has the interpreter back before another thread wakes
# up. Windows knows no such moment: there 0 lets others go first, and more is milliseconds.
_YIELD_SECONDS = 0 if os.name == "nt" else 1e-6


class SpanQueue:
    """A bounded queue that hands out batches and counts everything.

    ``put`` takes no lock: a thread that ends a span never waits for the consumer, and a signal
    handler or a finalizer may end one at any point. A single append is what makes a span count,
    and the sum of all counts is what has ended. When several threads put at the same instant, the
    queue may be longer than its capacity by one span for each of them.
    """

    def __init__(
        self,
        capacity: int,
        batch: int,
        *,
        closed: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make an empty queue for this process.

        Args:
            capacity: spans that may wait.
            batch: spans that are handed out at once.
            closed: whether it takes no spans from the start.
            clock: tells the seconds between two notices.
        """
        self.pid = os.getpid()
        self._settled = Signal()
        self.consumer = Consumer(self._settled)
        self._spans: deque[ReadableSpan] = deque()
        self._batch = batch
        self._crowd = max(batch, capacity // 2)
        self._clock = clock
        # A closed queue has no room; that way put() has one thing to look at.
        self._room = 0 if closed else capacity
        # Guards the counts. Reentrant, for what interrupts its holder.
        self._lock = threading.RLock()
        self._flushes: deque[Flush] = deque()
        self._exporting = 0
        self._moving = 0
        self._tally = Tally()
        self._closed = closed
        self._drained = closed
        self._ended = closed
        self._abandoned = False

    @property
    def closed(self) -> bool:
        """Whether it takes no more spans."""
        return self._closed

    @property
    def ended(self) -> bool:
        """Whether the consumer has done its work, or was given up."""
        return self._ended

    @property
    def abandoned(self) -> bool:
        """Whether the closing left something behind."""
        return self._abandoned

    @property
    def flushing(self) -> bool:
        """Whether somebody waits for a flush."""
        return bool(self._flushes)

    @property
    def crowded(self) -> bool:
        """Whether so much waits that soon there is no room."""
        return len(self._spans) >= self._crowd

    @property
    def spooled(self) -> int:
        """The spans that lie on disk."""
        return self._tally.spooled

    def put(self, span: ReadableSpan) -> bool:
        """Queue a span, or count it as dropped; never waits for the consumer."""
        spans = self._spans
        if len(spans) >= self._room:
            self._drop()
            return False
        spans.append(span)
        waiting = len(spans)
        if waiting >= self._batch:
            if self.consumer.bell.locked():
                self.consumer.ring()
            if waiting >= self._crowd and not waiting % _YIELD_EVERY:
                # In a busy loop the consumer gets the interpreter every 5 ms only, in which
                # hundreds of spans end. This hands it over now, and waits for nothing.
                # The loop of gevent or eventlet has nobody to hand over to, and raises.
                with suppress(Exception):
                    time.sleep(_YIELD_SECONDS)
        return True

    def put_back(self, taken: Sequence[ReadableSpan]) -> None:
        """Put a batch back that was taken and not delivered, before all others."""
        with self._lock:
            if self._drained:
                # It was abandoned meanwhile and counted.
                return
            self._exporting = 0
            self._spans.extendleft(reversed(taken))

    def take(self, delay: float) -> list[ReadableSpan] | None:
        """Wait until a batch is full, or spans are to be flushed, or ``delay`` seconds passed.

        Returns:
            At most a batch; None when it is closed and empty. :meth:`settle` comes next.

        Raises:
            RetiredError: the calling thread is to end without another look at the queue.
        """
        self.consumer.wait(self._is_due, delay)
        with self._lock:
            if self._drained:
                return None
            size = min(len(self._spans), self._batch)
            if self._flushes:
                # A batch ends with the last span of a flush, whose result is then its own.
                ahead = self._tally.finished + self._moving + self._tally.spooled
                size = max(min(size, self._flushes[0].goal - ahead), 0)
            if size == 0 and self._closed:
                self._drained = True
                return None
            taken = [self._spans.popleft() for _ in range(size)]
            self._exporting = size
            return taken

    def settle(
        self,
        exported: int,
        failed: int,
        kind: str = "",
        *,
        spooled: int = 0,
        dropped: Mapping[str, int] = NOTHING,
    ) -> None:
        """Count what became of the batch that was taken.

        Args:
            exported: spans that the receiver took.
            failed: spans that it did not take.
            kind: the kind of the error that lost them.
            spooled: spans that were put on disk.
            dropped: spans that were withheld from the receiver, by reason.
        """
        with self._lock:
            if self._drained:
                # It was abandoned meanwhile and counted.
                return
            self._exporting = 0
            self._tally.spooled += spooled
            self._tally.settle(exported, failed, kind, dropped)
            self._end_flushes()

    def move(self, *, taken_known: bool) -> list[ReadableSpan] | None:
        """Take a batch from under a consumer that is held up, to put it on disk.

        Args:
            taken_known: whether the caller knows of the batch that the consumer has taken.

        Returns:
            At most a batch, and :meth:`end_move` comes next; None when the consumer has just taken
            one that is not known yet, and is older.
        """
        with self._lock:
            if self._drained:
                return []
            if self._exporting and not taken_known:
                return None
            moved = [self._spans.popleft() for _ in range(min(len(self._spans), self._batch))]
            self._moving = len(moved)
            return moved

    def end_move(self, moved: Sequence[ReadableSpan], *, kept: bool) -> None:
        """Count what was moved as spooled, or put it back when it could not be kept."""
        with self._lock:
            if self._drained:
                # What is not on disk was abandoned meanwhile and counted.
                if kept:
                    self._tally.late -= len(moved)
                    self._tally.spooled += len(moved)
                return
            self._moving = 0
            if kept:
                self._tally.spooled += len(moved)
            else:
                self._spans.extendleft(reversed(moved))

    def settle_spooled(
        self,
        exported: int,
        failed: int,
        kind: str = "",
        *,
        dropped: Mapping[str, int] = NOTHING,
    ) -> None:
        """Count what became of spans on disk; the dropped ones by reason."""
        with self._lock:
            self._tally.spooled -= exported + failed + sum(dropped.values())
            self._tally.settle(exported, failed, kind, dropped)
            self._end_flushes()

    def refuse_flushes(self) -> None:
        """Tell those who wait for a flush that it is not going to be, for now."""
        with self._lock:
            for flush in self._flushes:
                flush.taken = False
            self._flushes.clear()
        self._settled.notify()

    def flush(self) -> Flush:
        """Ask for the export of what is queued now, without waiting for other spans."""
        with self._lock:
            waiting = 0 if self._drained else self._exporting + self._moving + len(self._spans)
            waiting += self._tally.spooled
            goal, lost = self._tally.finished + waiting, self._tally.lost
            last = self._flushes[-1] if self._flushes else None
            if last is not None and (last.goal, last.lost) == (goal, lost):
                return last
            flush = Flush(goal, lost, None if waiting else True, self._settled)
            if waiting and self._drained:
                flush.taken = False
            elif waiting:
                self._flushes.append(flush)
                self.consumer.ring()
            return flush

    def close(self) -> None:
        """Take no more spans, and hand out the rest without delay."""
        with self._lock:
            self._closed = True
            self._room = 0
            self.consumer.ring()

    def end(self) -> None:
        """Say that the consumer has done its work."""
        with self._lock:
            self._drained = True
            self._ended = True
        self._settled.notify()

    def wait_ended(self, timeout: float) -> bool:
        """Wait for the consumer's :meth:`end`, and for its thread, at most ``timeout`` seconds."""
        deadline = Deadline.after(timeout)
        if not self._settled.wait_for(lambda: self._ended, timeout):
            return False
        if not self._abandoned:
            self.consumer.join(deadline.remaining())
        return True

    def abandon(self) -> int | None:
        """Give up on what is not settled yet.

        Returns:
            How many spans that are; None when the consumer has ended, or was given up already.
        """
        with self._lock:
            if self._ended:
                return None
            lost = 0
            if not self._drained:
                lost = self._exporting + self._moving
                self._exporting = self._moving = 0
                while self._spans:
                    self._spans.popleft()
                    lost += 1
                self._tally.late += lost
            self.refuse_flushes()
            self._abandoned = True
            self.end()
            return lost

    def counts(self) -> Counts:
        """Count, at one moment."""
        with self._lock:
            waiting = len(self._spans)
            # A thread may have been about to put while the last batch was taken.
            forgotten = waiting if self._drained else 0
            return self._tally.counts(
                exporting=self._exporting + self._moving,
                waiting=waiting - forgotten,
                forgotten=forgotten,
            )

    def take_notice(self, overdue: float = 0.0) -> int:
        """Find out how many dropped spans there are to tell of, and take them as told.

        The first are to be told at once, and from then on once a minute.

        Args:
            overdue: seconds for which they must have been left untold.

        Returns:
            Spans that were dropped from the full queue since the last notice; 0 when there are
            none, or it is too early.
        """
        with self._lock:
            return self._tally.take_notice(self._clock(), overdue)

    def _end_flushes(self) -> None:
        finished = self._tally.finished
        while self._flushes and self._flushes[0].goal <= finished:
            flush = self._flushes.popleft()
            flush.taken = self._tally.lost == flush.lost
        self._settled.notify()

    def _drop(self) -> None:
        with self._lock:
            if self._closed:
                self._tally.late += 1
            else:
                self._tally.overflow(self._clock())

    def _is_due(self) -> bool:
        return self._closed or bool(self._flushes) or len(self._spans) >= self._batch
