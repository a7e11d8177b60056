"""The batch processor, which queues ended spans and exports them in a background thread.

OpenTelemetry's own does not keep these promises: every ended span is counted once as exported,
failed, dropped or pending; shutdown ends within its timeout whatever the exporter does;
``force_flush`` honours its timeout and returns whether all spans arrived; a forked child leaves
the parent's spans to the parent.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from os import getpid

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import TraceFlags

from bentotrace.config.options import ProcessorOptions
from bentotrace.deadline import Deadline
from bentotrace.delivery.accounting import REPORT_INTERVAL, Flush
from bentotrace.delivery.buffer import Buffer
from bentotrace.delivery.consumer import RetiredError
from bentotrace.delivery.guard import Guard
from bentotrace.delivery.health import log_untraced, pluralize
from bentotrace.delivery.pace import Pace
from bentotrace.delivery.process import close_at_end_of_child
from bentotrace.delivery.queue import SpanQueue
from bentotrace.delivery.status import DestinationStatus
from bentotrace.interruptions import raised_by_signal
from bentotrace.spans import LeanSpanProcessor
from bentotrace.threads import threading_state
from bentotrace.transport.outcome import FailureKind

__all__ = ["BatchProcessor"]

_START_INTERVAL = 1.0
_ERROR_INTERVAL = 1.0
_SAMPLED = int(TraceFlags.SAMPLED)


class BatchProcessor(LeanSpanProcessor):
    """Queues ended spans and exports them in batches from one daemon thread.

    The first span that ends in a process starts the thread.

    Attributes:
        on_new_process: called when the processor finds itself in another process.
    """

    def __init__(
        self,
        guard: Guard,
        options: ProcessorOptions,
        logger: logging.Logger,
        *,
        buffer: Buffer | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.on_new_process: Callable[[], None] | None = None
        self._guard = guard
        self._capacity = options.max_queue_size
        self._batch = min(options.max_export_batch_size, options.max_queue_size)
        self._delay = options.schedule_delay
        self._shutdown_timeout = options.shutdown_timeout
        self._logger = logger
        self._buffer = buffer or Buffer(guard)
        self._clock = clock
        self._max_wait = options.on_full_timeout if options.on_full == "wait" else 0.0
        self._queue = self._make_queue()
        self._queues = {self._queue.pid: self._queue}
        self._builder = self._queue.pid
        self._start_again_at = 0.0
        self._late_reported = False
        self._threadless_reported = False

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a sampled span; raises only what a signal handler raises meanwhile."""
        context = span.context
        if context is None or not context.trace_flags & _SAMPLED:
            return
        queue = self._queue
        queued = None
        try:
            # Forks without Python's hooks, and patches of the process, are noticed here.
            if queue.pid != getpid() or queue.consumer.threading_state is not threading_state():
                queue = self._own_queue()
            queued = queue.put(span)
            if not queued:
                self._report_drop(queue)
            elif queue.consumer.thread is None:
                self._start(queue)
        except MemoryError:
            if queued is None:
                try:
                    queue.drop_unqueued()
                except MemoryError:
                    # There is none for counting either.
                    return

    def force_flush(self, timeout_millis: int | None = 30000) -> bool:
        """Wait until the queued spans are exported.

        Returns:
            True when the receiver accepted all of them in time.
        """
        return self.flush(30.0 if timeout_millis is None else timeout_millis / 1000)

    def flush(self, timeout: float) -> bool:
        """Do the same as :meth:`force_flush`, with a timeout in seconds."""
        return self.end_flush(self.begin_flush(), timeout)

    def begin_flush(self) -> Flush:
        """Begin to export the queued spans."""
        queue = self._own_queue()
        flush = queue.flush()
        if flush.taken is None and not self._start(queue):
            flush.taken = False
        return flush

    def end_flush(self, flush: Flush, timeout: float) -> bool:
        """Wait for a flush; True when the receiver accepted all of its spans."""
        queue = self._own_queue()
        # The exporter's own thread would wait for itself.
        if queue.consumer.thread is threading.current_thread():
            return flush.wait(0)
        deadline = Deadline.after(timeout)
        flush.wait(timeout - self._buffer.reserve(timeout))
        if flush.taken is None:
            self._buffer.secure(queue, deadline, last=False)
        exported = flush.wait(deadline.remaining())
        return self._guard.flush(deadline.remaining()) and exported

    def shutdown(self) -> None:
        """Do the same as :meth:`close`, within ``processor.shutdown_timeout``."""
        self.close(self._shutdown_timeout)

    def close(self, timeout: float) -> bool:
        """Export the queued spans, then shut the exporter down, within ``timeout`` seconds.

        When there is no thread and the interpreter cannot start one (Python 3.12 and later, when
        the first span ends during exit), the calling thread exports and checks the time between
        batches only.

        Returns:
            True when nothing was abandoned, now or in an earlier call.
        """
        self.begin_close()
        return self.end_close(Deadline.after(timeout))

    def begin_close(self) -> None:
        """Accept no more spans and begin to export the rest."""
        self._own_queue().close()

    def end_close(self, deadline: Deadline) -> bool:
        """Wait for the export, and abandon the rest at the deadline."""
        queue = self._own_queue()
        if queue.ended or queue.consumer.thread is threading.current_thread():
            # The exporter's thread, or a finalizer in it, cannot wait for itself.
            return not queue.abandoned
        try:
            if (
                queue.consumer.is_missing()
                and not self._end_without_thread(queue)
                and queue.consumer.adopt()
            ):
                self._run(queue, deadline)
        except BaseException:
            # The next call continues.
            queue.consumer.disown()
            raise
        reserve = self._buffer.reserve(deadline.timeout)
        if not queue.wait_ended(deadline.remaining() - reserve):
            self._buffer.secure(queue, deadline, last=True)
        if not queue.wait_ended(deadline.remaining()):
            self._abandon(queue, deadline.timeout)
        return not queue.abandoned

    def status(self) -> DestinationStatus:
        """Return the counts and the exporter's health, of one moment."""
        counts = self._own_queue().counts()
        health = self._guard.health
        return DestinationStatus(
            exporter=self._guard.name,
            endpoint=self._guard.endpoint,
            ended=counts.ended,
            exported=counts.exported,
            failed=sum(counts.failed.values()),
            dropped=sum(counts.dropped.values()),
            dropped_by_reason=counts.dropped,
            pending=counts.pending,
            failed_by_kind=counts.failed,
            queue_length=counts.waiting,
            queue_capacity=self._capacity,
            last_success=health.last_success,
            last_error=health.last_error,
            consecutive_failures=health.consecutive_failures,
            spooled=counts.kept,
            recovered=self._buffer.recovered,
        )

    def after_fork(self) -> None:
        """Use a new queue in a forked child; the parent exports its own spans."""
        self._queues = {}
        self._own_queue()

    def _make_queue(self, *, closed: bool = False) -> SpanQueue:
        is_failing = self._guard.is_failing
        pace = Pace(max_wait=self._max_wait, is_failing=is_failing, clock=self._clock)
        return SpanQueue(self._capacity, self._batch, closed=closed, clock=self._clock, pace=pace)

    def _own_queue(self) -> SpanQueue:
        """Return this process's queue; an inherited one and its locks are never used again."""
        pid = getpid()
        queue = self._queues.get(pid)
        if queue is None:
            fresh = self._make_queue(closed=self._queue.closed)
            queue = self._queues.setdefault(pid, fresh)
            if queue is fresh:
                if self.on_new_process is not None:
                    self.on_new_process()
                self._guard.restart()
                self._buffer.restart()
                self._start_again_at = 0.0
                self._queue = queue
                for other in [other for other in list(self._queues) if other != pid]:
                    self._queues.pop(other, None)
        if queue.consumer.threading_state is not threading_state():
            queue.consumer.retire()
        return queue

    def _start(self, queue: SpanQueue) -> bool:
        if not queue.consumer.is_missing():
            return True
        if self._clock() < self._start_again_at:
            return False
        if self._start_thread(queue):
            return True
        self._start_again_at = self._clock() + _START_INTERVAL
        if threading.main_thread().is_alive() and not self._threadless_reported:
            self._threadless_reported = True
            self._warn(
                "cannot start a thread for %s; spans stay in the queue and are dropped when it is "
                "full; check the process's limits of threads and memory",
                self._guard,
            )
        return False

    def _start_thread(self, queue: SpanQueue) -> bool:
        try:
            close_at_end_of_child()
            name = f"bentotrace-{self._guard.name}"
            return queue.consumer.start(lambda: self._consume(queue), name)
        except MemoryError:
            return False

    def _consume(self, queue: SpanQueue) -> bool:
        """Run in the exporting thread; return False when another thread must continue."""
        queue.consumer.wait_retired(lambda: queue.ended)
        try:
            self._run(queue)
        except RetiredError:
            return False
        return queue.ended

    def _run(self, queue: SpanQueue, deadline: Deadline | None = None) -> None:
        """Export until the queue is closed and empty, then shut the exporter down."""
        try:
            if not queue.consumer.leaving:
                # What an interruption of the last call has left.
                queue.fail_taken(FailureKind.UNEXPECTED.value)
            self._buffer.begin(queue)
            while deadline is None or deadline.remaining() > 0:
                batch = queue.take(self._buffer.wait(self._delay))
                if batch is None:
                    self._end(queue)
                    return
                self._export(queue, batch)
                # Frees the spans before the wait, while their memory is still in the CPU's cache.
                del batch
                self._report_overflow(queue)
        except RetiredError:
            raise
        except BaseException as error:
            self._fail(queue, error)
            raise

    def _end(self, queue: SpanQueue) -> None:
        """Shut the exporter down after the last batch."""
        self._report_overflow(queue, overdue=-REPORT_INTERVAL)
        self._buffer.finish(queue)
        self._guard.shutdown()
        queue.end()

    def _export(self, queue: SpanQueue, batch: Sequence[ReadableSpan]) -> None:
        """Export a batch; an error of this package fails it."""
        try:
            self._buffer.export(queue, batch)
        except Exception as error:
            if raised_by_signal(error):
                raise
            self._fail(queue, error)
            # Not a busy loop, if it fails again.
            queue.consumer.wait(lambda: queue.closed, _ERROR_INTERVAL)

    def _fail(self, queue: SpanQueue, error: BaseException) -> None:
        """Count the batch that was taken as failed, and record the error."""
        self._buffer.forget()
        spans = queue.fail_taken(FailureKind.UNEXPECTED.value)
        queue.refuse_flushes()
        if spans or not raised_by_signal(error):
            self._guard.fail(error, spans)

    def _end_without_thread(self, queue: SpanQueue) -> bool:
        """End a queue without spans, or start its thread; False when no thread can be started."""
        waiting = queue.counts().pending > 0
        if not waiting and queue.pid != self._builder:
            # Only the process that built the exporter, or used it, shuts it down.
            queue.end()
        elif not self._start_thread(queue):
            if waiting:
                return False
            # An unused exporter has nothing to close, and could block the exit.
            queue.end()
        return True

    def _abandon(self, queue: SpanQueue, timeout: float) -> None:
        lost = queue.abandon()
        if lost is None:
            return
        self._report_overflow(queue, overdue=-REPORT_INTERVAL)
        self._buffer.abandon()
        if lost == 0:
            kept = queue.kept
            self._warn(
                "%s did not shut down within %g s and was abandoned; no spans were lost%s",
                self._guard,
                timeout,
                f"; its spool keeps {pluralize(kept, 'span')}" if kept else "",
            )
            return
        error = self._guard.give_up(lost)
        self._warn(
            "%s did not export all queued spans within %g s of its shutdown, and %s had to be "
            "abandoned%s; check the receiver, or raise processor.shutdown_timeout",
            self._guard,
            timeout,
            pluralize(lost, "span"),
            f" (last error: {error.reason})" if error is not None else "",
        )

    def _report_drop(self, queue: SpanQueue) -> None:
        """Log a dropped span when the consumer does not."""
        if not queue.closed:
            # The consumer does, unless the exporter blocks it.
            self._report_overflow(queue, overdue=REPORT_INTERVAL)
        elif not self._late_reported:
            self._late_reported = True
            self._warn(
                "spans ended after the shutdown of %s; they are dropped and counted", self._guard
            )

    def _report_overflow(self, queue: SpanQueue, overdue: float = 0.0) -> None:
        dropped = queue.take_unreported(overdue)
        if dropped:
            self._warn(
                "dropped %s because the queue of %s was full (%s); if this continues, raise "
                "processor.max_queue_size, lower sample_rate, or check why the receiver is slow",
                pluralize(dropped, "span"),
                self._guard,
                pluralize(self._capacity, "span"),
            )

    def _warn(self, message: str, *arguments: object) -> None:
        log_untraced(self._logger, logging.WARNING, message, *arguments)
