"""Integrations with frameworks and tools; never imported from the package itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _requires(extra: str) -> Iterator[None]:
    """Name the extra that installs what is imported within the block."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{error.name} is not installed; pip install 'bentotrace[{extra}]'", name=error.name
        ) from error
