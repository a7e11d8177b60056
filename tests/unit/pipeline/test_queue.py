from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from bentotrace.pipeline.counts import Counts
from bentotrace.pipeline.queue import SpanQueue
from bentotrace.pipeline.tally import NOTICE_INTERVAL

MakeSpan = Callable[..., ReadableSpan]


def names(batch: list[ReadableSpan] | None) -> list[str]:
    assert batch is not None
    return [span.name for span in batch]


def test_spans_come_out_in_order_and_no_more_than_a_batch(make_span: MakeSpan) -> None:
    queue = SpanQueue(10, 3)
    for number in range(5):
        queue.put(make_span(str(number)))
    assert names(queue.take(0)) == ["0", "1", "2"]
    queue.settle(3, 0)
    assert names(queue.take(0)) == ["3", "4"]
    assert (queue.counts().waiting, queue.counts().exporting) == (0, 2)
    queue.settle(0, 2, "refused")
    assert queue.counts() == Counts(exported=3, failed=2, failed_by_kind={"refused": 2})


def test_a_full_queue_drops_and_counts(make_span: MakeSpan) -> None:
    queue = SpanQueue(2, 2)
    assert [queue.put(make_span()) for _ in range(5)] == [True, True, False, False, False]
    assert queue.counts() == Counts(overflowed=3, waiting=2)
    assert queue.counts().ended == 5


def test_a_thread_in_a_busy_loop_lets_the_consumer_in_before_the_queue_is_full(
    make_span: MakeSpan,
) -> None:
    spans = [make_span() for _ in range(20_000)]

    def put_all() -> Counts:
        queue = SpanQueue(2048, 512)

        def consume() -> None:
            while (batch := queue.take(3600)) is not None:
                queue.settle(len(batch), 0)
            queue.end()

        queue.start(consume, "consumer")
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


def test_spans_that_are_being_exported_are_pending_and_leave_their_room(
    make_span: MakeSpan,
) -> None:
    queue = SpanQueue(2, 2)
    queue.put(make_span())
    queue.put(make_span())
    queue.take(0)
    assert queue.put(make_span())
    assert queue.counts().pending == 3


def test_a_closed_queue_drops_as_late_and_hands_out_the_rest(make_span: MakeSpan) -> None:
    queue = SpanQueue(10, 10)
    queue.put(make_span("early"))
    queue.close()
    assert not queue.put(make_span("late"))
    assert names(queue.take(3600)) == ["early"]
    queue.settle(1, 0)
    assert queue.take(3600) is None
    assert queue.counts() == Counts(exported=1, late=1)


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
    assert queue.counts() == Counts(late=1)


def test_a_full_batch_wakes_the_consumer_at_once(make_span: MakeSpan) -> None:
    queue = SpanQueue(10, 2)
    taken: list[Any] = []
    consumer = threading.Thread(target=lambda: taken.append(queue.take(3600)))
    consumer.start()
    queue.put(make_span("a"))
    queue.put(make_span("b"))
    consumer.join(10)
    assert names(taken[0]) == ["a", "b"]


def test_one_span_waits_for_the_delay(make_span: MakeSpan) -> None:
    queue = SpanQueue(10, 2)
    queue.put(make_span("a"))
    begin = time.monotonic()
    assert names(queue.take(0.05)) == ["a"]
    assert time.monotonic() - begin >= 0.05


def test_an_old_ring_of_the_bell_does_not_cut_the_delay_short(make_span: MakeSpan) -> None:
    queue = SpanQueue(10, 2)
    for _ in range(2):
        queue.put(make_span())
    queue.take(3600)  # was due without waiting, so that the bell still rings
    queue.settle(2, 0)
    begin = time.monotonic()
    assert queue.take(0.05) == []
    assert time.monotonic() - begin >= 0.05


def test_a_flush_of_an_empty_queue_is_taken() -> None:
    assert SpanQueue(10, 2).flush().wait(0)


