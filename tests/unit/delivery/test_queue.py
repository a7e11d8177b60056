from __future__ import annotations

import os
import time

from bentotrace.delivery.accounting import REPORT_INTERVAL, Counts
from bentotrace.delivery.queue import SpanQueue

from .hanging import MakeSpan
from .queued import names, result


def test_spans_come_out_in_order_and_no_more_than_a_batch(make_span: MakeSpan) -> None:
    queue = SpanQueue(10, 3)
    for number in range(5):
        queue.put(make_span(str(number)))
    assert names(queue.take(0)) == ["0", "1", "2"]
    queue.settle(result(3))
    assert names(queue.take(0)) == ["3", "4"]
    assert (queue.counts().waiting, queue.counts().exporting) == (0, 2)
    queue.settle(result(0, 2))
    assert queue.counts() == Counts(exported=3, failed={"refused": 2})


def test_a_full_queue_drops_and_counts(make_span: MakeSpan) -> None:
    queue = SpanQueue(2, 2)
    assert [queue.put(make_span()) for _ in range(5)] == [True, True, False, False, False]
    assert queue.counts() == Counts(dropped={"queue_full": 3}, waiting=2)
    assert queue.counts().ended == 5


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
    queue.settle(result(1))
    assert queue.take(3600) is None
    assert queue.counts() == Counts(exported=1, dropped={"shutdown": 1})


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
    queue.settle(result(2))
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
    queue.settle(result(1))
    assert flush.wait(0)
    assert names(queue.take(0)) == ["after"]
    queue.settle(result(0, 1))
    assert flush.wait(0)


def test_a_flush_of_what_is_being_exported_waits_for_it(make_span: MakeSpan) -> None:
    queue = SpanQueue(10, 10)
    queue.put(make_span())
    queue.take(0)
    flush = queue.flush()
    assert not flush.wait(0.01)
    queue.settle(result(1))
    assert flush.wait(0)


def test_a_flush_is_not_taken_when_one_of_its_spans_failed(make_span: MakeSpan) -> None:
    queue = SpanQueue(10, 2)
    for _ in range(4):
        queue.put(make_span())
    flush = queue.flush()
    for exported in (1, 2):
        queue.take(0)
        queue.settle(result(exported, 2 - exported))
    assert flush.taken is False


def test_each_of_two_flushes_has_its_own_result(make_span: MakeSpan) -> None:
    queue = SpanQueue(10, 10)
    queue.put(make_span("a"))
    first = queue.flush()
    queue.put(make_span("b"))
    second = queue.flush()
    assert names(queue.take(0)) == ["a"]
    queue.settle(result(1))
    assert names(queue.take(0)) == ["b"]
    queue.settle(result(0, 1))
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
    queue.settle(result(2))
    assert queue.take(0) is None
    assert queue.abandon() is None
    assert queue.counts() == Counts(dropped={"shutdown": 3})


def test_dropped_spans_are_to_be_told_at_once_and_then_once_a_minute(make_span: MakeSpan) -> None:
    now = 1000.0
    queue = SpanQueue(1, 1, clock=lambda: now)
    queue.put(make_span())
    assert queue.take_unreported() == 0
    queue.put(make_span())
    queue.put(make_span())
    assert queue.take_unreported(overdue=REPORT_INTERVAL) == 0  # the consumer has a minute for it
    assert queue.take_unreported() == 2
    queue.put(make_span())
    assert queue.take_unreported() == 0
    now += REPORT_INTERVAL
    assert queue.take_unreported() == 1
    queue.put(make_span())
    assert queue.take_unreported(overdue=-REPORT_INTERVAL) == 1


def test_a_queue_knows_its_process() -> None:
    assert SpanQueue(1, 1).pid == os.getpid()
