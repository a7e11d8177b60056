"""The hook with which PyInstaller's default build finds plugins, registered by an entry point."""

from __future__ import annotations

import os

__all__ = ["hook_directories"]


def hook_directories() -> list[str]:
    """Return the directory of PyInstaller's hooks for bentotrace."""
    return [os.path.dirname(__file__)]
