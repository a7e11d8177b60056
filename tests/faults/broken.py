"""Breaks one promise each, within the process of ``driver.py``, to show that it is looked after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def guard() -> None:
    """Let what an exporter raises through, and let it raise."""
    from bentotrace.delivery.guard import Guard

    def export(self: Any, batch: Sequence[Any], **options: Any) -> Any:
        self._exporter.export(batch)
        raise ConnectionError("nobody is there")

    Guard.export = export  # type: ignore[method-assign]


def exit_bound() -> None:
    """Wait for the exporter, however long it takes."""
    from bentotrace.delivery.queue import SpanQueue

    wait_ended = SpanQueue.wait_ended

    def wait(self: SpanQueue, timeout: float) -> bool:
        return wait_ended(self, timeout) or wait_ended(self, 3600.0)

    SpanQueue.wait_ended = wait  # type: ignore[method-assign]


def accounting() -> None:
    """Forget what did not arrive."""
    from bentotrace.delivery.accounting import BatchResult
    from bentotrace.delivery.queue import SpanQueue

    settle = SpanQueue.settle

    def forget(self: SpanQueue, result: BatchResult) -> None:
        settle(self, result._replace(failed={}))

    SpanQueue.settle = forget  # type: ignore[method-assign]


def honesty() -> None:
    """Count what failed as exported."""
    from bentotrace.delivery.accounting import BatchResult
    from bentotrace.delivery.queue import SpanQueue

    settle = SpanQueue.settle

    def lie(self: SpanQueue, result: BatchResult) -> None:
        settle(self, result._replace(exported=result.exported + result.lost, failed={}))

    SpanQueue.settle = lie  # type: ignore[method-assign]


def haste() -> None:
    """Export a span where it ends."""
    from bentotrace.delivery.processor import BatchProcessor

    on_end = BatchProcessor.on_end

    def end(self: BatchProcessor, span: Any) -> None:
        on_end(self, span)
        self.flush(30.0)

    BatchProcessor.on_end = end  # type: ignore[method-assign]


def words() -> None:
    """Say nothing of failures."""
    from bentotrace.delivery.health import FailureLog

    FailureLog.warn = lambda self, *_: None  # type: ignore[method-assign]


def restraint() -> None:
    """Say every failure as if it were the first."""
    from bentotrace.delivery.health import FailureLog

    fail = FailureLog.fail

    def tell(self: FailureLog, error: Any, outcome: Any = None, **kept: int) -> None:
        self._failures = 0
        self._quiet_until = 0.0
        fail(self, error, outcome, **kept)

    FailureLog.fail = tell  # type: ignore[method-assign]


def recovery() -> None:
    """Give up on a receiver that was away."""
    from bentotrace.transport.http import HTTPTransport
    from bentotrace.transport.outcome import Outcome

    send = HTTPTransport.send
    lost: list[Outcome] = []

    def give_up(self: HTTPTransport, body: bytes, *, timeout: float | None = None) -> Outcome:
        outcome = lost[-1] if lost else send(self, body, timeout=timeout)
        if not outcome.ok:
            lost.append(outcome)
        return outcome

    HTTPTransport.send = give_up  # type: ignore[method-assign]


def pid_check() -> None:
    """Take every process for the one that built."""
    import os

    from bentotrace.delivery import processor, queue

    built_in = os.getpid()
    processor.getpid = lambda: built_in  # type: ignore[attr-defined]
    queue.os = type("os", (), {"getpid": staticmethod(lambda: built_in), "name": os.name})  # type: ignore[assignment]


def end_of_process() -> None:
    """Do nothing when the process ends."""
    from bentotrace.delivery import process

    process.end_all = lambda: None


def signals() -> None:
    """Leave signals alone."""
    from bentotrace.delivery import process as signals

    signals.DEFAULT_SIGNALS = ()
