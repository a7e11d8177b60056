"""The account of the spans on disk: stored, sent from there, or lost there.

Callers hold the lock of the spool.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from opentelemetry.sdk.trace import ReadableSpan

from bentotrace.delivery.accounting import REPORT_INTERVAL, BatchResult
from bentotrace.delivery.health import log_untraced, pluralize
from bentotrace.delivery.queue import SpanQueue
from bentotrace.delivery.status import DropReason
from bentotrace.encoding import Repairs
from bentotrace.spool.codec import encode_batch
from bentotrace.spool.opening import log_damage
from bentotrace.spool.row import Batch, count_spans
from bentotrace.spool.store import ANY_NUMBER, SpoolStore, StoreError

__all__ = ["Ledger", "SpoolLog"]

# Seconds before another attempt to write to a disk that failed.
_WRITE_INTERVAL = 1.0


class Ledger:
    """Counts one process's spans on disk in its queue, and logs lost ones.

    It remembers how many spans each batch has, because the file may be changed by others.

    Attributes:
        backlog: whether the file may hold spans of this process.
    """

    def __init__(self, store: SpoolStore, log: SpoolLog, clock: Callable[[], float]) -> None:
        self.backlog = False
        self._store = store
        self._log = log
        self._clock = clock
        self._repairs = Repairs(log.logger)
        self._write_at = 0.0
        self._losses = 0
        self._own: dict[int, int] = {}
        # Batches that are settled, but are still in the file.
        self._settled: set[int] = set()

    def append(
        self,
        queue: SpanQueue,
        number: int,
        spans: Sequence[ReadableSpan],
        *,
        protected: int | None,
    ) -> BatchResult | None:
        """Store a batch, and count evicted spans.

        Returns:
            How many spans are kept, and how many cannot be stored; None when the disk fails.
        """
        if self._clock() < self._write_at:
            return None
        try:
            lost, content = self._encode(spans)
        except Exception as error:
            self._log.unusable(f"cannot encode spans: {type(error).__name__}: {error}")
            return None
        kept = len(spans) - lost
        if content is not None:
            try:
                evicted = self._store.append(number, kept, content, protected=protected)
            except StoreError as error:
                self._log.unusable(str(error))
                self._write_at = self._clock() + _WRITE_INTERVAL
                return None
            self._settle_losses(queue)
            self._own[number] = kept
            self.backlog = True
            self._count_evicted(queue, evicted)
        return BatchResult(kept=kept, dropped={DropReason.INVALID_SPAN: lost} if lost else {})

    def owns(self, number: int) -> bool:
        """Return whether this process stored a batch, and has not settled it."""
        return number in self._own

    def oldest(self, last: int = ANY_NUMBER, *, after: int = -ANY_NUMBER) -> Batch | None:
        """Return the oldest batch after a number and up to the last that is not settled."""
        return self._store.oldest(last, after=after, skip=self._settled)

    def settle(self, queue: SpanQueue, number: int, result: BatchResult) -> None:
        """Count the result of a batch, if it is this process's, and remove it from the file."""
        own = self._own.pop(number, 0)
        self._settled.add(number)
        self.remove_settled()
        if own:
            queue.settle_kept(result.limit(own))

    def drop_damaged(self, queue: SpanQueue, batch: Batch, reason: str) -> None:
        """Remove a batch that cannot be read."""
        spans = self._own.get(batch.number, count_spans(batch.spans))
        self._log.log(
            logging.WARNING,
            "dropped a batch of %s in spool %s, which is damaged: %s",
            pluralize(spans, "span"),
            self._log.path,
            reason,
        )
        self.settle(queue, batch.number, BatchResult(dropped={DropReason.SPOOL_DAMAGED: spans}))

    def adopt(self, queue: SpanQueue) -> None:
        """Adopt the spans of processes that have ended."""
        self.remove_settled()
        try:
            adopted = self._store.adopt()
            self._settle_losses(queue)
            if adopted:
                self._log.log(
                    logging.INFO,
                    "spool %s holds %s of processes that have ended; this process sends them",
                    self._log.path,
                    pluralize(adopted, "span"),
                )
                self.backlog = True
            elif not self.backlog:
                self.close_if_empty(queue)
        except StoreError as error:
            self._log.unusable(str(error))

    def settle_others(self, queue: SpanQueue) -> None:
        """Count spans that other processes evicted, or that were lost with the file."""
        self.remove_settled()
        evicted = self._store.evicted()
        self._settle_losses(queue)
        if evicted:
            self._count_evicted(queue, dict.fromkeys(evicted, 0))
            # A disk that is full permits to read, and the same records change nothing later.
            with suppress(StoreError):
                self._store.forget_evicted()

    def close_if_empty(self, queue: SpanQueue) -> None:
        """Close the file when it holds no batch of this process."""
        self.backlog = self.oldest() is not None
        if not self.backlog:
            self._count_lost(queue)
            # Another process would send those that could not be removed.
            if not self._settled:
                self._store.close()

    def remove_settled(self) -> None:
        """Remove batches whose removal failed before, unless it fails again."""
        if not self._settled:
            return
        try:
            self._store.remove(self._settled)
        except StoreError as error:
            self._log.unusable(str(error))
        else:
            self._settled.clear()

    def _encode(self, spans: Sequence[ReadableSpan]) -> tuple[int, bytes | None]:
        """Return the number of spans that cannot be encoded, and the others as bytes."""
        try:
            return 0, encode_batch(spans)
        except Exception:
            # Caused by a span; a second exception is not.
            good, lost, _ = self._repairs.repair(spans)
            return lost, encode_batch(good) if good else None

    def _count_evicted(self, queue: SpanQueue, evicted: Mapping[int, int]) -> None:
        own = sum(self._own.pop(number, 0) for number in [*evicted])
        self._log.evicted(own + sum(evicted.values()))
        _drop(queue, DropReason.SPOOL_FULL, own)

    def _settle_losses(self, queue: SpanQueue) -> None:
        log_damage(self._store, self._log.logger)
        if self._store.losses != self._losses:
            self._losses = self._store.losses
            self._settled.clear()
            self._count_lost(queue)

    def _count_lost(self, queue: SpanQueue) -> None:
        """Count the spans that are no longer on disk."""
        lost = sum(self._own.values())
        self._own.clear()
        if lost:
            self._log.log(
                logging.WARNING,
                "spool %s was damaged or removed, and lost %s of this process",
                self._log.path,
                pluralize(lost, "span"),
            )
            _drop(queue, DropReason.SPOOL_DAMAGED, lost)


