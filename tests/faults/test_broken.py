"""The tests of this directory notice when a promise is broken."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from . import test_exit, test_forks
from .matrix import CELLS, Cell, complaints_of, run_cell
from .processes import run_script
from .stages import Scene
from .transports import TRANSPORTS, Transport

HERE = Path(__file__).parent


def _cell(name: str) -> Cell:
    return next(cell for cell in CELLS if str(cell) == name)


@pytest.mark.parametrize(
    ("broken", "name", "complaint"),
    [
        ("guard", "400, Zipkin, one span", "the reason is .*it raised ConnectionError"),
        ("exit_bound", "accepts and hangs, Zipkin, full queue", "took .* s to end"),
        ("accounting", "400, Zipkin, full queue", "spans ended, and .* counted"),
        ("honesty", "400, Zipkin, full queue", "0 spans arrived, and .* count as exported"),
        ("haste", "accepts and hangs, Zipkin, one span", "ending a span took"),
        ("words", "400, Zipkin, one span", "0 lines tell the first failure"),
        ("restraint", "400, Zipkin, full queue", "[2-9] lines tell the first failure"),
        ("recovery", "dies and comes back, Zipkin, one span", "the recovery is not told once"),
    ],
)
def test_a_promise_that_is_broken_is_noticed(
    scenes: Mapping[Transport, Scene], broken: str, name: str, complaint: str
) -> None:
    cell = _cell(name)
    run = run_cell(cell, scenes[cell.transport], broken)
    complaints = complaints_of(run)
    assert any(re.search(complaint, text, re.DOTALL) for text in complaints), complaints


@pytest.mark.parametrize(
    ("broken", "script"),
    [
        ("pid_check", test_forks.WAYS["a fork that skips Python's hooks"].replace("20", "2")),
        ("end_of_process", "tracing = configure()\nend('span', 2000)"),
        ("signals", f"tracing = configure()\n{dedent(test_exit.WAYS['by SIGTERM'][1])}"),
    ],
)
def test_spans_that_are_lost_at_an_end_or_a_fork_are_noticed(
    tmp_path: Path, broken: str, script: str
) -> None:
    first = f"import sys\nsys.path.append({str(HERE)!r})\nimport broken\nbroken.{broken}()\n"
    transport = TRANSPORTS[0]
    with transport.receive() as receiver:
        block = transport.block("127.0.0.1", receiver.port)
        block["processor"] = {"shutdown_timeout": 5.0, "schedule_delay": 3600.0}
        run_script(script, block, tmp_path, first=first)
        arrived = len(receiver.spans)
    assert arrived < (30 if broken == "pid_check" else 2000)
