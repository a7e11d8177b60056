"""Transports, as fixtures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bentotrace.transport.http import HTTPTransport
from bentotrace.transport.retry import Backoff


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
