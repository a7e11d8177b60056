"""Reading the configuration that a command is about."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import bentotrace
from bentotrace.config.load import Config

__all__ = ["read_config"]


def read_config(file: str | None, service: str | None = None, **overrides: Any) -> Config:
    """Load a configuration, as :func:`bentotrace.load_config` does.

    What a plugin prints when it is imported is no part of what the command prints.
    """
    with contextlib.redirect_stdout(sys.stderr):
        return bentotrace.load_config(file, service=service, **overrides)
