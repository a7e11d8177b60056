"""What the spool loses, how much of it, and what it says then."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

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
