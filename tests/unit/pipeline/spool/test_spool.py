"""What a receiver does not take waits on disk, in order, and is counted wherever it is."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanContext, TraceFlags

from bentotrace.config.options import ProcessorOptions
from bentotrace.pipeline.guard import Guard, Reports
from bentotrace.pipeline.processor import BatchProcessor
from bentotrace.pipeline.spool.spool import Spool
from bentotrace.pipeline.spool.store import SpoolStore
from bentotrace.pipeline.status import DestinationStatus
from bentotrace.transport import FailureKind, Outcome
from bentotrace.transport.retry import Backoff

MEBIBYTE = 1024 * 1024
SOON = 20.0
QUICK = Backoff(first=0.02, longest=0.05)
NEVER = Backoff(first=3600.0, longest=3600.0)

WaitFor = Callable[[Callable[[], object]], None]


class Switch(SpanExporter):
    """An exporter whose receiver is there or away."""

    def __init__(self, reports: Reports) -> None:
        self.reports = reports
        self.there = True
        self.refused: set[str] = set()
        self.taken: list[str] = []
        self.tries = 0
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        names = [str(span.name) for span in spans]
        self.tries += 1
        self.entered.set()
        self.gate.wait(SOON)
        if not self.there or self.refused.intersection(names):
            return SpanExportResult.FAILURE
        self.taken += names
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        pass


class Bench:
    """A pipeline with a spool, from the processor on."""

    def __init__(
        self, directory: Path, *, backoff: Backoff, max_bytes: int, **options: Any
    ) -> None:
        reports = Reports()
        logger = logging.getLogger("bentotrace.switch")
        self.exporter = Switch(reports)
        self.guard = Guard(self.exporter, reports, name="switch", endpoint="", logger=logger)
        self.spool = Spool(
            self.guard,
            lambda: SpoolStore(str(directory), "switch", max_bytes),
            logger,
            backoff=backoff,
        )
        options = {"schedule_delay": 0.02, "max_export_batch_size": 4, **options}
        self.processor = BatchProcessor(
            self.guard, ProcessorOptions(**options), logger, spool=self.spool
        )
        self._ended = 0

    @property
    def status(self) -> DestinationStatus:
        return self.processor.status()

    def end(self, count: int, **attributes: Any) -> list[str]:
        """End so many spans, and give their names, which are numbers in order."""
        names = []
        for _ in range(count):
            self._ended += 1
            context = SpanContext(1, self._ended, False, TraceFlags(TraceFlags.SAMPLED))
            names.append(str(self._ended))
            self.processor.on_end(
                ReadableSpan(
                    names[-1], context, resource=Resource.get_empty(), attributes=attributes
                )
            )
        return names

    def check(self) -> DestinationStatus:
        """See to it that every span is in one count, and all that ended are."""
        status = self.status
        counted = status.exported + status.failed + status.dropped + status.pending
        assert counted == status.ended == self._ended
        assert status.spooled <= status.pending
        assert sum(status.dropped_by_reason.values()) == status.dropped
        return status


@pytest.fixture
def make_bench(directory: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(backoff: Backoff = QUICK, max_bytes: int = MEBIBYTE, **options: Any) -> Bench:
        bench = Bench(directory, backoff=backoff, max_bytes=max_bytes, **options)
        made.append(bench)
        return bench

    yield make
    for bench in made:
        bench.exporter.gate.set()
        bench.processor.close(SOON)
        if bench.processor._own_queue().thread is not None:
            bench.processor._own_queue().thread.join(SOON)


MakeBench = Callable[..., Bench]


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


def test_a_shutdown_puts_on_disk_what_a_hanging_exporter_leaves_in_memory(
    make_bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    bench = make_bench(max_export_batch_size=512)
    bench.exporter.gate.clear()
    names = bench.end(4)
    assert bench.exporter.entered.wait(SOON)
    names += bench.end(1000)
    begin = time.monotonic()

    assert not bench.processor.close(2.0)

    assert time.monotonic() - begin < 2.0 + SOON / 2
    status = bench.check()
    assert (status.spooled, status.pending, status.dropped) == (1004, 1004, 0)
    assert "no span is lost; its spool keeps 1004 spans" in caplog.text
    assert "abandoned" not in caplog.text
    following = make_bench()
    following.end(1)
    assert following.processor.flush(SOON)
    assert following.exporter.taken == [*names, "1"]
    assert following.status.recovered == 1004


def test_an_exporter_that_comes_back_after_the_shutdown_is_counted(
    make_bench: MakeBench, wait_for: WaitFor
) -> None:
    bench = make_bench(schedule_delay=3600.0)
    bench.exporter.gate.clear()
    bench.end(4)
    assert bench.exporter.entered.wait(SOON)
    assert not bench.processor.close(1.0)
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
    assert "this process leaves 13 spans in the spool" in caplog.text
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


def test_a_flush_that_cannot_deliver_in_time_puts_memory_on_disk(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.exporter.gate.clear()
    bench.end(10)

    assert not bench.processor.flush(2.0)

    assert bench.check().spooled == 10


def test_a_batch_that_fails_where_the_next_does_not_is_given_up(
    make_bench: MakeBench, wait_for: WaitFor, caplog: pytest.LogCaptureFixture
) -> None:
    bench = make_bench(schedule_delay=3600.0)
    bench.exporter.refused = {"2"}
    names = bench.end(40)

    wait_for(lambda: len(bench.exporter.taken) == 36)

    assert sorted(map(int, bench.exporter.taken)) == [*map(int, names[4:])]
    wait_for(lambda: bench.status.pending == 0)
    assert bench.check().failed == 4


def test_what_no_retry_cures_is_not_kept(make_bench: MakeBench, wait_for: WaitFor) -> None:
    bench = make_bench()
    bench.exporter.there = False
    bad = Outcome(False, "there", FailureKind.STATUS, status="400", reason="bad")
    original = bench.exporter.export

    def export(spans: Sequence[ReadableSpan]) -> SpanExportResult:
        bench.exporter.reports.add(bad, len(spans))
        return original(spans)

    bench.exporter.export = export  # type: ignore[method-assign]
    bench.end(10)

    wait_for(lambda: bench.status.failed == 10)
    assert bench.check().spooled == 0


def test_a_full_spool_drops_the_oldest_and_says_it_once(
    make_bench: MakeBench, wait_for: WaitFor, caplog: pytest.LogCaptureFixture
) -> None:
    bench = make_bench(backoff=NEVER)
    bench.exporter.there = False
    for _ in range(40):
        bench.end(4, data=os.urandom(40_000))
    wait_for(lambda: bench.status.pending == bench.status.spooled)

    status = bench.check()
    assert status.dropped_by_reason == {"spool_full": status.dropped}
    assert 0 < status.dropped < 160
    assert len([r for r in caplog.records if "because it was full" in r.getMessage()]) == 1
    bench.exporter.there = True
    assert bench.processor.flush(SOON)
    left = 160 - status.dropped
    assert bench.exporter.taken == [*map(str, range(161 - left, 161))]


def test_a_file_that_is_damaged_meanwhile_costs_what_was_in_it_and_no_more(
    make_bench: MakeBench, directory: Path, wait_for: WaitFor, caplog: pytest.LogCaptureFixture
) -> None:
    bench = make_bench(backoff=NEVER)
    bench.exporter.there = False
    bench.end(10)
    wait_for(lambda: bench.status.spooled == 10)
    for suffix in ("-wal", "-shm"):
        (directory / f"switch.sqlite{suffix}").unlink()
    (directory / "bad").write_bytes(b"no database" * 1000)
    os.replace(directory / "bad", directory / "switch.sqlite")
    bench.end(4)
    wait_for(lambda: bench.status.spooled == 4)
    bench.exporter.there = True

    assert bench.processor.flush(SOON)

    assert bench.check().dropped_by_reason == {"spool_damaged": 10}
    assert bench.exporter.taken == ["11", "12", "13", "14"]
    assert "was damaged or removed, and 10 spans" in caplog.text
    assert (directory / "switch.sqlite.damaged").exists()


def test_a_batch_that_is_damaged_is_dropped_alone(
    make_bench: MakeBench, directory: Path, wait_for: WaitFor, caplog: pytest.LogCaptureFixture
) -> None:
    bench = make_bench(backoff=NEVER)
    bench.exporter.there = False
    bench.end(12)
    wait_for(lambda: bench.status.spooled == 12)
    with sqlite3.connect(directory / "switch.sqlite") as connection:
        connection.execute("UPDATE batches SET content = substr(content, 1, 40)")
    connection.close()
    bench.exporter.there = True
    bench.end(1)

    wait_for(lambda: bench.status.pending == 0 or bench.processor.flush(SOON))

    assert bench.check().dropped_by_reason == {"spool_damaged": 12}
    assert bench.exporter.taken == ["13"]
    assert "which is damaged: " in caplog.text


def test_a_spool_that_cannot_be_written_loses_what_would_be_lost_without_it(
    make_bench: MakeBench, directory: Path, wait_for: WaitFor, caplog: pytest.LogCaptureFixture
) -> None:
    bench = make_bench()
    directory.write_text("a file")
    bench.exporter.there = False
    bench.end(4)
    wait_for(lambda: bench.status.failed == 4)
    bench.exporter.there = True
    bench.end(4)

    assert bench.processor.flush(SOON)

    status = bench.check()
    assert (status.failed, status.exported, status.spooled) == (4, 4, 0)
    assert len([r for r in caplog.records if "cannot be used" in r.getMessage()]) == 1
    directory.unlink()


def test_closing_leaves_no_thread_and_no_open_file(make_bench: MakeBench) -> None:
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("this system does not list what a process has open")
    threads, open_files = threading.active_count(), len(list(descriptors.iterdir()))
    for _ in range(20):
        bench = make_bench(backoff=NEVER)
        bench.exporter.there = False
        bench.end(10)
        bench.processor.close(SOON)

    assert threading.active_count() == threads
    assert len(list(descriptors.iterdir())) == open_files


class Machine(RuleBasedStateMachine):
    """Whatever happens to the receiver, each span is in one count, and arrives at most once."""

    directory: Path
    number = 0

    def __init__(self) -> None:
        super().__init__()
        Machine.number += 1
        place = self.directory / str(Machine.number)
        self.bench = Bench(place, backoff=QUICK, max_bytes=MEBIBYTE, max_queue_size=16)

    @rule(count=st.integers(1, 10))
    def end(self, count: int) -> None:
        self.bench.end(count)

    @rule(there=st.booleans())
    def switch(self, there: bool) -> None:
        self.bench.exporter.there = there

    @rule(hangs=st.booleans())
    def hang(self, hangs: bool) -> None:
        gate = self.bench.exporter.gate
        gate.clear() if hangs else gate.set()

    @rule(timeout=st.sampled_from([0.0, 0.05]))
    def flush(self, timeout: float) -> None:
        self.bench.processor.flush(timeout)

    @invariant()
    def nothing_is_lost_from_the_counts(self) -> None:
        self.bench.check()

    def teardown(self) -> None:
        self.bench.exporter.there = True
        self.bench.exporter.gate.set()
        assert self.bench.processor.flush(SOON)
        status = self.bench.check()
        taken = self.bench.exporter.taken
        assert status.pending == 0
        assert status.exported == len(taken) == len(set(taken))
        assert taken == sorted(taken, key=int)
        assert self.bench.processor.close(SOON)


def test_every_span_is_in_one_count_whatever_happens(tmp_path: Path) -> None:
    Machine.directory = tmp_path
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
