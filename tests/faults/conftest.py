"""The runs of the matrix, all of them once, several at a time; services of the promises."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import bentotrace

from ..distributions import Distributions
from ..servers import Certificates, Server, make_certificates, running_servers
from .matrix import CELLS, Cell, Run, run_cell, took_too_long
from .page import PAGE, page_of
from .promises import AUTHORITIES, SENDERS, Service
from .relay import Relay, relays
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
        ended = pool.map(lambda cell: _run(cell, scenes[cell.transport]), cells)
        runs = dict(zip(cells, ended, strict=True))
    if os.environ.get(_WRITE) and len(runs) == len(CELLS):
        PAGE.write_text(page_of(PAGE.read_text(encoding="utf-8"), runs), encoding="utf-8")
    return runs


def _run(cell: Cell, scene: Scene) -> Run:
    run = run_cell(cell, scene)
    # What is slow by itself is slow again.
    return run_cell(cell, scene) if took_too_long(run) else run


@pytest.fixture(params=SENDERS, ids=lambda transport: transport.name)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Transport:
    """Each transport, without the proxies and authorities of this machine."""
    for name in list(os.environ):
        if name in AUTHORITIES or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    logging.getLogger("bentotrace").setLevel(logging.CRITICAL)
    found: Transport = request.param
    return found


@pytest.fixture
def relay() -> Iterator[Callable[..., Relay]]:
    with relays() as start:
        yield start


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"), "localhost")


@pytest.fixture
def service(transport: Transport) -> Iterator[Callable[..., Service]]:
    """A function that starts a service, with an endpoint and options of the transport's section."""
    started: list[Service] = []

    def start(endpoint: str, *, timeout: float = 5.0, **options: Any) -> Service:
        block = transport.block("localhost", 1)
        section = block[transport.exporter]
        name = "collector_endpoint" if transport.exporter == "jaeger" else "endpoint"
        section[name] = endpoint
        common = {"compression": options.pop("compression")} if "compression" in options else {}
        section.update(common)
        protocol = section.get("protocol")
        if protocol is None:
            section.update(options)
        else:
            section[protocol] = options
        started.append(Service(bentotrace.build(block, timeout=timeout)))
        return started[-1]

    yield start
    for one in started:
        one.tracing.shutdown(2)


def _wanted(session: pytest.Session) -> set[Cell]:
    return {
        item.callspec.params["cell"]
        for item in session.items
        if isinstance(item, pytest.Function)
        and hasattr(item, "callspec")
        and "cell" in item.callspec.params
    }
