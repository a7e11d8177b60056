"""Whatever is wrong with the receiver: the service does not wait, nothing is lost uncounted."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from .matrix import CELLS, EXIT_SLACK, Cell, Run, complaints_of, run_cell
from .processes import warnings_of
from .stages import Scene
from .transports import TRANSPORTS, Transport


# One worker runs all cells, several at a time.
@pytest.mark.xdist_group("matrix")
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_the_promises_hold(runs: Mapping[Cell, Run], cell: Cell) -> None:
    assert complaints_of(runs[cell]) == []


@pytest.mark.parametrize("transport", TRANSPORTS[:5], ids=lambda transport: transport.name)
def test_a_process_that_ends_before_its_export_does_tells_why(
    scenes: Mapping[Transport, Scene], transport: Transport
) -> None:
    (cell,) = [cell for cell in CELLS if str(cell) == f"refused, {transport.name}, one span"]
    run = run_cell(cell, scenes[transport], timeout=60.0)
    (warning,) = warnings_of(run.log)
    assert "1 span had to be abandoned (last error: connection refused: nothing li" in warning
    assert run.status["dropped_by_reason"] == {"shutdown": 1}
    assert run.status["last_error"]["kind"] == "refused"
    assert run.exit <= cell.shutdown_timeout + EXIT_SLACK
