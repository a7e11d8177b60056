from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bentotrace.testing import OTLPHTTPReceiver

Write = Callable[[str, str], Path]


@pytest.fixture
def receiver() -> Iterator[OTLPHTTPReceiver]:
    """Listens for spans, and has understood all of them."""
    with OTLPHTTPReceiver() as receiver:
        yield receiver
        assert not receiver.errors


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Gives the directory that is served from."""
    directory = tmp_path / "service"
    directory.mkdir()
    return directory


@pytest.fixture
def write(directory: Path) -> Write:
    """Writes a file into the directory that is served from."""

    def write(name: str, text: str) -> Path:
        path = directory / name
        path.write_text(textwrap.dedent(text), "utf-8")
        return path

    return write
