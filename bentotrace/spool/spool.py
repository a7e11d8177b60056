"""The buffer that keeps spans on disk until a receiver accepts them.

While the disk has no spans, a batch goes to the guard. A batch that fails for a temporary reason is
stored, and so are all later ones until the oldest is delivered, which keeps the order. Batches are
retried one at a time with a growing delay.

During a long export another thread, the mover, stores spans from a queue that is nearly full, and
the batch that is being exported, so that the end of the process does not lose them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from opentelemetry.sdk.trace import ReadableSpan

from bentotrace.deadline import Deadline
from bentotrace.delivery.accounting import BatchResult
from bentotrace.delivery.buffer import Buffer
from bentotrace.delivery.guard import Guard
from bentotrace.delivery.health import pluralize
from bentotrace.delivery.queue import SpanQueue
from bentotrace.interruptions import held_lock, release
from bentotrace.spool.codec import DamagedBatchError
from bentotrace.spool.ledger import Ledger, SpoolLog
from bentotrace.spool.row import Batch
from bentotrace.spool.store import ANY_NUMBER, SpoolStore, StoreError
from bentotrace.threads import Signal, make_thread, started_before_patch, threading_state
from bentotrace.transport.retry import Backoff

__all__ = ["Spool"]

_ADOPT_INTERVAL = 10.0
_POLL_INTERVAL = 0.05
# A batch whose export takes longer is stored meanwhile.
_PATIENCE = 1.0
_MAX_RESERVE = 1.0
_JOIN_SECONDS = 1.0
_LAST_SECONDS = 0.2
_HANDOVER_SECONDS = 1.0
# Failures of the oldest batch before the next one is tried, to compare.
_SUSPECT_AFTER = 3


class _Current:
    """A batch that was taken from the queue and is not settled."""

    def __init__(self, number: int, spans: Sequence[ReadableSpan]) -> None:
        self.number = number
        self.spans = spans
        self.on_disk = False
        self.since = time.monotonic()


class Spool(Buffer):
    """Exports a queue's batches, and keeps failed ones on disk."""

    def __init__(
        self,
        guard: Guard,
        make_store: Callable[[], SpoolStore],
        logger: logging.Logger,
        *,
        clock: Callable[[], float] = time.monotonic,
        backoff: Backoff | None = None,
    ) -> None:
        super().__init__(guard)
        self._make_store = make_store
        self._clock = clock
        self._backoff = backoff or Backoff(first=1.0, longest=30.0)
        self._stores: list[SpoolStore] = []
        self._logger = logger
        self.restart()

    def restart(self) -> None:
        """Reset, at first and in a forked child; batches on disk stay their owner's."""
        # A child must not close a connection of its parent, so it is never garbage collected.
        self._store = self._make_store()
        self._stores.append(self._store)
        self.recovered = 0
        self._log = SpoolLog(self._store.path, self._logger, self._clock)
        self._ledger = Ledger(self._store, self._log, self._clock)
        # For the threads of this package only: others may be interrupted while they hold it.
        self._changed = threading.Condition()
        self._left = Signal()
        self._secured = Signal()
        self._bell = held_lock()
        self._mover: threading.Thread | None = None
        self._mover_state: object = None
        self._current: _Current | None = None
        self._exporting: int | None = None
        self._failures = 0
        self._retry_at = self._adopt_at = 0.0
        self._suspect = self._suspicions = 0
        self._secure_wanted = self._stopping = self._ended = False

    def begin(self, queue: SpanQueue) -> None:
        """Start the mover, if threads can be started, and adopt existing batches."""
        # That of an exporting thread that raised goes on.
        if self._mover is None or self._mover_state is not threading_state():
            # A mover that is older than a patch of the process ends when it is woken.
            while self._mover is not None and not self._ended:
                release(self._bell)
                self._left.wait_for(lambda: self._mover is None, _POLL_INTERVAL)
            # A lock that is older than the patch does not exclude greenlets.
            self._changed = threading.Condition()
            self._bell = held_lock()
            self._start_mover(queue)
        self._adopt_others(queue)

    def wait(self, delay: float) -> float:
        """Return the seconds until :meth:`export` is due without a batch; at most ``delay``."""
        now = self._clock()
        due = min(self._adopt_at, self._retry_at) if self._ledger.backlog else self._adopt_at
        return min(delay, max(due - now, 0.0))

    def export(self, queue: SpanQueue, spans: Sequence[ReadableSpan]) -> None:
        """Send batches from disk, then this one, which may be empty; store what fails."""
        queue.begin_attempt()
        with self._changed:
            current = _Current(self._store.next_number(), spans)
            self._current = current if spans else None
            self._notify_mover()
        self._adopt_others(queue)
        if self._ledger.backlog and self._clock() < self._retry_at and not queue.flushing:
            if spans:
                self._keep_current(queue, current)
            return
        # During shutdown, storing this batch is more urgent than sending old ones.
        postponed = queue.closed and self._ledger.backlog and bool(spans)
        last = current.number - 1 if spans else ANY_NUMBER
        delivered = not postponed and self._send_backlog(queue, last=last)
        if spans and delivered:
            delivered = self._send_current(queue, current)
        elif spans:
            self._keep_current(queue, current)
        if not delivered:
            queue.refuse_flushes()

    def finish(self, queue: SpanQueue) -> None:
        """Send batches from disk until an export fails, or :meth:`secure` is called; then end."""
        if self._clock() >= self._retry_at:
            self._send_backlog(queue)
        with self._changed:
            self._ledger.remove_settled()
            self._stopping = self._ended = True
            self._notify_mover()
        if self._mover is not None and self._mover is not threading.current_thread():
            self._mover.join(_JOIN_SECONDS)
        self._store.close()
        if queue.kept:
            self._log.log(
                logging.WARNING,
                "this process leaves %s in spool %s; the next process with this configuration "
                "sends them",
                pluralize(queue.kept, "span"),
                self._store.path,
            )

    def secure(self, queue: SpanQueue, deadline: Deadline, *, last: bool) -> None:
        """Store all spans in memory before the deadline."""
        self._stopping = self._stopping or last
        if self._mover is None or not self._mover.is_alive():
            self._move_all(queue)
        else:
            self._secure_wanted = True
            release(self._bell)
            # The disk may hang, and the mover with it.
            self._secured.wait_for(lambda: not self._secure_wanted, deadline.remaining())

    def reserve(self, timeout: float) -> float:
        """Return the seconds of a timeout that :meth:`secure` needs."""
        return min(_MAX_RESERVE, timeout / 2)

    def abandon(self) -> None:
        """End almost without waiting, because the exporter or the disk hangs."""
        self._stopping = self._ended = True
        if self._mover is None or not self._mover.is_alive():
            self._store.close()
        else:
            release(self._bell)
            self._mover.join(_LAST_SECONDS)

    def forget(self) -> None:
        """Forget the batch whose export raised."""
        with self._changed:
            self._current = self._exporting = None

    def _notify_mover(self) -> None:
        """Wake the mover; the caller holds the lock."""
        self._changed.notify_all()
        release(self._bell)

    def _start_mover(self, queue: SpanQueue) -> None:
        mover = make_thread(lambda: self._move(queue), f"bentotrace-{self._guard.name}-spool")
        self._mover, self._mover_state = mover, threading_state()
        try:
            mover.start()
        except (RuntimeError, MemoryError):
            self._mover = None

    def _send_backlog(self, queue: SpanQueue, last: int = ANY_NUMBER) -> bool:
        """Send batches from disk, oldest first; True when none up to ``last`` remains."""
        if not self._ledger.backlog:
            return True
        try:
            with self._changed:
                self._ledger.settle_others(queue)
            while not self._stopping:
                batch = self._ledger.oldest(last)
                if batch is None:
                    with self._changed:
                        self._ledger.close_if_empty(queue)
                    return True
                if not self._send_oldest(queue, batch, last):
                    self._postpone()
                    return False
        except StoreError as error:
            self._log.unusable(str(error))
            self._postpone()
        return False

    def _send_oldest(self, queue: SpanQueue, batch: Batch, last: int) -> bool:
        """Send a batch; drop it if it keeps failing although the receiver accepts the next one."""
        if self._send_stored(queue, batch):
            return True
        self._suspicions = self._suspicions + 1 if batch.number == self._suspect else 1
        self._suspect = batch.number
        if self._suspicions < _SUSPECT_AFTER or self._stopping:
            return False
        behind = self._ledger.oldest(last, after=batch.number)
        if behind is None or not self._send_stored(queue, behind):
            return False
        return self._send_stored(queue, batch, keep=False)

    def _send_stored(self, queue: SpanQueue, batch: Batch, *, keep: bool = True) -> bool:
        """Send a batch from disk; False when it stays there."""
        try:
            spans = batch.decode()
        except DamagedBatchError as error:
            with self._changed:
                self._ledger.drop_damaged(queue, batch, str(error))
            return True
        own = self._ledger.owns(batch.number)
        result = self._deliver(batch.number, spans, keep=keep)
        if result.kept:
            return False
        with self._changed:
            self._ledger.settle(queue, batch.number, result)
        if not own:
            self.recovered += result.exported
        return True

    def _send_current(self, queue: SpanQueue, current: _Current) -> bool:
        """Send the batch from the queue; False when it must wait."""
        result = self._deliver(current.number, current.spans, keep=True)
        if result.kept:
            self._postpone()
            self._keep_current(queue, current, result)
            return False
        self._settle_current(queue, current, result)
        return True

    def _settle_current(self, queue: SpanQueue, current: _Current, result: BatchResult) -> None:
        with self._changed:
            self._current = None
            if current.on_disk:
                self._ledger.settle(queue, current.number, result)
            else:
                queue.settle(result)

    def _keep_current(
        self, queue: SpanQueue, current: _Current, tried: BatchResult | None = None
    ) -> None:
        """Store the batch from the queue; if the disk fails, do the same as without a spool.

        ``tried`` is the result of its export, if it was tried.
        """
        with self._changed:
            if self._store_current(queue):
                self._current = None
                return
        if tried is None:
            result = self._deliver(current.number, current.spans, keep=False)
        else:
            kind = tried.failure.kind if tried.failure is not None else ""
            result = BatchResult(failed={kind: tried.kept})
        self._settle_current(queue, current, result)

    def _deliver(self, number: int, spans: Sequence[ReadableSpan], *, keep: bool) -> BatchResult:
        with self._changed:
            self._exporting = number
            self._notify_mover()
        result = self._guard.export(spans, keep=keep)
        with self._changed:
            self._exporting = None
        if keep and not result.kept:
            self._failures = 0
            self._retry_at = 0.0
        return result

    def _postpone(self) -> None:
        self._failures += 1
        self._retry_at = self._clock() + self._backoff.wait_after(self._failures)

    def _adopt_others(self, queue: SpanQueue) -> None:
        """Adopt batches of ended processes, at an interval."""
        now = self._clock()
        if now >= self._adopt_at:
            self._adopt_at = now + _ADOPT_INTERVAL
            with self._changed:
                self._ledger.adopt(queue)

    def _store_current(self, queue: SpanQueue) -> bool:
        """Store the current batch, if it is not stored yet; False when the disk fails."""
        current = self._current
        if current is None or current.on_disk:
            return True
        result = self._append(queue, current.number, current.spans)
        if result is None:
            return False
        current.on_disk = True
        queue.settle(result)
        return True

    def _move_one(self, queue: SpanQueue) -> bool:
        """Store a batch from the queue; False when there is none, or the disk fails."""
        with self._changed:
            handover = Deadline.after(_HANDOVER_SECONDS)
            number = self._store.next_number()
            while (spans := queue.move(taken_known=self._current is not None)) is None:
                if handover.remaining() == 0 or started_before_patch():
                    return False
                self._changed.wait(_POLL_INTERVAL)
                number = self._store.next_number()
            if not spans:
                return False
            result = self._append(queue, number, spans)
            queue.end_move(spans, result)
            return result is not None

    def _append(
        self, queue: SpanQueue, number: int, spans: Sequence[ReadableSpan]
    ) -> BatchResult | None:
        result = self._ledger.append(queue, number, spans, protected=self._exporting)
        if result is not None:
            self._guard.report_invalid(result)
        return result

    def _move_all(self, queue: SpanQueue) -> None:
        with self._changed:
            while self._move_one(queue):
                continue
            self._store_current(queue)

    def _move(self, queue: SpanQueue) -> None:
        """Run the mover until the spool ends or the process is patched."""
        self._run_mover(queue)
        if started_before_patch() and not self._ended:
            self._mover = None
            self._left.notify()
        else:
            self._store.close()

    def _run_mover(self, queue: SpanQueue) -> None:
        with self._changed:
            while not (self._ended or started_before_patch()):
                if self._secure_wanted:
                    self._move_all(queue)
                    self._secure_wanted = False
                    self._secured.notify()
                elif self._current is None and self._exporting is None:
                    self._wait_idle()
                else:
                    self._relieve_queue(queue)

    def _wait_idle(self) -> None:
        """Wait without the lock until the consumer has a batch, or the spans must be stored."""
        self._changed.release()
        try:
            self._bell.acquire()
        finally:
            self._changed.acquire()

    def _relieve_queue(self, queue: SpanQueue) -> None:
        """Store spans from a crowded queue while the consumer is busy."""
        # It may be done in a moment.
        self._changed.wait(_POLL_INTERVAL)
        current = self._current
        if current is not None and time.monotonic() - current.since > _PATIENCE:
            self._store_current(queue)
        while queue.crowded and self._move_one(queue):
            if started_before_patch():
                return
            # Releases the lock, so that the consumer can continue.
            self._changed.wait(0)
