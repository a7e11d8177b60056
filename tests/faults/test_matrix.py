"""Whatever is wrong with the receiver: the service does not wait, nothing is lost uncounted."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from .matrix import CELLS, Cell, Run, complaints_of


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_the_promises_hold(runs: Mapping[Cell, Run], cell: Cell) -> None:
    assert complaints_of(runs[cell]) == []
