"""The queue between ended spans and the exporter, with an exact account of every span.

A queue belongs to one process. Any thread may put; one thread, the consumer, takes.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from opentelemetry.sdk.trace import ReadableSpan

from bentotrace.deadline import Deadline
from bentotrace.delivery.accounting import Accounting, BatchResult, Counts, Flush
from bentotrace.delivery.consumer import Consumer
from bentotrace.delivery.pace import Pace
from bentotrace.interruptions import Lock, locked
from bentotrace.threads import Signal

__all__ = ["SpanQueue"]


class SpanQueue:
    """A bounded queue that returns batches and counts every span.

    ``put`` takes no lock, and a signal handler or a finalizer may end a span at any point. While
    the receiver accepts spans, a thread that finds the queue crowded lets the consumer run, see
    :class:`~bentotrace.delivery.pace.Pace`. When several threads put at the same instant, the queue
    may exceed its capacity by one span for each of them. An exception that a signal handler
    raises in any method leaves the account exact and nothing locked.

    Attributes:
        pid: the process that it belongs to.
        consumer: the thread that takes.
        closed: whether it accepts no more spans.
        ended: whether the consumer is done, or was abandoned.
        abandoned: whether spans or the consumer were abandoned.
    """

    def __init__(
        self,
        capacity: int,
        batch: int,
        *,
        closed: bool = False,
        clock: Callable[[], float] = time.monotonic,
        pace: Pace | None = None,
    ) -> None:
        """Create a queue of this process for ``capacity`` spans, and batches of ``batch``."""
        self.pid = os.getpid()
        self._settled = Signal()
        self.consumer = Consumer(self._settled)
        self._spans: deque[ReadableSpan] = deque()
        self._capacity = capacity
        self._batch = batch
        self._clock = clock
        self._pace = pace or Pace()
        # From this length on, put() looks further; 0 in a closed queue.
        self._free = 0 if closed else capacity // 2
        self._lock = Lock()
        self._flushes: deque[Flush] = deque()
        self._attempts = 0
        self._exporting = 0
        self._moving = 0
        self._account = Accounting()
        self.closed = closed
        self._drained = closed
        self.ended = closed
        self.abandoned = False

    @property
    def flushing(self) -> bool:
        """Whether a flush is pending."""
        return bool(self._flushes)

    @property
    def crowded(self) -> bool:
        """Whether the queue is nearly full."""
        return len(self._spans) >= max(self._batch, self._capacity // 2)

    @property
    def kept(self) -> int:
        """The spans that are kept for another attempt."""
        return self._account.kept

    def put(self, span: ReadableSpan) -> bool:
        """Queue a span, or count it as dropped and return False."""
        spans = self._spans
        if len(spans) >= self._free and not self._make_room():
            self._drop()
            return False
        spans.append(span)
        if len(spans) >= self._batch and self.consumer.bell.locked():
            self.consumer.ring()
        return True

    def drop_unqueued(self) -> None:
        """Count a span that could not be put, for lack of memory."""
        self._drop()

    @locked
    def put_back(self, taken: Sequence[ReadableSpan]) -> None:
        """Put a batch that was not delivered back at the front."""
        if not self._drained:
            self._exporting = 0
            self._spans.extendleft(reversed(taken))

    def take(self, delay: float) -> list[ReadableSpan] | None:
        """Wait until a batch is full, a flush is pending, or ``delay`` seconds passed.

        Returns:
            At most a batch, for :meth:`settle`; None when the queue is closed and empty.

        Raises:
            RetiredError: the calling thread must end.
        """
        self.consumer.wait(self._is_due, delay)
        return self._take()

    @locked
    def _take(self) -> list[ReadableSpan] | None:
        if self._drained:
            return None
        size = min(len(self._spans), self._batch)
        if self._flushes:
            # A batch ends with the last span of a flush, so that later spans do not change
            # the result of the flush.
            ahead = self._account.finished + self._moving + self._account.kept
            size = max(min(size, self._flushes[0].goal - ahead), 0)
        if size == 0 and self.closed:
            self._drained = True
            return None
        if size:
            self._pace.begin_export()
        taken = [self._spans.popleft() for _ in range(size)]
        self._exporting = size
        return taken

    @locked
    def settle(self, result: BatchResult) -> None:
        """Count the result of the batch that was taken."""
        if not self._drained:
            self._exporting = 0
            self._pace.end_export(not (result.lost or result.kept))
            self._account.settle(result)
            self._end_flushes()

    @locked
    def fail_taken(self, kind: str) -> int:
        """Count the batch that was taken, if it is not settled, as failed; return its spans."""
        spans = 0 if self._drained else self._exporting
        if spans:
            self.settle(BatchResult(failed={kind: spans}))
        return spans

    @locked
    def settle_kept(self, result: BatchResult) -> None:
        """Count the result of spans that were kept."""
        if result.exported:
            self._pace.end_export(delivered=True)
        self._account.kept -= result.exported + result.lost
        self._account.settle(result)
        self._end_flushes()

    @locked
    def move(self, *, taken_known: bool) -> list[ReadableSpan] | None:
        """Take a batch in order to keep it, while the consumer is blocked.

        Args:
            taken_known: whether the caller knows the batch that the consumer has taken.

        Returns:
            At most a batch, for :meth:`end_move`; None when the consumer has just taken an older
            batch that the caller does not know yet.
        """
        if self._drained:
            return []
        if self._exporting and not taken_known:
            return None
        moved = [self._spans.popleft() for _ in range(min(len(self._spans), self._batch))]
        self._moving = len(moved)
        return moved

    @locked
    def end_move(self, moved: Sequence[ReadableSpan], result: BatchResult | None) -> None:
        """Count a moved batch, or put it back if there is no result."""
        self._moving = 0
        if result is None:
            self._spans.extendleft(reversed(moved))
        else:
            self._account.settle(result)
            if not self._drained:
                self._end_flushes()

    @locked
    def begin_attempt(self) -> None:
        """Record that an attempt to send all spans begins."""
        self._attempts += 1

    @locked
    def refuse_flushes(self) -> None:
        """End the flushes that were requested before the last attempt began, as failed."""
        self._refuse_flushes(self._attempts)

    def _refuse_flushes(self, before: int) -> None:
        while self._flushes and self._flushes[0].attempts < before:
            self._flushes[0].taken = False
            self._flushes.popleft()
        self._settled.notify()

    @locked
    def flush(self) -> Flush:
        """Request the export of all queued spans now."""
        # In the way of a span, so that none is missed if a signal handler lets the consumer run.
        waiting = self._waiting()
        goal, lost = self._account.finished + waiting, self._account.lost
        flush = Flush(goal, lost, self._attempts, None, self._settled)
        last = self._flushes[-1] if self._flushes else None
        if last is not None and last.is_same(flush):
            return last
        self._flushes.append(flush)
        if not self._waiting():
            self._end_flushes()
        elif self._drained:
            self._refuse_flushes(self._attempts + 1)
        else:
            self.consumer.ring()
        return flush

    @locked
    def close(self) -> None:
        """Accept no more spans, and return the rest without delay."""
        self.closed = True
        self._free = 0
        self.consumer.ring()

    @locked
    def end(self) -> None:
        """Mark the consumer as done."""
        self._drained = True
        self.ended = True
        self._settled.notify()

    def wait_ended(self, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds for the consumer's :meth:`end`, and for its thread."""
        deadline = Deadline.after(timeout)
        if not self._settled.wait_for(lambda: self.ended, timeout):
            return False
        if not self.abandoned:
            self.consumer.join(deadline.remaining())
        return True

    @locked
    def abandon(self) -> int | None:
        """Abandon all spans that are not settled, and return their number.

        Returns:
            None when the consumer has ended or was abandoned before.
        """
        if self.ended:
            return None
        lost = 0 if self._drained else self._exporting + self._moving + len(self._spans)
        # From now on, they all count as late.
        self._drained = True
        self._refuse_flushes(self._attempts + 1)
        self.abandoned = True
        self.end()
        return lost

    @locked
    def counts(self) -> Counts:
        """Return all counts, of one moment."""
        exporting, waiting = self._exporting + self._moving, len(self._spans)
        # Abandoned, or put while the last batch was taken.
        forgotten = exporting + waiting if self._drained else 0
        return self._account.counts(
            exporting=0 if self._drained else exporting,
            waiting=0 if self._drained else waiting,
            forgotten=forgotten,
        )

    @locked
    def take_unreported(self, overdue: float = 0.0) -> int:
        """Return the number of dropped spans to report now, and count them as reported.

        A report is due at the first drop, then once a minute; ``overdue`` seconds are added.
        """
        return self._account.take_unreported(self._clock(), overdue)

    def _make_room(self) -> bool:
        """Let the consumer run if that helps; return whether there is room."""
        spans, thread = self._spans, self.consumer.thread
        if self.closed:
            return False
        busy = self._exporting or len(spans) >= self._batch
        # The exporting thread would wait for itself.
        if busy and thread is not None and thread is not threading.current_thread():
            self._pace.wait(lambda: -1.0 if self.closed else 2 * len(spans) / self._capacity - 1)
        return not self.closed and len(spans) < self._capacity

    def _waiting(self) -> int:
        """Return the spans that are not settled."""
        waiting = 0 if self._drained else len(self._spans) + self._exporting + self._moving
        return waiting + self._account.kept

    def _end_flushes(self) -> None:
        finished, idle = self._account.finished, not self._waiting()
        while self._flushes and (idle or self._flushes[0].goal <= finished):
            flush = self._flushes.popleft()
            flush.taken = self._account.lost == flush.lost
        self._settled.notify()

    @locked
    def _drop(self) -> None:
        if self.closed:
            self._account.late += 1
        else:
            self._account.overflow(self._clock())

    def _is_due(self) -> bool:
        return self.closed or bool(self._flushes) or len(self._spans) >= self._batch
