"""What stands between a queue and its guard where spans are kept on disk.

While nothing is on disk, a batch goes straight to the guard. What it cannot deliver for a reason
that may pass goes to disk, and so does all that comes after, until the oldest has been delivered:
the order stays. One batch at a time is tried, after longer and longer waits.

An export may take its whole timeout. Meanwhile a thread of the spool, the mover, takes from the
queue what would soon have no room there, and puts the batch that is being exported on disk too
when it takes long, so that the end of the process does not lose it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from opentelemetry.sdk.trace import ReadableSpan

from bentotrace.pipeline.guard import Delivery, Guard
from bentotrace.pipeline.queue import SpanQueue
from bentotrace.pipeline.spool.codec import DamagedBatchError, decode_batch
from bentotrace.pipeline.spool.keeper import Keeper
from bentotrace.pipeline.spool.notices import Notices
from bentotrace.pipeline.spool.store import ANY_NUMBER, Batch, SpoolStore, StoreError
from bentotrace.threads import Signal, make_thread, started_before_patch
from bentotrace.transport.deadline import Deadline
from bentotrace.transport.retry import Backoff

__all__ = ["Spool"]

_LOOK_INTERVAL = 10.0
_WATCH_INTERVAL = 0.05
# A batch whose export takes longer than this is put on disk meanwhile.
_PATIENCE = 1.0
_MAX_RESERVE = 1.0
_JOIN_SECONDS = 1.0
_LAST_SECONDS = 0.2
_HANDOVER_SECONDS = 1.0
# How often the oldest fails before one behind it shows whether it is the receiver's fault.
_SUSPECT_AFTER = 3


class _Hand:
    """A batch that was taken from the queue and is not settled."""

    def __init__(self, number: int, spans: Sequence[ReadableSpan]) -> None:
        self.number = number
        self.spans = spans
        self.on_disk = False
        self.since = time.monotonic()


class Spool:
    """Exports a queue's batches through a guard, and keeps on disk what has to wait.

    Attributes:
        recovered: spans of other processes that the receiver has taken.
    """

    def __init__(
        self,
        guard: Guard,
        make_store: Callable[[], SpoolStore],
        logger: logging.Logger,
        *,
        clock: Callable[[], float] = time.monotonic,
        backoff: Backoff | None = None,
    ) -> None:
        self._guard = guard
        self._make_store = make_store
        self._clock = clock
        self._backoff = backoff or Backoff(first=1.0, longest=30.0)
        self._stores: list[SpoolStore] = []
        self._logger = logger
        self.restart()

    def restart(self) -> None:
        """Begin anew, in a forked child too; what is on disk stays its owner's."""
        # A child must not close what SQLite opened in its parent, so that not even the collector
        # may have it.
        self._store = self._make_store()
        self._stores.append(self._store)
        self.recovered = 0
        self._notices = Notices(self._store.path, self._logger, self._clock)
        self._keeper = Keeper(self._store, self._notices, self._clock)
        self._changed = threading.Condition()
        self._left = Signal()
        self._mover: threading.Thread | None = None
        self._hand: _Hand | None = None
        self._under_way: int | None = None
        self._failures = 0
        self._retry_at = 0.0
        self._look_at = 0.0
        self._suspect = 0
        self._suspicions = 0
        self._secure_wanted = False
        self._stopping = False
        self._ended = False

    def begin(self, queue: SpanQueue) -> None:
        """Start the mover, where threads can be started, and look for what is there already."""
        # A mover from before the process was patched ends when it is woken.
        while self._mover is not None and not self._ended:
            self._wake_mover()
            self._left.wait_for(lambda: self._mover is None, _WATCH_INTERVAL)
        # A lock that is older than the patch would not keep two greenlets apart.
        self._changed = threading.Condition()
        self._start_mover(queue)
        self._look(queue)

    def wait(self, delay: float) -> float:
        """Give the seconds after which :meth:`export` is due, if no batch is before; not more."""
        now = self._clock()
        due = min(self._look_at, self._retry_at) if self._keeper.backlog else self._look_at
        return min(delay, max(due - now, 0.0))

    def export(self, queue: SpanQueue, spans: Sequence[ReadableSpan]) -> None:
        """Send what is on disk, then these spans, and settle them; keep what cannot be sent.

        Args:
            queue: where they were taken from.
            spans: a batch; empty when only what is on disk is due.
        """
        with self._changed:
            hand = _Hand(self._store.next_number(), spans)
            self._hand = hand if spans else None
            self._changed.notify_all()
        self._look(queue)
        if self._keeper.backlog and self._clock() < self._retry_at and not queue.flushing:
            if spans:
                self._keep_hand(queue, hand)
            return
        # When the end is near, memory comes first.
        put_off = queue.closed and self._keeper.backlog and bool(spans)
        delivered = not put_off and self._send_backlog(queue, before=hand.number)
        if spans and delivered:
            delivered = self._send_hand(queue, hand)
        elif spans:
            self._keep_hand(queue, hand)
        if not delivered:
            queue.refuse_flushes()

    def finish(self, queue: SpanQueue) -> None:
        """Send what is on disk until it cannot be sent, or :meth:`secure` says that time is up."""
        if self._clock() >= self._retry_at:
            self._send_backlog(queue)
        self.end()
        if queue.spooled:
            self._notices.left(queue.spooled)

    def secure(self, queue: SpanQueue, deadline: Deadline, *, last: bool) -> None:
        """Put all that is in memory on disk, no longer than the deadline.

        Args:
            queue: where it waits.
            deadline: when it must have been done.
            last: whether nothing more is to be sent after that.
        """
        self._stopping = self._stopping or last
        if self._mover is None or not self._mover.is_alive():
            self._move_all(queue)
        # The disk may hang, and the mover with it.
        elif self._changed.acquire(timeout=deadline.remaining()):
            try:
                self._secure_wanted = True
                self._changed.notify_all()
                self._changed.wait_for(lambda: not self._secure_wanted, deadline.remaining())
            finally:
                self._changed.release()

    @staticmethod
    def reserve(timeout: float) -> float:
        """Give the part of a timeout, in seconds, that :meth:`secure` is left."""
        return min(_MAX_RESERVE, timeout / 2)

    def end(self) -> None:
        """End the mover, and leave what is on disk to others."""
        with self._changed:
            self._stopping = self._ended = True
            self._changed.notify_all()
        if self._mover is not None and self._mover is not threading.current_thread():
            self._mover.join(_JOIN_SECONDS)
        self._store.close()

    def abandon(self) -> None:
        """Do what :meth:`end` does, and hardly wait: the exporter hangs, or the disk."""
        self._stopping = self._ended = True
        if self._mover is None or not self._mover.is_alive():
            self._store.close()
        elif self._wake_mover():
            self._mover.join(_LAST_SECONDS)

    def _wake_mover(self) -> bool:
        """Let the mover look again, unless somebody holds the lock."""
        if not self._changed.acquire(blocking=False):
            return False
        self._changed.notify_all()
        self._changed.release()
        return True

    def _start_mover(self, queue: SpanQueue) -> None:
        mover = make_thread(lambda: self._move(queue), f"bentotrace-{self._guard.name}-spool")
        self._mover = mover
        try:
            mover.start()
        except (RuntimeError, MemoryError):
            self._mover = None

    def _send_backlog(self, queue: SpanQueue, before: int = ANY_NUMBER) -> bool:
        """Send what is on disk, the oldest first; True when there is nothing more before."""
        if not self._keeper.backlog:
            return True
        try:
            with self._changed:
                self._keeper.settle_others(queue)
            while not self._stopping:
                batch = self._store.oldest(before)
                if batch is None:
                    with self._changed:
                        self._keeper.rest(queue)
                    return True
                if not self._send_oldest(queue, batch, before):
                    self._postpone()
                    return False
        except StoreError as error:
            self._notices.unusable(str(error))
            self._postpone()
        return False

    def _send_oldest(self, queue: SpanQueue, batch: Batch, before: int) -> bool:
        """Send a batch; when it fails again and again, find out whether it is the batch's fault.

        It is given up when the receiver takes the one behind it, and then still not this one.
        """
        if self._send_stored(queue, batch):
            return True
        self._suspicions = self._suspicions + 1 if batch.number == self._suspect else 1
        self._suspect = batch.number
        if self._suspicions < _SUSPECT_AFTER or self._stopping:
            return False
        behind = self._store.oldest(before, after=batch.number)
        if behind is None or not self._send_stored(queue, behind):
            return False
        return self._send_stored(queue, batch, keep=False)

    def _send_stored(self, queue: SpanQueue, batch: Batch, *, keep: bool = True) -> bool:
        """Send a batch that is on disk; False when it stays there."""
        try:
            spans = decode_batch(batch.content)
        except DamagedBatchError as error:
            with self._changed:
                self._keeper.drop_damaged(queue, batch, str(error))
            return True
        delivery = self._deliver(batch.number, spans, keep=keep)
        if delivery.kept:
            return False
        with self._changed:
            removed = self._keeper.remove(batch.number)
        if batch.recovered:
            self.recovered += delivery.exported
        elif removed:
            queue.settle_spooled(
                delivery.exported, delivery.failed, delivery.kind, dropped=delivery.dropped
            )
        return True

    def _send_hand(self, queue: SpanQueue, hand: _Hand) -> bool:
        """Send the batch that was taken from the queue; False when it has to wait."""
        delivery = self._deliver(hand.number, hand.spans, keep=True)
        if delivery.kept:
            self._postpone()
            self._keep_hand(queue, hand, failure=delivery.kind)
            return False
        self._settle_hand(queue, hand, delivery)
        return True

    def _settle_hand(self, queue: SpanQueue, hand: _Hand, delivery: Delivery) -> None:
        with self._changed:
            self._hand = None
            if not hand.on_disk:
                queue.settle(
                    delivery.exported, delivery.failed, delivery.kind, dropped=delivery.dropped
                )
            elif self._keeper.remove(hand.number):
                queue.settle_spooled(
                    delivery.exported, delivery.failed, delivery.kind, dropped=delivery.dropped
                )

    def _keep_hand(self, queue: SpanQueue, hand: _Hand, *, failure: str | None = None) -> None:
        """Put the batch in hand on disk; where that cannot be, do as if there were no spool.

        Args:
            queue: where it was taken from.
            hand: the batch.
            failure: the kind of the error when it was tried; None when it was not.
        """
        with self._changed:
            if self._hold(queue):
                self._hand = None
                return
        if failure is None:
            delivery = self._deliver(hand.number, hand.spans, keep=False)
        else:
            delivery = Delivery(0, len(hand.spans), failure)
        self._settle_hand(queue, hand, delivery)

    def _deliver(self, number: int, spans: Sequence[ReadableSpan], *, keep: bool) -> Delivery:
        with self._changed:
            self._under_way = number
            self._changed.notify_all()
        delivery = self._guard.export(spans, keep=keep)
        with self._changed:
            self._under_way = None
        if keep and not delivery.kept:
            self._failures = 0
            self._retry_at = 0.0
        return delivery

    def _postpone(self) -> None:
        self._failures += 1
        self._retry_at = self._clock() + self._backoff.wait_after(self._failures)

    def _look(self, queue: SpanQueue) -> None:
        """Look now and then for what other processes left."""
        now = self._clock()
        if now >= self._look_at:
            self._look_at = now + _LOOK_INTERVAL
            with self._changed:
                self._keeper.adopt(queue)

    def _hold(self, queue: SpanQueue) -> bool:
        """Put the batch in hand on disk, if there is one that is not."""
        hand = self._hand
        if hand is None or hand.on_disk:
            return True
        hand.on_disk = self._keeper.append(queue, hand.number, hand.spans, spared=self._under_way)
        if hand.on_disk:
            queue.settle(0, 0, spooled=len(hand.spans))
        return hand.on_disk

    def _move_one(self, queue: SpanQueue) -> bool:
        """Put a batch from the queue on disk; False when there is none, or it cannot be kept."""
        with self._changed:
            handover = Deadline.after(_HANDOVER_SECONDS)
            number = self._store.next_number()
            while (spans := queue.move(taken_known=self._hand is not None)) is None:
                if handover.remaining() == 0 or started_before_patch():
                    return False
                self._changed.wait(_WATCH_INTERVAL)
                number = self._store.next_number()
            if not spans:
                return False
            kept = self._keeper.append(queue, number, spans, spared=self._under_way)
            queue.end_move(spans, kept=kept)
            return kept

    def _move_all(self, queue: SpanQueue) -> None:
        with self._changed:
            while self._move_one(queue):
                continue
            self._hold(queue)

    def _move(self, queue: SpanQueue) -> None:
        """Do what the mover does, until the end."""
        self._look_after(queue)
        if started_before_patch() and not self._ended:
            self._mover = None
            self._left.notify()
        else:
            self._store.close()

    def _look_after(self, queue: SpanQueue) -> None:
        with self._changed:
            while not (self._ended or started_before_patch()):
                if self._secure_wanted:
                    self._move_all(queue)
                    self._secure_wanted = False
                    self._changed.notify_all()
                elif self._hand is None and self._under_way is None:
                    self._changed.wait()
                else:
                    self._watch(queue)

    def _watch(self, queue: SpanQueue) -> None:
        """Look after the queue while the consumer is busy."""
        # First of all it may be done in a moment.
        self._changed.wait(_WATCH_INTERVAL)
        hand = self._hand
        if hand is not None and time.monotonic() - hand.since > _PATIENCE:
            self._hold(queue)
        while queue.crowded and self._move_one(queue):
            if started_before_patch():
                return
            # Lets the consumer go on, which may be done.
            self._changed.wait(0)
