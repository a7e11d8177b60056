"""What the queue counts of spans that are kept for another attempt."""

from __future__ import annotations

import pytest

from bentotrace.delivery.accounting import Counts
from bentotrace.delivery.queue import SpanQueue

from .hanging import MakeSpan
from .queued import names, result


def test_what_is_kept_is_pending_until_it_is_settled(make_span: MakeSpan) -> None:
    queue = SpanQueue(10, 4)
    for _ in range(4):
        queue.put(make_span())
    queue.take(0)
    queue.settle(result(kept=4))
    assert queue.counts() == Counts(kept=4)
    assert queue.counts().pending == 4

    queue.settle_kept(result(1, 1, dropped={"spool_full": 1}))

    counts = queue.counts()
    assert counts == Counts(exported=1, failed={"refused": 1}, dropped={"spool_full": 1}, kept=1)
    assert (counts.ended, counts.pending) == (4, 1)


def test_spans_are_moved_from_behind_the_batch_that_is_exported(make_span: MakeSpan) -> None:
    queue = SpanQueue(10, 2)
    for number in range(5):
        queue.put(make_span(str(number)))
    assert names(queue.take(0)) == ["0", "1"]

    moved = queue.move(taken_known=True)

    assert names(moved) == ["2", "3"]
    assert queue.counts() == Counts(exporting=4, waiting=1)
    queue.end_move(moved or [], result(kept=2))
    assert queue.counts() == Counts(exporting=2, waiting=1, kept=2)


def test_spans_that_could_not_be_kept_are_first_again(make_span: MakeSpan) -> None:
    queue = SpanQueue(10, 2)
    for number in range(4):
        queue.put(make_span(str(number)))

    queue.end_move(queue.move(taken_known=True) or [], None)

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
def test_what_is_moved_while_the_queue_is_abandoned_is_lost_unless_it_is_kept(
    make_span: MakeSpan, kept: bool
) -> None:
    queue = SpanQueue(10, 2)
    for _ in range(3):
        queue.put(make_span())
    moved = queue.move(taken_known=True) or []
    queue.close()
    assert queue.abandon() == 3

    queue.end_move(moved, result(kept=2) if kept else None)

    assert queue.counts() == Counts(dropped={"shutdown": 1 if kept else 3}, kept=2 if kept else 0)


def test_a_flush_is_done_when_what_was_kept_is_delivered_too(make_span: MakeSpan) -> None:
    queue = SpanQueue(10, 2)
    for _ in range(3):
        queue.put(make_span())
    queue.take(0)
    queue.settle(result(kept=2))
    flush = queue.flush()
    assert queue.flushing

    queue.settle_kept(result(2))
    assert not flush.wait(0)
    assert len(names(queue.take(0))) == 1
    queue.settle(result(1))

    assert flush.wait(0)
    assert not queue.flushing


def test_a_flush_is_refused_while_nothing_can_be_delivered(make_span: MakeSpan) -> None:
    queue = SpanQueue(10, 2)
    queue.put(make_span())
    flush = queue.flush()
    queue.begin_attempt()

    queue.refuse_flushes()

    assert flush.taken is False
    assert not queue.flushing


def test_a_flush_is_not_refused_by_an_attempt_that_began_before_it(make_span: MakeSpan) -> None:
    queue = SpanQueue(10, 2)
    queue.put(make_span())
    before = queue.flush()
    queue.begin_attempt()
    after = queue.flush()

    queue.refuse_flushes()

    assert (before.taken, after.taken) == (False, None)
    assert queue.flushing


def test_a_flush_after_the_end_is_false_while_spans_are_kept(make_span: MakeSpan) -> None:
    queue = SpanQueue(10, 2)
    queue.put(make_span())
    queue.take(0)
    queue.settle(result(kept=1))
    queue.close()
    assert queue.take(0) is None

    assert queue.flush().taken is False
