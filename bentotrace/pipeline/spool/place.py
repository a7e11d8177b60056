"""Where the spans of a destination are kept: one file for each in the directory."""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from bentotrace.config.load import ExporterConfig
from bentotrace.config.options import SpoolOptions
from bentotrace.exceptions import SpoolError

if TYPE_CHECKING:
    from bentotrace.pipeline.spool.store import SpoolStore

__all__ = ["find_store"]


def find_store(
    directory: str, options: SpoolOptions, exporter: ExporterConfig
) -> Callable[[], SpoolStore]:
    """Make sure that a destination's spans can be kept.

    Args:
        directory: where.
        options: how much.
        exporter: the destination.

    Returns:
        What opens the file, in the process that uses it.

    Raises:
        SpoolError: they cannot be kept.
    """
    try:
        from bentotrace.pipeline.spool.store import SpoolStore, StoreError
    except ImportError as error:
        if error.name not in {"sqlite3", "_sqlite3"}:
            raise
        raise SpoolError(directory, "this Python was built without sqlite3") from error
    # The process may go elsewhere.
    path = os.path.abspath(directory)
    make = functools.partial(SpoolStore, path, _name(exporter), options.max_bytes)
    store = make()
    try:
        store.check()
    except StoreError as error:
        raise SpoolError(store.path, str(error)) from error
    return make


def _name(exporter: ExporterConfig) -> str:
    """Name a destination so that no other has the same, and the next process finds it again.

    Secrets are in no ``repr``, so that new credentials find the spans of the old.
    """
    target = exporter.target
    told = target is not None and target.endpoint
    where = f"{target.protocol} {target.endpoint}" if target and told else repr(exporter.options)
    digest = hashlib.sha256(f"{exporter.plugin.name} {where}".encode()).hexdigest()
    return f"{re.sub('[^a-z0-9]+', '-', exporter.plugin.name.lower())}-{digest[:16]}"
