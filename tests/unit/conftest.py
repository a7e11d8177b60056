from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ..servers import (
    Certificates,
    Handler,
    Receiver,
    Server,
    hang,
    make_certificates,
    read_head,
    reply,
)


class Distributions:
    """A directory of installed distributions, and processes that see them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def add(
        self,
        name: str,
        module: str,
        source: str,
        *,
        exporter: str,
        value: str | None = None,
        group: str = "bentotrace.exporters",
        metadata: str = "",
    ) -> None:
        """Install a distribution of one module with one entry point."""
        path = self.directory / f"{module.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source), encoding="utf-8")
        info = self.directory / f"{name.replace('-', '_')}-1.5.dist-info"
        info.mkdir()
        head = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n{metadata}"
        (info / "METADATA").write_text(head, encoding="utf-8")
        points = f"[{group}]\n{exporter} = {value or module}\n"
        (info / "entry_points.txt").write_text(points, encoding="utf-8")

    def run(self, script: str, *arguments: str) -> str:
        """Run a script in a process that sees them; gives what it printed."""
        variables = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OTEL_", "BENTO"))
        }
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script), *arguments],
            env={**variables, "PYTHONPATH": str(self.directory)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def distributions(tmp_path: Path) -> Distributions:
    return Distributions(tmp_path)


@pytest.fixture
def run_python() -> Callable[[str], str]:
    """Runs a script in a process of its own; gives what it printed."""

    def run(script: str) -> str:
        return Distributions(Path("nowhere")).run(script)

    return run


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """A function that starts a server with a handler."""
    servers: list[Server] = []

    def start(handler: Handler, *, port: int = 0, **options: Any) -> Server:
        server = Server(handler, **options)
        servers.append(server)
        return server.start(port)

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def receiver() -> type[Receiver]:
    """The handler that speaks HTTP."""
    return Receiver


@pytest.fixture(name="reply")
def reply_fixture() -> Callable[..., bytes]:
    """A function that makes an HTTP answer."""
    return reply


@pytest.fixture(name="read_head")
def read_head_fixture() -> Callable[..., tuple[bytes, bytes, bytes]]:
    """A function that reads an HTTP request's head."""
    return read_head


@pytest.fixture(name="hang")
def hang_fixture() -> Handler:
    """A handler that reads and never answers, until the other side goes."""
    return hang


@pytest.fixture
def free_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """For localhost, but not for 127.0.0.1."""
    return make_certificates(tmp_path_factory.mktemp("certificates"), "localhost")


@pytest.fixture(scope="session")
def other_certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """From an authority that the others do not know."""
    return make_certificates(tmp_path_factory.mktemp("others"), "localhost")


@pytest.fixture(scope="session")
def expired_certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """For localhost, until yesterday."""
    yesterday = datetime.now(timezone.utc) - timedelta(days=1)
    return make_certificates(tmp_path_factory.mktemp("expired"), "localhost", not_after=yesterday)
