"""What arrives, how long a process takes to end, and what it logs: ours beside upstream's.

Every figure is of a fresh process at default settings that ends its spans in a tight loop. First a
burst to a healthy receiver, then SIGTERM right after fewer spans than a batch, then backends that
accept nothing. A second table has several producers: what arrives, and how long ``span.end()``
takes. Run it as ``python benchmarks/delivery.py``; upstream's rows need its exporters.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack

from attrs import frozen
from backends import DEAD
from opentelemetry.trace import SpanKind
from pipeline import NOT_INSTALLED, ROWS, provider_of
from receivers import Receiver
from spans import realistic

_PATIENCE = 600
_BURST = 20_000
_UNFINISHED = 400
_TO_THE_DEAD = 3_000
_PRODUCED = 48_000
_ASYNCIO = "asyncio"
# What produces spans: a number of threads, or the tasks of an event loop.
_PRODUCERS = ("1", "4", "16", _ASYNCIO)
_TASKS = 100


@frozen
class Ended:
    """How a process ended.

    Attributes:
        exit: seconds from its last span, or the signal, to its end.
        lines: what it logged.
        received: spans that arrived.
    """

    exit: float
    lines: int
    received: int


def application(whose: str, row: str, port: int, count: int) -> None:
    """End spans, tell when the last one had, and end as the standard input says."""
    logging.basicConfig(level=logging.WARNING)
    tracer = provider_of(whose, row, port).get_tracer("benchmark", "1.0")
    made = [(span.name, dict(span.attributes or {})) for span in realistic()]
    for number in range(count):
        name, attributes = made[number % len(made)]
        tracer.start_span(name, kind=SpanKind.SERVER, attributes=attributes).end()
    print(json.dumps(time.monotonic()), flush=True)
    # Ends at once, or when a signal comes.
    sys.stdin.read()


def produce(whose: str, row: str, port: int, count: int, producers: str) -> None:
    """End spans from several producers; print how long each ``span.end()`` took, in seconds."""
    logging.basicConfig(level=logging.ERROR)
    provider = provider_of(whose, row, port)
    tracer = provider.get_tracer("benchmark", "1.0")
    made = [(span.name, dict(span.attributes or {})) for span in realistic()]
    pauses: list[float] = []

    def end_one(number: int) -> None:
        name, attributes = made[number % len(made)]
        span = tracer.start_span(name, kind=SpanKind.SERVER, attributes=attributes)
        begin = time.perf_counter()
        span.end()
        pauses.append(time.perf_counter() - begin)

    def end_many(count: int) -> None:
        for number in range(count):
            end_one(number)

    async def serve(count: int) -> None:
        for number in range(count):
            end_one(number)
            await asyncio.sleep(0)

    async def serve_all() -> None:
        await asyncio.gather(*(serve(count // _TASKS) for _ in range(_TASKS)))

    if producers == _ASYNCIO:
        asyncio.run(serve_all())
    else:
        number = int(producers)
        threads = [
            threading.Thread(target=end_many, args=(count // number,)) for _ in range(number)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print(json.dumps(pauses), flush=True)
    provider.force_flush()
    provider.shutdown()


def _produced(whose: str, row: str, producers: str) -> tuple[int, list[float]] | None:
    """Return the spans that did not arrive and the pauses; None without the exporter."""
    receiver = Receiver.start(ROWS[row].receiver)
    command = [sys.executable, "-W", "ignore", __file__, "--application", whose, "--row", row]
    command += ["--port", str(receiver.port), "--spans", str(_PRODUCED), "--producers", producers]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE)
    finally:
        received = receiver.stop()
    if done.returncode != 0:
        if whose == "upstream" and any(text in done.stderr for text in NOT_INSTALLED):
            return None
        raise RuntimeError(done.stderr)
    return _PRODUCED - received, json.loads(done.stdout)


def _print_producers(rows: Sequence[str], rounds: int) -> None:
    """Print the table of several producers: medians of some rounds."""
    columns = ["lost, upstream", "lost, bentotrace"]
    columns += [f"p99.9, ms, {who}" for who in ("upstream", "bentotrace", "exporter of nothing")]
    print("| producers | transport | " + " | ".join(columns) + " | added, ms |")
    print("| --- | --- |" + " --- |" * (len(columns) + 1))
    for producers in _PRODUCERS:
        name = {"1": "1 thread", _ASYNCIO: _ASYNCIO}.get(producers, f"{producers} threads")
        for row in rows:
            figures: dict[str, list[tuple[int, float]]] = {}
            for _ in range(rounds):
                for whose in ("upstream", "ours", "null, ours"):
                    produced = _produced(whose, row, producers)
                    if produced is not None:
                        pauses = sorted(produced[1])
                        slow = pauses[int(len(pauses) * 0.999)] * 1000
                        figures.setdefault(whose, []).append((produced[0], slow))
            lost = {who: statistics.median(lost for lost, _ in of) for who, of in figures.items()}
            slow = {who: statistics.median(slow for _, slow in of) for who, of in figures.items()}
            cells = [
                f"{lost[who] / _PRODUCED:.0%}" if who in lost else "not installed"
                for who in ("upstream", "ours")
            ]
            cells += [
                f"{slow[who]:.1f}" if who in slow else ""
                for who in ("upstream", "ours", "null, ours")
            ]
            cells.append(f"{slow['ours'] - slow['null, ours']:.1f}")
            print(f"| {name} | {row} | {' | '.join(cells)} |", flush=True)


def _run(whose: str, row: str, count: int, dead: str = "", number: int = 0) -> Ended | None:
    """Run an application.

    Args:
        whose: ours, or upstream's.
        row: the transport.
        count: spans that it ends.
        dead: the backend that takes nothing; "" is one that takes all.
        number: of the signal that ends it.

    Returns:
        How it ended; None when the exporter is not installed.
    """
    with ExitStack() as stack:
        receiver = None if dead else Receiver.start(ROWS[row].receiver)
        port = stack.enter_context(DEAD[dead]()) if receiver is None else receiver.port
        command = [sys.executable, "-W", "ignore", __file__, "--application", whose]
        command += ["--row", row, "--port", str(port), "--spans", str(count)]
        pipe = subprocess.PIPE
        process = stack.enter_context(
            subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        )
        assert process.stdout is not None
        told = process.stdout.readline()
        if number and told:
            process.send_signal(number)
        _, log = process.communicate(timeout=_PATIENCE)
        ended = time.monotonic()
        received = receiver.stop() if receiver is not None else 0
        if not told:
            if whose == "upstream" and any(text in log for text in NOT_INSTALLED):
                return None
            raise RuntimeError(log)
        return Ended(ended - json.loads(told), len(log.splitlines()), received)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--application", help=argparse.SUPPRESS)
    parser.add_argument("--row", action="append", choices=ROWS, help="a transport; repeatable")
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--spans", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--producers", choices=_PRODUCERS, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=3, help="runs with several producers")
    parser.add_argument("--only", choices=("ends", "producers"), help="one table")
    given = parser.parse_args()
    if given.application and given.producers:
        row = given.row[0]
        produce(given.application, row, given.port, given.spans, given.producers)
        return 0
    if given.application:
        application(given.application, given.row[0], given.port, given.spans)
        return 0
    if given.only != "producers":
        _print_ends(given.row or _DEFAULT)
    if given.only != "ends":
        print()
        _print_producers(given.row or _DEFAULT, given.rounds)
    return 0


def _print_ends(rows: Sequence[str]) -> None:
    """Print the table of how processes end."""
    cases = [
        (f"healthy, {_BURST:,} spans", _BURST, "", 0),
        (f"healthy, {_UNFINISHED} spans, SIGTERM", _UNFINISHED, "", signal.SIGTERM),
        *((f"{dead}, {_TO_THE_DEAD:,} spans", _TO_THE_DEAD, dead, 0) for dead in DEAD),
    ]
    print("| backend | transport | " + " | ".join(_COLUMNS) + " |")
    print("| --- | --- |" + " --- |" * len(_COLUMNS))
    for what, count, dead, number in cases:
        for row in rows:
            cells = []
            for whose in ("upstream", "ours"):
                ended = _run(whose, row, count, dead, number)
                cells += _cells(ended, count)
            print(f"| {what} | {row} | {' | '.join(cells)} |", flush=True)


_DEFAULT = ("OTLP over HTTP", "OTLP over gRPC", "Zipkin")
_COLUMNS = [
    f"{figure}, {whose}"
    for whose in ("upstream", "bentotrace")
    for figure in ("lost", "exit, s", "lines")
]


def _cells(ended: Ended | None, count: int) -> list[str]:
    if ended is None:
        return ["not installed", "", ""]
    return [f"{count - ended.received:,}", f"{ended.exit:.1f}", str(ended.lines)]


if __name__ == "__main__":
    sys.exit(main())
