"""The cells of the table: every program, traced by both, started and stopped in every way."""

from __future__ import annotations

import os

from .catalog import PROGRAMS, STARTS, STOPS
from .runs import OURS, THEIRS, Cell

__all__ = ["CELLS", "PAIRS", "WRITES"]

WRITES = bool(os.environ.get("BENTOTRACE_WRITE_SERVERS"))
"""Whether all cells run, and the page is written; otherwise a few that show the most."""

_SHORT_STOPS = ("SIGTERM", "Ctrl-C to the group")

_SHORT = [
    Cell(program, OURS, "run", stop)
    for program in PROGRAMS
    for stop in _SHORT_STOPS
    if program.short
]


def _theirs(cell: Cell) -> Cell:
    return Cell(cell.program, THEIRS, cell.start, cell.stop)


_OURS = [
    Cell(program, OURS, start, stop) for program in PROGRAMS for start in STARTS for stop in STOPS
]
PAIRS = tuple((cell, _theirs(cell)) for cell in (_OURS if WRITES else _SHORT[:1]))
CELLS = tuple(_OURS if WRITES else _SHORT) + tuple(theirs for _, theirs in PAIRS)
