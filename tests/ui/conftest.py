from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bentotrace.ui.server import PORTS, Settings, Viewer

Fetch = Callable[..., tuple[int, dict[str, str], bytes]]


def fetch(
    port: int,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    method: str | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """Request a path, and return status, headers and body, whatever the status."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", body, headers or {}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, dict(response.headers), response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


@pytest.fixture
def start() -> Iterator[Callable[..., Viewer]]:
    """Starts viewers on free ports, and stops them."""
    started: list[Viewer] = []

    def start(**settings: Any) -> Viewer:
        ports = {**dict.fromkeys(PORTS, 0), **settings.pop("ports", {})}
        started.append(Viewer(Settings(ports=ports, **settings)))
        return started[-1]

    yield start
    for viewer in started:
        viewer.close()


@pytest.fixture
def viewer(start: Callable[..., Viewer]) -> Viewer:
    return start()


@pytest.fixture
def request_path() -> Fetch:
    return fetch


@pytest.fixture
def get(viewer: Viewer) -> Callable[..., Any]:
    """Gets JSON from the page's port, or another one."""

    def get(path: str, port: str = "page") -> Any:
        status, _, body = fetch(viewer.port(port), path)
        assert status == 200, body
        return json.loads(body)

    return get
