"""A shutdown leaves on disk what it cannot send, and nothing else behind."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from .switch import NEVER, SOON, Bench, MakeBench, WaitFor


def test_a_shutdown_puts_on_disk_what_a_hanging_exporter_leaves_in_memory(
    make_bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    bench = make_bench(max_export_batch_size=512)
    use_all_time_for_storing(bench)
    bench.exporter.gate.clear()
    names = bench.end(4)
    assert bench.exporter.entered.wait(SOON)
    names += bench.end(1000)
    begin = time.monotonic()

    assert not bench.processor.close(4.0)

    assert time.monotonic() - begin < 4.0 + SOON / 2
    status = bench.check()
    assert (status.spooled, status.pending, status.dropped) == (1004, 1004, 0)
    assert "was abandoned; no spans were lost; its spool keeps 1004 spans" in caplog.text
    assert caplog.text.count("abandoned") == 1
    following = make_bench()
    following.end(1)
    assert following.processor.flush(SOON)
    assert following.exporter.taken == [*names, "1"]
    assert following.status.recovered == 1004


def test_an_exporter_that_comes_back_after_the_shutdown_is_counted(
    make_bench: MakeBench, wait_for: WaitFor
) -> None:
    bench = make_bench(schedule_delay=3600.0)
    use_all_time_for_storing(bench)
    bench.exporter.gate.clear()
    bench.end(4)
    assert bench.exporter.entered.wait(SOON)
    assert not bench.processor.close(4.0)
    assert bench.check().spooled == 4

    bench.exporter.gate.set()

    wait_for(lambda: bench.status.exported == 4)
    assert bench.check().spooled == 0


def test_a_shutdown_while_the_receiver_is_away_leaves_all_on_disk_and_says_it(
    make_bench: MakeBench, wait_for: WaitFor, caplog: pytest.LogCaptureFixture
) -> None:
    bench = make_bench(backoff=NEVER)
    bench.exporter.there = False
    bench.end(10)
    wait_for(lambda: bench.status.spooled == 10)
    bench.end(3)

    assert bench.processor.close(SOON)

    assert bench.check().spooled == 13
    assert "this process leaves 13 spans in spool" in caplog.text
    assert "lost" not in caplog.text


def test_a_shutdown_sends_what_is_on_disk_when_the_receiver_is_there(
    make_bench: MakeBench, wait_for: WaitFor
) -> None:
    first = make_bench(backoff=NEVER)
    first.exporter.there = False
    first.end(10)
    wait_for(lambda: first.status.spooled == 10)
    assert first.processor.close(SOON)
    second = make_bench(schedule_delay=3600.0)
    second.end(1)

    assert second.processor.close(SOON)

    assert second.exporter.taken == [*map(str, range(1, 11)), "1"]
    status = second.check()
    assert (status.exported, status.recovered) == (1, 10)


def test_closing_leaves_no_thread_and_no_open_file(make_bench: MakeBench) -> None:
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("this system does not list what a process has open")
    threads, open_files = set(threading.enumerate()), len(list(descriptors.iterdir()))
    for _ in range(20):
        bench = make_bench(backoff=NEVER)
        bench.exporter.there = False
        bench.end(10)
        bench.processor.close(SOON)

    # What earlier tests left may end meanwhile.
    assert set(threading.enumerate()) <= threads
    assert len(list(descriptors.iterdir())) <= open_files


def use_all_time_for_storing(bench: Bench) -> None:
    """Wait for no exporter at shutdown, so that a slow disk has the time instead."""
    bench.spool.reserve = lambda timeout: timeout  # type: ignore[method-assign]
