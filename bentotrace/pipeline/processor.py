"""The batch processor: spans wait here until a thread of its own exports them.

OpenTelemetry's own cannot keep what is promised here: every ended span is counted once as
exported, failed, dropped or pending; shutting down ends within its timeout whatever the exporter
does; ``force_flush`` honours its timeout and tells the truth; a forked child starts afresh and
leaves the parent's spans to the parent.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from bentotrace.config.options import ProcessorOptions
from bentotrace.pipeline.guard import Guard
from bentotrace.pipeline.status import DestinationStatus, DropReason

__all__ = ["BatchProcessor"]


class BatchProcessor(SpanProcessor):
    """Queues ended spans and exports them in batches from one daemon thread.

    The thread is started by the first span that ends, in the process in which it ends.
    """

    def __init__(self, guard: Guard, options: ProcessorOptions, logger: logging.Logger) -> None:
        self._guard = guard
        self._max_queue = options.max_queue_size
        self._max_batch = min(options.max_export_batch_size, options.max_queue_size)
        self._delay = options.schedule_delay
        self._shutdown_timeout = options.shutdown_timeout
        self._logger = logger
        self._closed = False
        self._reset()
        if hasattr(os, "register_at_fork"):
            in_child = weakref.WeakMethod(self._after_fork)
            os.register_at_fork(after_in_child=lambda: _call(in_child))

    def _reset(self) -> None:
        self._pid = os.getpid()
        # Reentrant: a signal handler or a finalizer that ends a span may interrupt the holder.
        self._changed = threading.Condition(threading.RLock())
        self._queue: deque[ReadableSpan] = deque()
        self._thread: threading.Thread | None = None
        self._exporting = 0
        self._ended = 0
        self._exported = 0
        self._failed = 0
        self._dropped: Counter[str] = Counter()
        self._flush_until = 0
        self._abandoned = False

    def _after_fork(self) -> None:
        if self._pid != os.getpid():
            self._reset()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Do nothing; a span is of interest once it has ended."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a sampled span; never blocks on the exporter and never raises."""
        context = span.context
        if context is None or not context.trace_flags.sampled:
            return
        # Servers that fork without Python's hooks are noticed here.
        if self._pid != os.getpid():
            self._after_fork()
        with self._changed:
            self._ended += 1
            if self._closed:
                self._dropped[DropReason.SHUTDOWN] += 1
                return
            waiting = len(self._queue)
            if waiting >= self._max_queue:
                self._dropped[DropReason.QUEUE_FULL] += 1
                if self._dropped[DropReason.QUEUE_FULL] == 1:
                    self._logger.warning(
                        "the queue of %s is full (%d spans); spans are dropped and counted",
                        self._guard,
                        self._max_queue,
                    )
                return
            self._queue.append(span)
            if self._thread is None:
                self._start()
            elif waiting + 1 == self._max_batch:
                self._changed.notify_all()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Wait until what has ended so far is exported.

        Returns:
            True when all of it was taken by the receiver; False when some of it failed, or was
            still on its way when the timeout passed.
        """
        if self._pid != os.getpid():
            self._after_fork()
        with self._changed:
            failed = self._failed
            goal = self._finished() + len(self._queue) + self._exporting
            self._flush_until = max(self._flush_until, goal)
            self._changed.notify_all()
            done = self._changed.wait_for(
                lambda: self._finished() >= goal or self._abandoned, max(timeout_millis, 0) / 1000
            )
            return done and not self._abandoned and self._failed == failed

    def shutdown(self) -> None:
        """Do what :meth:`close` does, within ``processor.shutdown_timeout``."""
        self.close(self._shutdown_timeout)

    def close(self, timeout: float) -> bool:
        """Export what is queued, then shut the exporter down; ends within the timeout.

        Args:
            timeout: seconds.

        Returns:
            True when nothing had to be abandoned.
        """
        if self._pid != os.getpid():
            self._after_fork()
        deadline = time.monotonic() + timeout
        with self._changed:
            if self._closed:
                return not self._abandoned
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is None:
            # No span ended, or it ended when the interpreter started no more threads.
            self._run()
        else:
            thread.join(max(deadline - time.monotonic(), 0))
            if thread.is_alive():
                self._abandon(timeout)
        return not self._abandoned

    def status(self) -> DestinationStatus:
        """Count, at one moment."""
        with self._changed:
            return DestinationStatus(
                exporter=self._guard.name,
                endpoint=self._guard.endpoint,
                ended=self._ended,
                exported=self._exported,
                failed=self._failed,
                dropped=sum(self._dropped.values()),
                dropped_by_reason=dict(self._dropped),
                pending=len(self._queue) + self._exporting,
                last_success=self._guard.last_success,
                last_error=self._guard.last_error,
                consecutive_failures=self._guard.consecutive_failures,
            )

    def _finished(self) -> int:
        return self._exported + self._failed

    def _start(self) -> None:
        self._thread = threading.Thread(
            target=self._run, name=f"bentotrace-{self._guard.name}", daemon=True
        )
        try:
            self._thread.start()
        except RuntimeError:
            # While the interpreter ends no thread starts any more; shutdown() exports the rest.
            self._thread = None

    def _run(self) -> None:
        """Export until closed and empty, then shut the exporter down."""
        while True:
            with self._changed:
                self._changed.wait_for(self._is_due, self._delay)
                size = min(len(self._queue), self._max_batch)
                batch = [self._queue.popleft() for _ in range(size)]
                self._exporting = size
                if not batch and self._closed:
                    break
            if not batch:
                continue
            delivery = self._guard.export(batch)
            with self._changed:
                if self._abandoned:
                    break
                self._exporting = 0
                self._exported += delivery.exported
                self._failed += delivery.failed
                self._changed.notify_all()
        self._guard.shutdown()

    def _is_due(self) -> bool:
        flushing = self._finished() < self._flush_until and bool(self._queue)
        return self._closed or flushing or len(self._queue) >= self._max_batch

    def _abandon(self, seconds: float) -> None:
        with self._changed:
            self._abandoned = True
            lost = len(self._queue) + self._exporting
            self._dropped[DropReason.SHUTDOWN] += lost
            self._queue.clear()
            self._exporting = 0
            self._changed.notify_all()
        error = self._guard.last_error
        self._logger.warning(
            "shutting down %s took longer than %g s; %d spans are abandoned%s",
            self._guard,
            seconds,
            lost,
            f" (last error: {error.reason})" if error is not None else "",
        )


def _call(method: weakref.WeakMethod[Callable[[], None]]) -> None:
    bound = method()
    if bound is not None:
        bound()
