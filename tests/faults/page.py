"""The page of what was measured."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from .hostile import FAULTS
from .matrix import Cell, Run

__all__ = ["PAGE", "page_of", "rows_of"]

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"

_FAULTS = re.compile(r"(<!-- faults -->\n).*?(<!-- end -->)", re.DOTALL)
_TABLE = re.compile(r"(<!-- runs -->\n).*?(<!-- end -->)", re.DOTALL)
_PORT = re.compile(r"(?<=127\.0\.0\.1:)\d+")
_HEAD = (
    "| fault | transport | spans | longest pause, ms | exit, s "
    "| exported | failed | dropped | reason |"
)


def page_of(text: str, runs: Mapping[Cell, Run]) -> str:
    """Return the page with a row for every run."""
    faults, rows = "\n".join(_faults()), "\n".join(_rows(runs))
    text = _FAULTS.sub(lambda found: f"{found[1]}{faults}\n{found[2]}", text)
    return _TABLE.sub(lambda found: f"{found[1]}{rows}\n{found[2]}", text)


def rows_of(text: str) -> list[tuple[str, ...]]:
    """Read fault, transport and load out of every row of the page."""
    table = _TABLE.search(text)
    lines = table[0].splitlines()[3:-1] if table is not None else []
    return [tuple(cell.strip() for cell in line.split("|")[1:4]) for line in lines]


def _faults() -> Iterator[str]:
    yield "| fault | what happens | `timeout`, s |"
    yield "| --- | --- | --- |"
    for fault in FAULTS:
        yield f"| {fault.name} | {fault.what} | {fault.timeout:g} |"


def _rows(runs: Mapping[Cell, Run]) -> Iterator[str]:
    yield _HEAD
    yield re.sub("[^|]+", " --- ", _HEAD)
    for cell, run in runs.items():
        status = run.status
        error = status["last_error"]
        reason = error["reason"] if error is not None else "nothing: UDP has no response"
        counts = [str(status[name]) for name in ("exported", "failed", "dropped")]
        cells = (
            cell.fault.name,
            cell.transport.name,
            cell.load,
            f"{run.pause * 1000:.1f}",
            f"{run.exit:.2f}",
            *counts,
            _PORT.sub("PORT", reason).replace("|", "\\|"),
        )
        yield f"| {' | '.join(cells)} |"
