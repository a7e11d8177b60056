"""The page with the table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from .catalog import PROGRAMS, STARTS, STOPS
from .runs import OURS, SPANS, THEIRS, Cell, Run

__all__ = ["PAGE", "page_of", "rows_of"]

PAGE = Path(__file__).parents[2] / "docs" / "servers.md"

_TABLE = re.compile(r"(<!-- servers -->\n).*?(<!-- end -->)", re.DOTALL)


def page_of(text: str, runs: Mapping[Cell, Sequence[Run]]) -> str:
    """Return the page with a row for every program and start, and the reasons for losses."""
    lines = "\n".join([*_rows(runs), "", *_reasons()])
    return _TABLE.sub(lambda found: f"{found[1]}{lines}\n{found[2]}", text)


def rows_of(text: str) -> list[tuple[str, str]]:
    """Read program and start out of every row of the page."""
    table = _TABLE.search(text)
    lines = table[0].splitlines()[3:-1] if table is not None else []
    cells = [[cell.strip() for cell in line.split("|")[1:3]] for line in lines if line[:1] == "|"]
    return [(program, start) for program, start in cells]


def _rows(runs: Mapping[Cell, Sequence[Run]]) -> Iterator[str]:
    yield f"| program | started by | {' | '.join(STOPS)} |"
    yield "| --- | --- |" + " --- |" * len(STOPS)
    for program in PROGRAMS:
        for start, command in STARTS.items():
            counts = [
                [_count(runs[Cell(program, tracer, start, stop)]) for tracer in (OURS, THEIRS)]
                for stop in STOPS
            ]
            cells = " | ".join(f"{ours} ({theirs})" for ours, theirs in counts)
            yield f"| {program.name} | {command} | {cells} |"


def _count(runs: Sequence[Run]) -> str:
    least, *_, most = sorted([run.arrived for run in runs] * 2)
    shown = str(least) if least == most else f"{least} to {most}"
    made = min(run.made for run in runs)
    return shown if made == SPANS else f"{shown} of {made}"


def _reasons() -> Iterator[str]:
    for program in PROGRAMS:
        if program.why:
            yield f"- {program.name}: {program.why}."
