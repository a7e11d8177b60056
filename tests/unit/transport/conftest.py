"""Real servers on loopback, as fixtures."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from bentotrace.transport.http import HTTPTransport
from bentotrace.transport.retry import Backoff

from ...servers import (
    Certificates,
    Handler,
    Receiver,
    Server,
    hang,
    make_certificates,
    read_head,
    reply,
)


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
def http(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., HTTPTransport]]:
    """A function that makes a transport; without the proxies of this machine."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    transports: list[HTTPTransport] = []

    def make(url: str, **options: Any) -> HTTPTransport:
        options.setdefault("timeout", 3.0)
        options.setdefault("content_type", "application/x-protobuf")
        options.setdefault("user_agent", "bentotrace-tests")
        options.setdefault("backoff", Backoff(first=0.02, longest=0.05))
        transports.append(HTTPTransport(url, **options))
        return transports[-1]

    yield make
    for transport in transports:
        transport.close()


@pytest.fixture
def twice() -> Backoff:
    """Waits that leave time for a second attempt and for no third."""
    return Backoff(first=0.02, longest=60, factor=10_000, jitter=0)


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
