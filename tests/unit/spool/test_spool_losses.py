"""What the spool loses, how much of it, and what it says then."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import SpanContext, TraceFlags

from bentotrace.transport import FailureKind, Outcome

from .switch import NEVER, SOON, MakeBench, WaitFor


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
    assert "was damaged or removed, and lost 10 spans" in caplog.text
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


def test_a_batch_that_cannot_be_removed_is_sent_once(
    make_bench: MakeBench, directory: Path, wait_for: WaitFor
) -> None:
    bench = make_bench(schedule_delay=3600.0)
    bench.exporter.there = False
    names = bench.end(12)
    assert not bench.processor.flush(SOON)
    with full_disk(directory):
        # The exporting thread retries at any moment, so not before.
        bench.exporter.there = True
        bench.processor.flush(SOON)
        names += bench.end(1)
        assert bench.processor.flush(SOON)

        assert bench.exporter.taken == names
        assert bench.check().exported == 13
        # Without the full disk, the exporting thread may remove them at any moment.
        assert rows(directory) > 0
    bench.end(1)
    assert bench.processor.flush(SOON)
    wait_for(lambda: bench.processor.close(SOON))

    assert rows(directory) == 0
    assert bench.exporter.taken == [*names, "14"]


@contextmanager
def full_disk(directory: Path) -> Iterator[None]:
    """Fail to delete as a full disk does; everything can be read."""
    change_file(
        directory,
        "CREATE TRIGGER full BEFORE DELETE ON batches BEGIN "
        "SELECT RAISE(ABORT, 'database or disk is full'); END",
    )
    yield
    change_file(directory, "DROP TRIGGER full")


def change_file(directory: Path, statement: str) -> None:
    with closing(sqlite3.connect(directory / "switch.sqlite")) as connection:
        connection.execute(statement)


def rows(directory: Path) -> int:
    with closing(sqlite3.connect(directory / "switch.sqlite")) as connection:
        (count,) = connection.execute("SELECT count(*) FROM batches").fetchone()
    return int(count)


@pytest.mark.parametrize("first", [True, False], ids=["failed export", "moved"])
def test_a_span_that_cannot_be_stored_costs_itself_and_is_logged(
    make_bench: MakeBench, wait_for: WaitFor, first: bool, caplog: pytest.LogCaptureFixture
) -> None:
    bench = make_bench(backoff=NEVER, max_export_batch_size=8, max_queue_size=16)
    bench.exporter.there = False
    if not first:
        bench.end(1)
        wait_for(lambda: bench.status.spooled == 1)
    bench.end(3)
    bench.end_one(Broken("broken", CONTEXT, resource=Resource.get_empty()))
    bench.end(3)

    wait_for(lambda: bench.status.spooled == (6 if first else 7))

    assert bench.check().dropped_by_reason == {"invalid span": 1}
    assert "dropped 1 span without valid ids" in caplog.text
    bench.exporter.there = True
    assert bench.processor.flush(SOON)
    assert "broken" not in bench.exporter.taken
    assert bench.check().exported == bench.status.ended - 1


def test_a_batch_that_is_stored_while_it_is_exported_is_counted_once(
    make_bench: MakeBench, wait_for: WaitFor
) -> None:
    bench = make_bench(schedule_delay=3600.0, max_export_batch_size=8)
    bench.exporter.gate.clear()
    bench.end(7)
    bench.end_one(Broken("broken", CONTEXT, resource=Resource.get_empty()))
    wait_for(lambda: bench.status.spooled == 7)

    bench.exporter.gate.set()

    assert bench.processor.flush(SOON)
    status = bench.check()
    assert (status.exported, status.dropped_by_reason) == (7, {"invalid span": 1})


CONTEXT = SpanContext(1, 2, False, TraceFlags(TraceFlags.SAMPLED))


class Broken(ReadableSpan):
    """A span that no copy can be made of."""

    @property
    def context(self) -> SpanContext:
        # Only the processor reads it first.
        self.reads = getattr(self, "reads", 0) + 1
        if self.reads > 1:
            raise ValueError("gone")
        return CONTEXT
