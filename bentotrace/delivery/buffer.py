"""The buffer between a queue and the guard of its exporter."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan

from bentotrace.deadline import Deadline
from bentotrace.delivery.guard import Guard
from bentotrace.delivery.queue import SpanQueue

__all__ = ["Buffer"]


class Buffer:
    """Exports each batch of a queue once; a subclass may keep failed batches and retry them.

    The processor's thread calls ``begin``, ``wait``, ``export`` and ``finish``; any thread the
    others.

    Attributes:
        recovered: spans of other processes that the receiver accepted.
    """

    recovered = 0

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def restart(self) -> None:
        """Reset, in a forked child."""

    def begin(self, queue: SpanQueue) -> None:
        """Prepare for the batches of a queue."""

    def wait(self, delay: float) -> float:
        """Return the seconds until :meth:`export` is due without a batch; at most ``delay``."""
        return delay

    def export(self, queue: SpanQueue, spans: Sequence[ReadableSpan]) -> None:
        """Export a batch, which may be empty, and settle it in its queue."""
        if not spans:
            return
        # A thread that has become foreign meanwhile may fail for that reason alone.
        result = self._guard.export(spans, keep=queue.consumer.is_foreign)
        if result.kept:
            queue.put_back(spans)
        else:
            queue.settle(result)

    def forget(self) -> None:
        """Forget the batch whose export raised."""

    def finish(self, queue: SpanQueue) -> None:
        """Close, after the last batch."""

    def reserve(self, timeout: float) -> float:
        """Return the seconds of a timeout that :meth:`secure` needs."""
        return 0.0

    def secure(self, queue: SpanQueue, deadline: Deadline, *, last: bool) -> None:
        """Store all spans in memory before the deadline; ``last``: nothing is sent afterwards."""

    def abandon(self) -> None:
        """Close without waiting, because the exporter hangs."""
