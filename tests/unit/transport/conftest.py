"""Transports, and servers that speak gRPC, as fixtures."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import pytest

from bentotrace.transport.http import HTTPTransport
from bentotrace.transport.retry import Backoff

from .grpc_receiver import METHOD, Receiver


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
def once() -> dict[str, Any]:
    """Options that leave no time for a second attempt, and all of it for the first."""
    return {"timeout": 30, "backoff": Backoff(first=60, longest=60, jitter=0)}


@pytest.fixture
def twice() -> dict[str, Any]:
    """Options that leave time for a second attempt and for no third."""
    return {"timeout": 30, "backoff": Backoff(first=0.02, longest=60, factor=10_000, jitter=0)}


def _loopback() -> Iterator[str]:
    """Return the addresses of localhost, as in URLs."""
    yield "127.0.0.1"
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        yield "[::1]"


@pytest.fixture
def serve_grpc() -> Iterator[Callable[..., int]]:
    """A function that starts a server and returns its port."""
    import grpc

    servers: list[Any] = []

    def start(receiver: Receiver, *, port: int = 0, credentials: Any = None) -> int:
        for tries_left in reversed(range(10)):
            server = grpc.server(
                futures.ThreadPoolExecutor(4),
                handlers=(receiver,),
                options=[("grpc.so_reuseport", 0)],
            )
            bound = port
            try:
                # On every address, or gRPC reports the others' failures.
                for address in _loopback():
                    if credentials is None:
                        bound = server.add_insecure_port(f"{address}:{bound}")
                    else:
                        bound = server.add_secure_port(f"{address}:{bound}", credentials)
                break
            except RuntimeError:
                # The port is free on the first address only.
                if port or not tries_left:
                    raise
        servers.append(server)
        server.start()
        return bound

    yield start
    for server in servers:
        server.stop(0).wait(5)


@pytest.fixture
def transport(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """A function that makes a transport over gRPC."""
    from bentotrace.transport.grpc import GRPCTransport

    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    made: list[Any] = []

    def make(port: int, host: str = "127.0.0.1", **options: Any) -> Any:
        options.setdefault("timeout", 3.0)
        options.setdefault("user_agent", "bentotrace-tests/1")
        options.setdefault("backoff", Backoff(first=0.05, longest=0.1))
        made.append(GRPCTransport(f"{host}:{port}", METHOD, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()
