"""What the queue knows of spans that are on disk, or on their way there."""

from __future__ import annotations

import pytest

from bentotrace.pipeline.counts import Counts
from bentotrace.pipeline.queue import SpanQueue

from .hanging import MakeSpan
from .queued import names


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
