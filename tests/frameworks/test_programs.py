"""Servers, workers and pools that are stopped right after their last span lose none."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

import pytest

from .catalog import PROGRAMS, STARTS
from .matrix import CELLS, PAIRS
from .page import PAGE, rows_of
from .runs import OURS, SPANS, Cell, Run

Runs = Mapping[Cell, "list[Run] | Exception"]

OURS_ALONE = [(cell,) for cell in CELLS if cell.tracer == OURS]


def read(runs: Runs, cell: Cell) -> list[Run]:
    """Return the runs of a cell, or raise what they ended with."""
    found = runs[cell]
    if isinstance(found, Exception):
        raise found
    return found


@pytest.fixture(autouse=True)
def _skip_where_it_is_not_installed(request: pytest.FixtureRequest) -> None:
    callspec = getattr(request.node, "callspec", None)
    for cell in callspec.params.get("cells", ()) if callspec is not None else ():
        try:
            version(cell.program.needs)
        except PackageNotFoundError:
            pytest.skip(f"{cell.program.needs} is not installed")
        if importlib.util.find_spec("opentelemetry.instrumentation") is None:
            pytest.skip("opentelemetry-instrumentation is not installed")


@pytest.mark.parametrize("cells", OURS_ALONE, ids=lambda cells: str(cells[0]))
def test_a_program_that_is_stopped_loses_nothing(runs: Runs, cells: tuple[Cell]) -> None:
    (cell,) = cells
    for run in read(runs, cell):
        assert run.made == SPANS
        if cell.stop not in cell.program.loses:
            assert run.arrived == SPANS, run.log


@pytest.mark.parametrize("cells", PAIRS, ids=lambda cells: str(cells[0]))
def test_no_fewer_spans_arrive_than_with_the_distro(runs: Runs, cells: tuple[Cell, Cell]) -> None:
    ours, theirs = (read(runs, cell) for cell in cells)
    assert not [run for run in theirs if "Failed to export" in run.log]
    if cells[0].stop not in cells[0].program.varies:
        assert ours[0].arrived >= theirs[0].arrived


def test_the_page_has_a_row_for_every_program_and_start() -> None:
    expected = [(program.name, text) for program in PROGRAMS for text in STARTS.values()]
    assert rows_of(PAGE.read_text(encoding="utf-8")) == expected


def test_every_program_that_loses_spans_has_its_reason() -> None:
    for program in PROGRAMS:
        assert bool(program.loses) == bool(program.why), program.name
