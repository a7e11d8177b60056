"""What arrives, how long a process takes to end, and what it logs: ours beside upstream's.

Every figure is of a fresh process at default settings that ends its spans in a tight loop. First a
burst to a healthy receiver, then SIGTERM right after fewer spans than a batch, then backends that
take nothing. Run it as ``python benchmarks/delivery.py``; upstream's rows need its exporters.
"""

from __future__ import annotations

import argparse
import json
import logging
import signal
import subprocess
import sys
import time
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
    given = parser.parse_args()
    if given.application:
        application(given.application, given.row[0], given.port, given.spans)
        return 0
    cases = [
        (f"healthy, {_BURST:,} spans", _BURST, "", 0),
        (f"healthy, {_UNFINISHED} spans, SIGTERM", _UNFINISHED, "", signal.SIGTERM),
        *((f"{dead}, {_TO_THE_DEAD:,} spans", _TO_THE_DEAD, dead, 0) for dead in DEAD),
    ]
    print("| backend | transport | " + " | ".join(_COLUMNS) + " |")
    print("| --- | --- |" + " --- |" * len(_COLUMNS))
    for what, count, dead, number in cases:
        for row in given.row or _DEFAULT:
            cells = []
            for whose in ("upstream", "ours"):
                ended = _run(whose, row, count, dead, number)
                cells += _cells(ended, count)
            print(f"| {what} | {row} | {' | '.join(cells)} |", flush=True)
    return 0


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
