"""The batch processor: spans wait here until a thread of its own exports them.

OpenTelemetry's own cannot keep what is promised here: every ended span is counted once as
exported, failed, dropped or pending; shutting down ends within its timeout whatever the exporter
does; ``force_flush`` honours its timeout and tells the truth; a forked child starts afresh and
leaves the parent's spans to the parent.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from os import getpid
from typing import TYPE_CHECKING

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import TraceFlags

from bentotrace.config.options import ProcessorOptions
from bentotrace.pipeline.consumer import RetiredError
from bentotrace.pipeline.counts import Flush
from bentotrace.pipeline.guard import Guard, counted
from bentotrace.pipeline.lifetime import close_at_end_of_child
from bentotrace.pipeline.queue import SpanQueue
from bentotrace.pipeline.status import DestinationStatus, DropReason
from bentotrace.pipeline.tally import NOTICE_INTERVAL
from bentotrace.threads import threading_state
from bentotrace.transport.deadline import Deadline

if TYPE_CHECKING:
    from bentotrace.pipeline.spool.spool import Spool

__all__ = ["BatchProcessor"]

_START_INTERVAL = 1.0
_SAMPLED = int(TraceFlags.SAMPLED)


class BatchProcessor(SpanProcessor):
    """Queues ended spans and exports them in batches from one daemon thread.

    The thread is started by the first span that ends, in the process in which it ends.

    Attributes:
        on_new_process: called when this process is found not to be the one before.
    """

    def __init__(
        self,
        guard: Guard,
        options: ProcessorOptions,
        logger: logging.Logger,
        *,
        spool: Spool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.on_new_process: Callable[[], None] | None = None
        self._guard = guard
        self._capacity = options.max_queue_size
        self._batch = min(options.max_export_batch_size, options.max_queue_size)
        self._delay = options.schedule_delay
        self._shutdown_timeout = options.shutdown_timeout
        self._logger = logger
        self._spool = spool
        self._clock = clock
        self._queue = SpanQueue(self._capacity, self._batch, clock=clock)
        self._queues = {self._queue.pid: self._queue}
        self._builder = self._queue.pid
        self._start_again_at = 0.0
        self._told_late = False
        self._told_threadless = False

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Do nothing; a span is of interest once it has ended."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a sampled span; never blocks on the exporter and never raises."""
        context = span.context
        if context is None or not context.trace_flags & _SAMPLED:
            return
        queue = self._queue
        # Servers that fork without Python's hooks are noticed here, and what patches the process.
        if queue.pid != getpid() or queue.consumer.threading_state is not threading_state():
            queue = self._own_queue()
        if not queue.put(span):
            self._tell_drop(queue)
        elif queue.consumer.thread is None:
            self._start(queue)

    def force_flush(self, timeout_millis: int | None = 30000) -> bool:
        """Wait until what is queued now is exported.

        Returns:
            True when the receiver took all of it; False when some of it failed, or was still on
            its way when the timeout passed.
        """
        return self.flush(30.0 if timeout_millis is None else timeout_millis / 1000)

    def flush(self, timeout: float) -> bool:
        """Do what :meth:`force_flush` does, in seconds."""
        return self.end_flush(self.begin_flush(), timeout)

    def begin_flush(self) -> Flush:
        """Begin to export what is queued now."""
        queue = self._own_queue()
        flush = queue.flush()
        if flush.taken is None and not self._start(queue):
            flush.taken = False
        return flush

    def end_flush(self, flush: Flush, timeout: float) -> bool:
        """Wait for what was begun; True when the receiver took all of it."""
        # The exporter's own thread would wait for itself.
        queue = self._own_queue()
        if queue.consumer.thread is threading.current_thread():
            return flush.wait(0)
        if self._spool is None:
            return flush.wait(timeout)
        deadline = Deadline.after(timeout)
        flush.wait(timeout - self._spool.reserve(timeout))
        if flush.taken is None:
            self._spool.secure(queue, deadline, last=False)
        return flush.wait(deadline.remaining())

    def shutdown(self) -> None:
        """Do what :meth:`close` does, within ``processor.shutdown_timeout``."""
        self.close(self._shutdown_timeout)

    def close(self, timeout: float) -> bool:
        """Export what is queued, then shut the exporter down; ends within the timeout.

        Where the interpreter starts no more threads and none is there yet (Python 3.12 and later,
        when the first span ends while the process exits), the calling thread exports, and the time
        is looked at between two batches only.

        Args:
            timeout: seconds.

        Returns:
            True when nothing had to be abandoned, now or in an earlier call.
        """
        self.begin_close()
        return self.end_close(Deadline.after(timeout))

    def begin_close(self) -> None:
        """Take no more spans and begin to export the rest."""
        self._own_queue().close()

    def end_close(self, deadline: Deadline) -> bool:
        """Wait for what was begun, and abandon what is left at the deadline."""
        queue = self._own_queue()
        if queue.ended or queue.consumer.thread is threading.current_thread():
            # The exporter itself may call, or a finalizer in its thread: it cannot wait for itself.
            return not queue.abandoned
        if (
            queue.consumer.thread is None
            and not self._end_without_thread(queue)
            and queue.consumer.adopt()
        ):
            self._run(queue, deadline)
        if self._spool is not None:
            reserve = self._spool.reserve(deadline.timeout)
            if not queue.wait_ended(deadline.remaining() - reserve):
                self._spool.secure(queue, deadline, last=True)
        if not queue.wait_ended(deadline.remaining()):
            self._abandon(queue, deadline.timeout)
        return not queue.abandoned

    def status(self) -> DestinationStatus:
        """Count, at one moment."""
        counts = self._own_queue().counts()
        health = self._guard.health
        by_reason = {
            DropReason.QUEUE_FULL: counts.overflowed,
            DropReason.SHUTDOWN: counts.late,
            **counts.discarded,
        }
        return DestinationStatus(
            exporter=self._guard.name,
            endpoint=self._guard.endpoint,
            ended=counts.ended,
            exported=counts.exported,
            failed=counts.failed,
            dropped=counts.dropped,
            dropped_by_reason={reason: count for reason, count in by_reason.items() if count},
            pending=counts.pending,
            failed_by_kind=counts.failed_by_kind,
            queue_length=counts.waiting,
            queue_capacity=self._capacity,
            last_success=health.last_success,
            last_error=health.last_error,
            consecutive_failures=health.consecutive_failures,
            spooled=counts.spooled,
            recovered=self._spool.recovered if self._spool is not None else 0,
        )

    def after_fork(self) -> None:
        """Start afresh in a forked child; the parent's spans stay the parent's."""
        self._queues = {}
        self._own_queue()

    def _own_queue(self) -> SpanQueue:
        """Give this process's queue; what was inherited, its locks too, is never touched again."""
        pid = getpid()
        queue = self._queues.get(pid)
        if queue is None:
            fresh = SpanQueue(
                self._capacity, self._batch, closed=self._queue.closed, clock=self._clock
            )
            queue = self._queues.setdefault(pid, fresh)
            if queue is fresh:
                if self.on_new_process is not None:
                    self.on_new_process()
                self._guard.restart()
                if self._spool is not None:
                    self._spool.restart()
                self._start_again_at = 0.0
                self._queue = queue
                for other in [other for other in self._queues if other != pid]:
                    self._queues.pop(other, None)
        if queue.consumer.threading_state is not threading_state():
            queue.consumer.retire()
        return queue

    def _start(self, queue: SpanQueue) -> bool:
        if queue.consumer.thread is not None:
            return True
        if self._clock() < self._start_again_at:
            return False
        if self._start_thread(queue):
            return True
        self._start_again_at = self._clock() + _START_INTERVAL
        if threading.main_thread().is_alive() and not self._told_threadless:
            self._told_threadless = True
            self._tell(
                "no thread can be started to export with %s; spans wait in the queue and are "
                "dropped when it is full; look at the process's limits of threads and memory",
                self._guard,
            )
        return False

    def _start_thread(self, queue: SpanQueue) -> bool:
        close_at_end_of_child()
        return queue.consumer.start(lambda: self._consume(queue), f"bentotrace-{self._guard.name}")

    def _consume(self, queue: SpanQueue) -> None:
        queue.consumer.wait_retired(lambda: queue.ended)
        # The next span, flush or shutdown starts the thread that goes on.
        with suppress(RetiredError):
            self._run(queue)

    def _run(self, queue: SpanQueue, deadline: Deadline | None = None) -> None:
        """Export until the queue is closed and empty, then shut the exporter down."""
        if self._spool is not None:
            self._spool.begin(queue)
        while (batch := queue.take(self._wait())) is not None:
            if self._spool is not None:
                self._spool.export(queue, batch)
            elif batch:
                delivery = self._guard.export(batch, keep=queue.consumer.is_foreign)
                if delivery.kept:
                    queue.put_back(batch)
                else:
                    queue.settle(
                        delivery.exported, delivery.failed, delivery.kind, dropped=delivery.dropped
                    )
            # Their memory is good for the next spans, while it is still in the cache.
            del batch
            self._tell_overflow(queue)
            if deadline is not None and deadline.remaining() == 0:
                return
        self._tell_overflow(queue, overdue=-NOTICE_INTERVAL)
        if self._spool is not None:
            self._spool.finish(queue)
        self._guard.shutdown()
        queue.end()

    def _wait(self) -> float:
        return self._delay if self._spool is None else self._spool.wait(self._delay)

    def _end_without_thread(self, queue: SpanQueue) -> bool:
        """End where no span has ended, or where no thread could be started for those that did.

        Returns:
            False when there are spans, and no thread for them.
        """
        waiting = queue.counts().pending > 0
        if not waiting and queue.pid != self._builder:
            # The exporter belongs to the process that built it, unless this one has used it.
            queue.end()
        elif not self._start_thread(queue):
            if waiting:
                return False
            # An exporter that was never used holds nothing, and could hold up the exit.
            queue.end()
        return True

    def _abandon(self, queue: SpanQueue, timeout: float) -> None:
        lost = queue.abandon()
        if lost is None:
            return
        self._tell_overflow(queue, overdue=-NOTICE_INTERVAL)
        if self._spool is not None:
            self._spool.abandon()
        if lost == 0:
            on_disk = queue.spooled
            self._tell(
                "%s did not end within the %g s of its shutdown, and is left; no span is lost%s",
                self._guard,
                timeout,
                f"; its spool keeps {counted(on_disk, 'span')}" if on_disk else "",
            )
            return
        error = self._guard.give_up(lost)
        self._tell(
            "%s could not export all that was queued within the %g s of its shutdown, and %s had "
            "to be abandoned%s; look at the receiver, or raise processor.shutdown_timeout",
            self._guard,
            timeout,
            counted(lost, "span"),
            f" (last error: {error.reason})" if error is not None else "",
        )

    def _tell_drop(self, queue: SpanQueue) -> None:
        """Say that a span was dropped, where nobody else would."""
        if not queue.closed:
            # The consumer says it, unless the exporter holds it up.
            self._tell_overflow(queue, overdue=NOTICE_INTERVAL)
        elif not self._told_late:
            self._told_late = True
            self._tell(
                "spans end after the shutdown of %s; they are dropped and counted", self._guard
            )

    def _tell_overflow(self, queue: SpanQueue, overdue: float = 0.0) -> None:
        dropped = queue.take_notice(overdue)
        if dropped:
            self._tell(
                "dropped %s because the queue of %s was full (%s); if this goes on, raise "
                "processor.max_queue_size, lower sample_rate, or look for what makes the receiver "
                "slow",
                counted(dropped, "span"),
                self._guard,
                counted(self._capacity, "span"),
            )

    def _tell(self, message: str, *arguments: object) -> None:
        """Log a warning; a handler that raises must not reach whoever ends a span."""
        try:
            self._logger.warning(message, *arguments)
        except Exception:
            return
