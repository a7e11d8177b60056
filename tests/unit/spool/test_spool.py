"""What a receiver does not take waits on disk, in order, and arrives once."""

from __future__ import annotations

import ctypes
import sqlite3
import time
from pathlib import Path

import pytest

from .switch import NEVER, SOON, MakeBench, WaitFor


def test_what_is_not_taken_waits_on_disk_and_is_counted_as_pending(
    make_bench: MakeBench, wait_for: WaitFor
) -> None:
    bench = make_bench()
    bench.exporter.there = False
    bench.end(10)

    wait_for(lambda: bench.status.spooled == 10)

    status = bench.check()
    assert (status.pending, status.failed, status.dropped) == (10, 0, 0)
    assert status.last_error is not None
    assert status.consecutive_failures >= 1


def test_all_of_it_arrives_once_and_in_order_when_the_receiver_is_back(
    make_bench: MakeBench, wait_for: WaitFor
) -> None:
    bench = make_bench()
    bench.exporter.there = False
    names = bench.end(10)
    wait_for(lambda: bench.status.spooled == 10)
    names += bench.end(10)
    bench.exporter.there = True
    names += bench.end(10)

    wait_for(lambda: len(bench.exporter.taken) == 30)

    assert bench.exporter.taken == names
    assert bench.processor.flush(SOON)
    status = bench.check()
    assert (status.exported, status.pending, status.spooled) == (30, 0, 0)


def test_one_batch_at_a_time_is_tried_while_the_receiver_is_away(
    make_bench: MakeBench, wait_for: WaitFor
) -> None:
    bench = make_bench(backoff=NEVER)
    bench.exporter.there = False
    bench.end(40)

    wait_for(lambda: bench.status.spooled == 40)

    assert bench.exporter.tries == 1


def test_nothing_is_written_while_the_receiver_takes_everything(
    make_bench: MakeBench, directory: Path
) -> None:
    bench = make_bench()
    bench.end(100)

    assert bench.processor.flush(SOON)

    assert bench.check().exported == 100
    with sqlite3.connect(directory / "switch.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM batches").fetchone() == (0,)
        assert not list(directory.glob("*.lock"))
    connection.close()


def test_a_flush_is_true_once_what_was_on_disk_has_arrived_too(
    make_bench: MakeBench, wait_for: WaitFor
) -> None:
    bench = make_bench(backoff=NEVER)
    bench.exporter.there = False
    names = bench.end(10)
    assert not bench.processor.flush(SOON)
    bench.exporter.there = True
    names += bench.end(1)

    # It does not wait for the next try.
    assert bench.processor.flush(SOON)

    assert bench.exporter.taken == names


def test_a_flush_that_the_receiver_does_not_take_does_not_wait_for_its_timeout(
    make_bench: MakeBench,
) -> None:
    bench = make_bench(backoff=NEVER)
    bench.exporter.there = False
    bench.end(10)
    begin = time.monotonic()

    assert not bench.processor.flush(3600)
    assert not bench.processor.flush(3600)

    assert time.monotonic() - begin < SOON


def test_a_queue_that_fills_up_behind_an_exporter_that_hangs_moves_to_disk(
    make_bench: MakeBench, wait_for: WaitFor
) -> None:
    bench = make_bench(max_queue_size=20)
    bench.exporter.gate.clear()
    names = bench.end(4)
    assert bench.exporter.entered.wait(SOON)
    for _ in range(20):
        names += bench.end(10)
        wait_for(lambda: bench.status.pending - bench.status.spooled < 14)

    assert bench.check().dropped == 0
    bench.exporter.gate.set()
    assert bench.processor.flush(SOON)
    assert bench.exporter.taken == names


def test_a_batch_whose_export_takes_long_is_on_disk_meanwhile_and_arrives_once(
    make_bench: MakeBench, wait_for: WaitFor
) -> None:
    bench = make_bench(schedule_delay=3600.0)
    bench.exporter.gate.clear()
    names = bench.end(4)

    wait_for(lambda: bench.status.spooled == 4)
    bench.check()
    bench.exporter.gate.set()

    assert bench.processor.flush(SOON)
    assert bench.exporter.taken == names
    assert bench.check().exported == 4


def test_a_flush_that_cannot_deliver_in_time_puts_memory_on_disk(
    make_bench: MakeBench, wait_for: WaitFor
) -> None:
    bench = make_bench()
    bench.exporter.gate.clear()
    bench.end(10)

    assert not bench.processor.flush(2.0)

    # A slow disk takes longer than the flush.
    wait_for(lambda: bench.status.spooled == 10)
    bench.check()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_exporting_thread_that_has_died_is_replaced(
    make_bench: MakeBench, wait_for: WaitFor
) -> None:
    bench = make_bench(schedule_delay=3600.0)
    names = bench.end(1)
    assert bench.processor.flush(SOON)
    dying = bench.processor._queue.consumer.thread
    assert dying is not None
    assert dying.ident is not None
    # It waits for spans, and dies of the exception when it wakes up.
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(dying.ident), ctypes.py_object(SystemExit)
    )
    names += bench.end(4)
    dying.join(SOON)

    names += bench.end(4)

    assert bench.processor.flush(SOON)
    assert bench.exporter.taken == names
    assert bench.check().last_error is not None
    bench.exporter.there = False
    bench.end(4)
    wait_for(lambda: bench.check().spooled == 4)
