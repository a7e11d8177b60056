"""The cells of the matrix: each is run in a process of its own and looked at afterwards."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from attrs import field, frozen

from bentotrace.delivery.advice import advice_on

from .hostile import FAULTS, Fault
from .processes import PATIENCE, environment
from .stages import Scene, Site
from .transports import TRANSPORTS, Transport

__all__ = ["CELLS", "LOADS", "Cell", "Run", "complaints_of", "run_cell", "took_too_long"]

SHUTDOWN_MARGIN = 1.0
"""Seconds for which the shutdown may take longer than one export."""
PAUSE_BOUND = 0.5
"""Seconds; what a machine with something else to do takes the interpreter away for is in it."""
EXIT_SLACK = 2.0
"""Seconds in which an interpreter ends after its pipelines, on a machine that is busy."""

LOADS = {"one span": 1, "full queue": 4000}
"""Spans that end in a row; the queue holds 2,048."""

_DRIVER = str(Path(__file__).with_name("driver.py"))
_FIRST_FAILURE = re.compile(
    r"WARNING bentotrace\.\w+: exporter (?P<exporter>\w+) to (?P<endpoint>\S+) "
    r"failed and lost (?P<count>\d+) spans?: (?P<reason>.+)"
)
_ANY_FAILURE = re.compile(r"WARNING bentotrace\.\w+: exporter .* failed and lost ")
_RECOVERY = re.compile(r"WARNING bentotrace\.\w+: exporter .* works again; it lost ")


@frozen
class Cell:
    """One fault, met by one transport, with few or many spans."""

    fault: Fault
    transport: Transport
    load: Literal["one span", "full queue"]

    @property
    def shutdown_timeout(self) -> float:
        """Seconds that the shutdown may take."""
        return self.fault.timeout + SHUTDOWN_MARGIN

    def __str__(self) -> str:
        return f"{self.fault.name}, {self.transport.name}, {self.load}"


CELLS = tuple(
    Cell(fault, transport, load)
    for fault in FAULTS
    for transport in TRANSPORTS
    if fault.applies_to(transport)
    for load in LOADS
)


@frozen
class Run:
    """What one process did.

    Attributes:
        code: its exit code.
        pause: seconds of the longest ``end()`` of a span.
        exit: seconds from the end of its script to its own.
        status: its one destination, when everything had ended.
        spans: how many spans it ended, as far as that is foretold.
        received: spans that arrived; None where nobody counted.
        log: what it wrote to standard error.
    """

    cell: Cell
    code: int
    pause: float
    exit: float
    status: dict[str, Any]
    spans: int | None
    received: int | None
    log: str = field(repr=False)


def run_cell(
    cell: Cell, scene: Scene, broken: str | None = None, timeout: float | None = None
) -> Run:
    """Run a process against the fault of a cell, whose timeout another may replace."""
    with cell.fault.stage(scene) as site:
        block = cell.transport.block(site.host, site.port, site.ca_file)
        block |= {
            "timeout": cell.fault.timeout if timeout is None else timeout,
            "processor": {"shutdown_timeout": cell.shutdown_timeout},
        }
        settings = {
            "block": block,
            "spans": LOADS[cell.load],
            "dies": cell.fault.recovers,
            "broken": broken,
        }
        process = subprocess.Popen(
            [sys.executable, _DRIVER, json.dumps(settings)],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                if cell.fault.recovers:
                    _direct(process, site)
                output, log = process.communicate(timeout=PATIENCE)
            except BaseException:
                process.kill()
                raise
        ended = time.monotonic()
        told: dict[str, Any] = json.loads(output.splitlines()[-1]) if output else {}
        return Run(
            cell=cell,
            code=process.returncode,
            pause=told.get("pause", 0.0),
            exit=ended - told.get("left_at", ended),
            status=told.get("status", {}),
            spans=None if cell.fault.recovers else LOADS[cell.load],
            received=_count(site, cell),
            log=log,
        )


def _direct(process: subprocess.Popen[str], site: Site) -> None:
    """Let the receiver go and come back when the process says so."""
    assert process.stdin is not None
    assert process.stdout is not None
    for act in (site.go, site.come_back):
        if not process.stdout.readline():
            return
        assert act is not None
        act()
        process.stdin.write("\n")
        process.stdin.flush()


def _count(site: Site, cell: Cell) -> int | None:
    if cell.transport.family == "udp" or (not site.receivers and cell.fault.silent):
        return None
    return sum(len(receiver.spans) for receiver in site.receivers)


def complaints_of(run: Run) -> list[str]:
    """Return every promise that a run breaks."""
    return [*_of_time(run), *_of_end(run), *_of_accounts(run), *_of_words(run)]


def took_too_long(run: Run) -> bool:
    """Return whether a run took longer than promised, as on a machine that was busy for a moment."""
    return bool([*_of_time(run)])


def _of_time(run: Run) -> Iterator[str]:
    if run.pause > PAUSE_BOUND:
        yield f"ending a span took {run.pause:.2f} s"
    if run.exit > run.cell.shutdown_timeout + EXIT_SLACK:
        yield f"the process took {run.exit:.1f} s to end"


def _of_end(run: Run) -> Iterator[str]:
    if run.code != 0 or "Traceback" in run.log:
        yield f"the process ended with {run.code}: {run.log}"


def _of_accounts(run: Run) -> Iterator[str]:
    status = run.status
    if not status:
        yield "there is no status"
        return
    settled = status["exported"] + status["failed"] + status["dropped"]
    if status["ended"] != settled or status["pending"] != 0:
        yield f"{status['ended']} spans ended, and {settled} are accounted for: {status}"
    if run.spans is not None and status["ended"] != run.spans:
        yield f"{run.spans} spans ended, and {status['ended']} were counted"
    for count, parts in (("dropped", "dropped_by_reason"), ("failed", "failed_by_kind")):
        if status[count] != sum(status[parts].values()):
            yield f"what was {count} does not add up: {status}"
    if run.received is not None and status["exported"] != run.received:
        yield f"{run.received} spans arrived, and {status['exported']} count as exported"


def _of_words(run: Run) -> Iterator[str]:
    if not run.status:
        return
    fault, family = run.cell.fault, run.cell.transport.family
    error, failures = run.status["last_error"], len(_ANY_FAILURE.findall(run.log))
    if family in fault.silent:
        if error is not None or failures:
            yield f"a failure is told that nobody can know of: {error}, {run.log}"
        return
    expected = fault.expected[family]
    if error is None:
        yield "no error is told"
        return
    if error["kind"] not in expected.kinds or not re.search(expected.reason, error["reason"]):
        yield f"the reason is {error}, not {expected}"
    first = _FIRST_FAILURE.search(run.log)
    if failures != 1 or first is None:
        yield f"{failures} lines tell the first failure, in the log: {run.log!r}"
    elif first["endpoint"] != run.status["endpoint"] or not re.search(
        expected.reason, first["reason"]
    ):
        yield f"the first failure is told with another endpoint or reason: {first[0]}"
    elif not first["reason"].endswith(tuple(f"; {advice_on(kind)}" for kind in expected.kinds)):
        yield f"the first failure is told without what to do: {first[0]}"
    if len(_RECOVERY.findall(run.log)) != fault.recovers:
        yield f"the recovery is not told once: {run.log!r}"