def _drop(queue: SpanQueue, reason: str, spans: int) -> None:
    if spans:
        queue.settle_kept(BatchResult(dropped={reason: spans}))


class SpoolLog:
    """Logs for one spool; never raises."""

    def __init__(self, path: str, logger: logging.Logger, clock: Callable[[], float]) -> None:
        self.path = path
        self.logger = logger
        self._clock = clock
        self._quiet_until: dict[str, float] = {}
        self._unreported = 0

    def log(self, level: int, message: str, *arguments: object) -> None:
        """Log a message."""
        log_untraced(self.logger, level, message, *arguments)

    def unusable(self, reason: str) -> None:
        """Log at most once a minute that the file cannot be read or written."""
        if self._is_due("unusable"):
            self.log(
                logging.WARNING,
                "spool %s cannot be used: %s; until it can, spans that are not delivered are lost; "
                "check the disk space and the file's permissions",
                self.path,
                reason,
            )

    def evicted(self, spans: int) -> None:
        """Count evicted spans, and log them at most once a minute."""
        self._unreported += spans
        if self._unreported and self._is_due("evicted"):
            self.log(
                logging.WARNING,
                "dropped %s, the oldest in spool %s, because it was full; check the receiver, or "
                "raise spool.max_bytes",
                pluralize(self._unreported, "span"),
                self.path,
            )
            self._unreported = 0

    def _is_due(self, kind: str) -> bool:
        now = self._clock()
        if now < self._quiet_until.get(kind, now):
            return False
        self._quiet_until[kind] = now + REPORT_INTERVAL
        return True
