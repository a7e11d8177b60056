"""The queue among threads, signal handlers and finalizers that put whenever they like."""

from __future__ import annotations

import gc
import signal
import sys
import threading
import time
from typing import Any

import pytest

from bentotrace.delivery.accounting import Counts
from bentotrace.delivery.queue import SpanQueue

from .hanging import MakeSpan
from .queued import names, result


def test_a_thread_in_a_busy_loop_lets_the_consumer_in_before_the_queue_is_full(
    make_span: MakeSpan,
) -> None:
    spans = [make_span() for _ in range(20_000)]

    def put_all() -> Counts:
        queue = SpanQueue(2048, 512)

        def consume() -> None:
            while (batch := queue.take(3600)) is not None:
                queue.settle(result(len(batch)))
            queue.end()

        queue.consumer.start(consume, "consumer")
        for span in spans:
            queue.put(span)
        queue.close()
        assert queue.wait_ended(10)
        return queue.counts()

    interval = sys.getswitchinterval()
    # Only a thread that gives the interpreter up of itself loses it.
    sys.setswitchinterval(60)
    try:
        # On a busy machine the consumer may wait for a processor, too.
        assert Counts(exported=20_000) in (put_all() for _ in range(5))
    finally:
        sys.setswitchinterval(interval)


def test_a_span_that_slips_in_after_the_last_batch_counts_as_late(make_span: MakeSpan) -> None:
    queue = SpanQueue(10, 10)
    # A thread is stopped between looking for room and appending, for as long as a closing takes.
    slow = threading.Event()
    closed = threading.Event()

    class Spans(type(queue._spans)):  # type: ignore[misc]
        def append(self, span: Any) -> None:
            slow.set()
            assert closed.wait(10)
            super().append(span)

    queue._spans = Spans()
    thread = threading.Thread(target=queue.put, args=[make_span()])
    thread.start()
    assert slow.wait(10)
    queue.close()
    assert queue.take(0) is None
    queue.end()
    closed.set()
    thread.join(10)
    assert queue.counts() == Counts(dropped={"shutdown": 1})


def test_a_full_batch_wakes_the_consumer_at_once(make_span: MakeSpan) -> None:
    queue = SpanQueue(10, 2)
    taken: list[Any] = []
    consumer = threading.Thread(target=lambda: taken.append(queue.take(3600)))
    consumer.start()
    queue.put(make_span("a"))
    queue.put(make_span("b"))
    consumer.join(10)
    assert names(taken[0]) == ["a", "b"]


def test_the_counts_are_exact_while_threads_put_and_another_reads(make_span: MakeSpan) -> None:
    queue = SpanQueue(50, 20)
    span, done = make_span(), threading.Event()
    readings: list[Counts] = []

    def read() -> None:
        while not done.is_set():
            readings.append(queue.counts())

    def consume() -> None:
        while (batch := queue.take(0.001)) is not None:
            queue.settle(result(len(batch) // 2, len(batch) - len(batch) // 2))

    def put() -> None:
        for _ in range(5000):
            queue.put(span)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        reader, consumer = threading.Thread(target=read), threading.Thread(target=consume)
        putters = [threading.Thread(target=put) for _ in range(4)]
        for thread in (reader, consumer, *putters):
            thread.start()
        for thread in putters:
            thread.join(30)
        queue.close()
        consumer.join(30)
        done.set()
        reader.join(30)
    finally:
        sys.setswitchinterval(interval)
    last = queue.counts()
    assert (last.ended, last.pending) == (20_000, 0)
    assert all(0 <= reading.pending <= 50 + 20 + 4 for reading in readings)
    ended = [reading.ended for reading in readings]
    assert ended == sorted(ended)
    for counts in (
        [reading.exported for reading in readings],
        [reading.failed.get("refused", 0) for reading in readings],
        [reading.dropped.get("queue_full", 0) for reading in readings],
    ):
        assert counts == sorted(counts)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
def test_a_signal_handler_may_put_at_any_point(make_span: MakeSpan) -> None:
    queue = SpanQueue(3, 2)
    span = make_span()
    handled = 0

    def handle(number: int, frame: object) -> None:
        nonlocal handled
        handled += 1
        queue.put(span)
        queue.counts()

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
    try:
        own, end = 0, time.monotonic() + 1.0
        while time.monotonic() < end:
            for _ in range(50):
                queue.put(span)
                own += 1
            queue.counts()
            queue.flush()
            batch = queue.take(0)
            queue.settle(result(len(batch or ())))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert handled > 50
    assert queue.counts().ended == own + handled


def test_a_finalizer_may_put_while_the_lock_is_held(make_span: MakeSpan) -> None:
    queue = SpanQueue(1, 1)
    span = make_span()

    class Ends:
        def __del__(self) -> None:
            queue.put(span)
            queue.counts()
            queue.flush()

    def finalize() -> None:
        dying = Ends()
        dying.itself = dying  # type: ignore[attr-defined]
        del dying
        gc.collect()

    thread = threading.Thread(target=queue._lock.run, args=(finalize,), daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert queue.counts().ended == 1
