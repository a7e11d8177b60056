"""Fixtures of pytest, by opt-in: ``pytest_plugins = ["bentotrace.testing.fixtures"]``.

The line is for ``conftest.py`` in the directory in which pytest starts.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TypeVar

import pytest

from bentotrace.testing.certificates import Certificates, make_certificates
from bentotrace.testing.collected import CollectedSpans, collect
from bentotrace.testing.receiver import Receiver

__all__ = ["certificates", "pytest_addoption", "pytest_configure", "receive", "spans"]

_SWITCH = "--update-golden"

_R = TypeVar("_R", bound=Receiver)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the switch that writes golden files, unless another plugin has it."""
    with contextlib.suppress(ValueError):
        parser.addoption(_SWITCH, action="store_true", help="write the golden files that differ")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse the switch in CI, where the difference would not be read."""
    if config.getoption(_SWITCH, False) and os.environ.get("CI"):
        raise pytest.UsageError(f"{_SWITCH} is not for CI: read the difference, and commit it")


@pytest.fixture
def spans(request: pytest.FixtureRequest) -> Iterator[CollectedSpans]:
    """Collect the spans that start and end during the test."""
    update = bool(request.config.getoption(_SWITCH, False))
    collected = CollectedSpans(request.path.parent, update)
    collect(collected)
    yield collected
    collect(None)


@pytest.fixture
def receive() -> Iterator[Callable[..., Receiver]]:
    """Start receivers, as in ``receive(ZipkinReceiver)``; they are closed after the test."""
    with ExitStack() as opened:

        def start(receiver: Callable[..., _R], **options: object) -> _R:
            started = receiver(**options)
            opened.enter_context(started)
            return started

        yield start


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Create an authority for loopback, once."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))