def test_a_flush_takes_what_was_queued_and_says_nothing_of_later_spans(make_span: MakeSpan) -> None:
    queue = SpanQueue(10, 10)
    queue.put(make_span("before"))
    flush = queue.flush()
    queue.put(make_span("after"))
    assert names(queue.take(3600)) == ["before"]
    queue.settle(1, 0)
    assert flush.wait(0)
    assert names(queue.take(0)) == ["after"]
    queue.settle(0, 1)
    assert flush.wait(0)


def test_a_flush_of_what_is_being_exported_waits_for_it(make_span: MakeSpan) -> None:
    queue = SpanQueue(10, 10)
    queue.put(make_span())
    queue.take(0)
    flush = queue.flush()
    assert not flush.wait(0.01)
    queue.settle(1, 0)
    assert flush.wait(0)


def test_a_flush_is_not_taken_when_one_of_its_spans_failed(make_span: MakeSpan) -> None:
    queue = SpanQueue(10, 2)
    for _ in range(4):
        queue.put(make_span())
    flush = queue.flush()
    for exported in (1, 2):
        queue.take(0)
        queue.settle(exported, 2 - exported)
    assert flush.taken is False


def test_each_of_two_flushes_has_its_own_result(make_span: MakeSpan) -> None:
    queue = SpanQueue(10, 10)
    queue.put(make_span("a"))
    first = queue.flush()
    queue.put(make_span("b"))
    second = queue.flush()
    assert names(queue.take(0)) == ["a"]
    queue.settle(1, 0)
    assert names(queue.take(0)) == ["b"]
    queue.settle(0, 1)
    assert (first.taken, second.taken) == (True, False)


def test_flushes_that_nobody_serves_do_not_pile_up(make_span: MakeSpan) -> None:
    queue = SpanQueue(10, 10)
    queue.put(make_span())
    assert len({id(queue.flush()) for _ in range(1000)}) == 1


def test_what_is_abandoned_counts_as_late_whatever_is_settled_afterwards(
    make_span: MakeSpan,
) -> None:
    queue = SpanQueue(10, 2)
    for _ in range(3):
        queue.put(make_span())
    flush = queue.flush()
    queue.take(0)
    queue.close()
    assert queue.abandon() == 3
    assert flush.taken is False
    queue.settle(2, 0)
    assert queue.take(0) is None
    assert queue.abandon() is None
    assert queue.counts() == Counts(late=3)


def test_dropped_spans_are_to_be_told_at_once_and_then_once_a_minute(make_span: MakeSpan) -> None:
    now = 1000.0
    queue = SpanQueue(1, 1, clock=lambda: now)
    queue.put(make_span())
    assert queue.take_notice() == 0
    queue.put(make_span())
    queue.put(make_span())
    assert queue.take_notice(overdue=NOTICE_INTERVAL) == 0  # the consumer has a minute for it
    assert queue.take_notice() == 2
    queue.put(make_span())
    assert queue.take_notice() == 0
    now += NOTICE_INTERVAL
    assert queue.take_notice() == 1
    queue.put(make_span())
    assert queue.take_notice(overdue=-NOTICE_INTERVAL) == 1


