"""The matrix notices when a promise is broken."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from .hostile import Scene
from .matrix import CELLS, Cell, complaints_of, run_cell
from .transports import Transport


def _cell(name: str) -> Cell:
    return next(cell for cell in CELLS if str(cell) == name)


@pytest.mark.parametrize(
    ("broken", "name", "complaint"),
    [
        ("guard", "400, Zipkin, one span", "the process ended with 0: .*Traceback"),
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
    assert any(re.search(complaint, told, re.DOTALL) for told in complaints_of(run))
