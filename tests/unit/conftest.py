from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ..distributions import Distributions
from ..ports import free_ports
from ..servers import (
    Certificates,
    Handler,
    Receiver,
    Server,
    hang,
    make_certificates,
    read_head,
    reply,
    running_servers,
)


@pytest.fixture
def distributions(tmp_path: Path) -> Distributions:
    return Distributions(tmp_path)


@pytest.fixture
def run_python() -> Callable[[str], str]:
    """Runs a script in a process of its own; return what it printed."""

    def run(script: str) -> str:
        return Distributions(Path("nowhere")).run(script)

    return run


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """A function that starts a server with a handler."""
    with running_servers() as start:
        yield start


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
    (port,) = free_ports()
    return port


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
