"""Millions of spans to a backend that fails in turns: what a process keeps, and what it counts.

Spans end in a tight loop while the backend, a process of its own, is healthy, refuses connections,
answers 503 and hangs, each for a turn. Another thread reads the status all the time and checks that
every span is accounted for. Prints a row for each turn; the exit code is 1 when memory, threads or
descriptors grow, or a span is unaccounted for. Run it as ``python benchmarks/soak.py``; it needs
Linux's ``/proc``.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

from attrs import frozen
from backends import MOODS, Backend
from opentelemetry.trace import SpanKind, Tracer
from pipeline import ROWS
from spans import realistic

import bentotrace
from bentotrace import Tracing

_CHUNK = 200
_READ_EVERY = 0.005
_MEGABYTE = 1 << 20
# The first cycle fills caches, pools and the queue; what comes after must not add to it.
_SETTLED_AFTER = len(MOODS)
_GROWTH_MB = 8.0
_HTTP = [name for name, row in ROWS.items() if row.receiver == "http"]


@frozen
class Use:
    """What the process holds at one moment.

    Attributes:
        resident: megabytes of memory.
    """

    resident: float
    threads: int
    descriptors: int

    @classmethod
    def now(cls) -> Use:
        """Look."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(
            pages * os.sysconf("SC_PAGE_SIZE") / _MEGABYTE,
            len(os.listdir("/proc/self/task")),
            len(os.listdir("/proc/self/fd")),
        )


class Auditor:
    """Reads the status in a thread of its own, and keeps what does not add up."""

    def __init__(self, tracing: Tracing) -> None:
        self.readings = 0
        self.wrong: list[str] = []
        self._tracing = tracing
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        before = 0
        while not self._done.wait(_READ_EVERY):
            (status,) = self._tracing.status().destinations
            finished = status.exported + status.failed + status.dropped
            if status.ended != finished + status.pending or status.ended < before:
                self.wrong.append(f"{before} before, then {status}")
            before = status.ended
            self.readings += 1

    def stop(self) -> None:
        """End the thread."""
        self._done.set()
        self._thread.join()


def _work(tracer: Tracer) -> Iterator[None]:
    """End spans for ever, some at a time."""
    made = [
        (span.name, dict(span.attributes or {}), dict(span.events[0].attributes or {}))
        for span in realistic()
    ]
    spans = cycle(made)
    while True:
        for _ in range(_CHUNK):
            name, attributes, event = next(spans)
            span = tracer.start_span(name, kind=SpanKind.SERVER, attributes=attributes)
            span.add_event("dequeued", event)
            span.end()
        yield


def soak(row: str, spans: int, seconds: float, turn: float) -> list[str]:
    """End so many spans, and for so many seconds at least; gives what went wrong."""
    backend = Backend.start()
    exporter = ROWS[row].exporter
    options = {exporter: ROWS[row].section(backend.port), "timeout": min(1.0, turn / 2)}
    tracing = bentotrace.configure({"exporter_type": exporter, "sample_rate": 1, **options})
    auditor = Auditor(tracing)
    work = _work(tracing.provider.get_tracer("benchmark", "1.0"))
    started, uses, ended, moods = time.monotonic(), list[Use](), 0, cycle(MOODS)
    _print_row("backend", *_COLUMNS)
    _print_row(*["---"] * (len(_COLUMNS) + 1))
    while ended < spans or time.monotonic() < started + seconds or len(uses) <= _SETTLED_AFTER:
        mood = next(moods)
        backend.turn(mood)
        until = time.monotonic() + turn
        while time.monotonic() < until:
            next(work)
        (status,) = tracing.status().destinations
        ended = status.ended
        uses.append(Use.now())
        counts = [status.ended, status.exported, status.failed, status.dropped, status.pending]
        use = uses[-1]
        held = (f"{use.resident:.1f}", str(use.threads), str(use.descriptors))
        _print_row(mood, *(f"{count:,}" for count in counts), *held)
    backend.turn("healthy")
    tracing.shutdown()
    auditor.stop()
    (status,) = tracing.status().destinations
    took = backend.stop()
    print(
        f"\n{status.ended:,} spans ended in {time.monotonic() - started:.0f} s, "
        f"{status.exported:,} exported ({took:,} at the backend), {status.failed:,} failed, "
        f"{status.dropped:,} dropped, {status.pending} pending; {auditor.readings:,} readings of "
        f"the status, {len(auditor.wrong)} that do not add up"
    )
    return [*auditor.wrong[:3], *_growth(uses), *_lies(status.exported, took, status.pending)]


_COLUMNS = (
    *("ended", "exported", "failed", "dropped", "pending"),
    *("resident, MB", "threads", "descriptors"),
)


def _growth(uses: Sequence[Use]) -> Iterator[str]:
    first, last = uses[_SETTLED_AFTER - 1 : _SETTLED_AFTER + 1], uses[-1]
    if last.resident > max(use.resident for use in first) + _GROWTH_MB:
        yield f"resident memory grew from {first[0].resident:.1f} to {last.resident:.1f} MB"
    if last.threads > max(use.threads for use in uses[:_SETTLED_AFTER]):
        yield f"threads grew to {last.threads}"
    if last.descriptors > max(use.descriptors for use in uses[:_SETTLED_AFTER]):
        yield f"descriptors grew to {last.descriptors}"


def _lies(exported: int, took: int, pending: int) -> Iterator[str]:
    # An answer that comes after the timeout is a failure here, and a success there.
    if exported > took:
        yield f"{exported} count as exported, and {took} arrived"
    if pending:
        yield f"{pending} are pending after the shutdown"


def _print_row(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=0, help="how many, at the least")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long, at the least")
    parser.add_argument("--turn", type=float, default=3.0, help="seconds of each turn")
    parser.add_argument("--row", choices=_HTTP, default=_HTTP[0], help="the transport")
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    faults = soak(given.row, given.spans, given.seconds, given.turn)
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
