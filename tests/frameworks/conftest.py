"""The runs of the table, all of them once, several at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from .matrix import CELLS, WRITES
from .page import PAGE, page_of
from .runs import Cell, Run, run_cell, times_of

AT_A_TIME = 3


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest) -> dict[Cell, list[Run] | Exception]:
    """What became of every cell that a selected test looks at.

    Where the variable BENTOTRACE_WRITE_SERVERS is set, all of it is written into the page.
    """
    wanted = {
        cell
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
        for cell in item.callspec.params.get("cells", ())
    }
    cells = [cell for cell in CELLS if cell in wanted]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        ended = dict(zip(cells, pool.map(_run, cells), strict=True))
    complete = {cell: run for cell, run in ended.items() if isinstance(run, list)}
    if WRITES and len(complete) == len(CELLS):
        PAGE.write_text(page_of(PAGE.read_text(encoding="utf-8"), complete), encoding="utf-8")
    return ended


def _run(cell: Cell) -> list[Run] | Exception:
    try:
        return [run_cell(cell) for _ in range(times_of(cell))]
    except Exception as error:
        return error
