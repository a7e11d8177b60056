from __future__ import annotations

from .matrix import CELLS
from .page import PAGE, rows_of


def test_the_page_has_a_row_for_every_cell() -> None:
    cells = [(cell.fault.name, cell.transport.name, cell.load) for cell in CELLS]
    assert rows_of(PAGE.read_text(encoding="utf-8")) == cells