def test_the_counts_are_exact_while_threads_put_and_another_reads(make_span: MakeSpan) -> None:
    queue = SpanQueue(50, 20)
    span, done = make_span(), threading.Event()
    readings: list[Counts] = []

    def read() -> None:
        while not done.is_set():
            readings.append(queue.counts())

    def consume() -> None:
        while (batch := queue.take(0.001)) is not None:
            queue.settle(len(batch) // 2, len(batch) - len(batch) // 2)

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
    for name in ("exported", "failed", "overflowed"):
        counts = [getattr(reading, name) for reading in readings]
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
            queue.settle(len(batch or ()), 0)
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
        with queue._lock:
            dying = Ends()
            dying.itself = dying  # type: ignore[attr-defined]
            del dying
            gc.collect()

    thread = threading.Thread(target=finalize, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert queue.counts().ended == 1


def test_a_queue_knows_its_process() -> None:
    assert SpanQueue(1, 1).pid == os.getpid()


def test_what_went_to_disk_is_pending_until_it_is_settled(make_span: MakeSpan) -> None:
    queue = SpanQueue(10, 4)
    for _ in range(4):
        queue.put(make_span())
    queue.take(0)
    queue.settle(0, 0, spooled=4)
    assert queue.counts() == Counts(spooled=4)
    assert queue.counts().pending == 4

    queue.settle_spooled(1, 1, "refused", dropped={"spool_full": 1})

    counts = queue.counts()
    assert counts == Counts(
        exported=1,
        failed=1,
        spooled=1,
        failed_by_kind={"refused": 1},
        discarded={"spool_full": 1},
    )
    assert (counts.ended, counts.dropped, counts.pending) == (4, 1, 1)


def test_spans_are_moved_from_behind_the_batch_that_is_exported(make_span: MakeSpan) -> None:
    queue = SpanQueue(10, 2)
    for number in range(5):
        queue.put(make_span(str(number)))
    assert names(queue.take(0)) == ["0", "1"]

    moved = queue.move(taken_known=True)

    assert names(moved) == ["2", "3"]
    assert queue.counts() == Counts(exporting=4, waiting=1)
    queue.end_move(moved or [], kept=True)
    assert queue.counts() == Counts(exporting=2, waiting=1, spooled=2)


def test_spans_that_could_not_be_kept_are_first_again(make_span: MakeSpan) -> None:
    queue = SpanQueue(10, 2)
    for number in range(4):
        queue.put(make_span(str(number)))

    queue.end_move(queue.move(taken_known=True) or [], kept=False)

    assert names(queue.take(0)) == ["0", "1"]


def test_nothing_is_moved_past_a_batch_that_the_mover_does_not_know_of(
    make_span: MakeSpan,
) -> None:
    queue = SpanQueue(10, 2)
    for _ in range(4):
        queue.put(make_span())
    queue.take(0)

    assert queue.move(taken_known=False) is None


@pytest.mark.parametrize("kept", [True, False])
def test_what_is_moved_while_the_queue_is_abandoned_is_lost_unless_it_is_on_disk(
    make_span: MakeSpan, kept: bool
) -> None:
    queue = SpanQueue(10, 2)
    for _ in range(3):
        queue.put(make_span())
    moved = queue.move(taken_known=True) or []
    queue.close()
    assert queue.abandon() == 3

    queue.end_move(moved, kept=kept)

    assert queue.counts() == (Counts(late=1, spooled=2) if kept else Counts(late=3))


def test_a_flush_is_done_when_what_was_on_disk_is_delivered_too(make_span: MakeSpan) -> None:
    queue = SpanQueue(10, 2)
    for _ in range(3):
        queue.put(make_span())
    queue.take(0)
    queue.settle(0, 0, spooled=2)
    flush = queue.flush()
    assert queue.flushing

    queue.settle_spooled(2, 0)
    assert not flush.wait(0)
    assert len(names(queue.take(0))) == 1
    queue.settle(1, 0)

    assert flush.wait(0)
    assert not queue.flushing


def test_a_flush_is_refused_while_nothing_can_be_delivered(make_span: MakeSpan) -> None:
    queue = SpanQueue(10, 2)
    queue.put(make_span())
    flush = queue.flush()

    queue.refuse_flushes()

    assert flush.taken is False
    assert not queue.flushing


def test_a_flush_after_the_end_is_false_while_spans_are_on_disk(make_span: MakeSpan) -> None:
    queue = SpanQueue(10, 2)
    queue.put(make_span())
    queue.take(0)
    queue.settle(0, 0, spooled=1)
    queue.close()
    assert queue.take(0) is None

    assert queue.flush().taken is False
