from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes directories of ``sys.path``, the later ones behind the earlier ones."""
    monkeypatch.setattr(sys, "path", [os.path.dirname(os.__file__)])

    def place(name: str) -> Path:
        directory = tmp_path / name
        directory.mkdir()
        # Before the standard library.
        sys.path.insert(len(sys.path) - 1, str(directory))
        return directory

    return place
