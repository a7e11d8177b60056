"""Keeps the account of what is on disk: each span that goes there, comes back, or is lost there.

Whoever calls holds the lock of the spool.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from opentelemetry.sdk.trace import ReadableSpan

from bentotrace.pipeline.queue import SpanQueue
from bentotrace.pipeline.spool.notices import Notices
from bentotrace.pipeline.spool.store import Batch, SpoolStore, StoreError
from bentotrace.pipeline.status import DropReason

__all__ = ["Keeper"]

# A disk that failed is left alone for so long.
_WRITE_INTERVAL = 1.0


class Keeper:
    """One process's spans in the file, counted in its queue, and said where they are lost.

    Attributes:
        backlog: whether there may be spans of this process in the file.
    """

    def __init__(self, store: SpoolStore, notices: Notices, clock: Callable[[], float]) -> None:
        self.backlog = False
        self._store = store
        self._notices = notices
        self._clock = clock
        self._write_at = 0.0
        self._losses = 0
        self._to_remove: list[int] = []

    def append(
        self,
        queue: SpanQueue,
        number: int,
        spans: Sequence[ReadableSpan],
        *,
        spared: int | None,
    ) -> bool:
        """Put a batch on disk; False when that cannot be. What it evicts is counted, it is not."""
        if self._clock() < self._write_at:
            return False
        try:
            evicted = self._store.append(number, spans, spared=spared)
        except StoreError as error:
            self._notices.unusable(str(error))
            self._write_at = self._clock() + _WRITE_INTERVAL
            return False
        self._settle_losses(queue)
        self.backlog = True
        self._notices.evicted(evicted.own + evicted.others)
        if evicted.own:
            queue.settle_spooled(0, 0, dropped={DropReason.SPOOL_FULL: evicted.own})
        return True

    def remove(self, number: int) -> bool:
        """Forget a batch that was dealt with; False when it was lost, and counted as that."""
        try:
            return self._store.remove(number)
        except StoreError as error:
            self._notices.unusable(str(error))
            self._to_remove.append(number)
            return True

    def drop_damaged(self, queue: SpanQueue, batch: Batch, reason: str) -> None:
        """Forget a batch that cannot be read."""
        self._notices.damaged_batch(batch.spans, reason)
        if self.remove(batch.number) and not batch.recovered:
            queue.settle_spooled(0, 0, dropped={DropReason.SPOOL_DAMAGED: batch.spans})

    def adopt(self, queue: SpanQueue) -> None:
        """Take over what other processes left."""
        try:
            adopted = self._store.adopt()
            if adopted:
                self._notices.adopted(adopted)
                self.backlog = True
            elif not self.backlog:
                self.rest(queue)
        except StoreError as error:
            self._notices.unusable(str(error))

    def settle_others(self, queue: SpanQueue) -> None:
        """Count what became of spans without this process's doing.

        Raises:
            StoreError: the file cannot be read, or what was sent from it cannot be removed.
        """
        while self._to_remove:
            self._store.remove(self._to_remove[-1])
            self._to_remove.pop()
        evicted = self._store.take_evicted()
        self._notices.evicted(evicted)
        if evicted:
            queue.settle_spooled(0, 0, dropped={DropReason.SPOOL_FULL: evicted})
        self._settle_losses(queue)

    def rest(self, queue: SpanQueue) -> None:
        """Let go of the file when there is nothing in it for this process.

        Raises:
            StoreError: it cannot be read.
        """
        self.backlog = self._store.oldest() is not None
        if not self.backlog:
            self._lose(queue)
            self._store.close()

    def _settle_losses(self, queue: SpanQueue) -> None:
        if self._store.losses != self._losses:
            self._losses = self._store.losses
            self._lose(queue)

    def _lose(self, queue: SpanQueue) -> None:
        """Count the spans that were on disk, and are not any more."""
        gone = queue.spooled
        if gone:
            self._notices.file_gone(gone, self._store.damaged_path)
            queue.settle_spooled(0, 0, dropped={DropReason.SPOOL_DAMAGED: gone})
