"""The runs of the matrix, all of them once, several at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ..distributions import Distributions
from ..servers import Server, make_certificates, running_servers
from .matrix import CELLS, Cell, Run, run_cell
from .page import PAGE, page_of
from .stages import Scene
from .transports import TRANSPORTS, Transport

AT_A_TIME = 4
_WRITE = "BENTOTRACE_WRITE_FAULTS"


@pytest.fixture
def distributions(tmp_path: Path) -> Distributions:
    return Distributions(tmp_path)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """A function that starts a server with a handler."""
    with running_servers() as start:
        yield start


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[Transport, Scene]:
    """Where each transport meets its faults; the certificates are for 127.0.0.1."""
    made = [
        make_certificates(tmp_path_factory.mktemp(name), "127.0.0.1")
        for name in ("certificates", "others")
    ]
    return {transport: Scene(transport, *made) for transport in TRANSPORTS}


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest, scenes: Mapping[Transport, Scene]) -> dict[Cell, Run]:
    """What became of every cell that a selected test looks at.

    Where the variable BENTOTRACE_WRITE_FAULTS is set, all of it is written into the page.
    """
    cells = [cell for cell in CELLS if cell in _wanted(request.session)]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        ended = pool.map(lambda cell: run_cell(cell, scenes[cell.transport]), cells)
        runs = dict(zip(cells, ended, strict=True))
    if os.environ.get(_WRITE) and len(runs) == len(CELLS):
        PAGE.write_text(page_of(PAGE.read_text(encoding="utf-8"), runs), encoding="utf-8")
    return runs


def _wanted(session: pytest.Session) -> set[Cell]:
    return {
        item.callspec.params["cell"]
        for item in session.items
        if isinstance(item, pytest.Function)
        and hasattr(item, "callspec")
        and "cell" in item.callspec.params
    }
