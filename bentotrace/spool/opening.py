"""Opening the spool of a destination when the pipeline is built."""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import re
from collections.abc import Callable

from bentotrace.config.load import ExporterConfig
from bentotrace.delivery.health import log_untraced
from bentotrace.exceptions import SpoolError
from bentotrace.spool.store import SpoolStore, StoreError

__all__ = ["log_damage", "open_store"]


def open_store(
    directory: str, max_bytes: int, exporter: ExporterConfig, logger: logging.Logger
) -> Callable[[], SpoolStore]:
    """Check that a destination's spans can be stored in its file.

    Returns:
        A function that opens the file, in the process that uses it.

    Raises:
        SpoolError: they cannot be stored.
    """
    # The process may change its directory.
    path = os.path.abspath(directory)
    make_store = functools.partial(SpoolStore, path, _destination_name(exporter), max_bytes)
    store = make_store()
    try:
        store.check()
    except StoreError as error:
        raise SpoolError(store.path, str(error)) from error
    log_damage(store, logger)
    return make_store


def _destination_name(exporter: ExporterConfig) -> str:
    """Return a unique name that the next process computes too.

    No ``repr`` contains secrets, so that changed credentials find the same file.
    """
    where, target = repr(exporter.options), exporter.target
    if target is not None and target.endpoint:
        where = f"{target.protocol} {target.endpoint}"
    digest = hashlib.sha256(f"{exporter.plugin.name} {where}".encode()).hexdigest()
    return f"{re.sub('[^a-z0-9]+', '-', exporter.plugin.name.lower())}-{digest[:16]}"


def log_damage(store: SpoolStore, logger: logging.Logger) -> None:
    """Log a WARNING if a damaged file was moved away since the last call."""
    damage, store.damage = store.damage, ""
    if damage:
        log_untraced(
            logger,
            logging.WARNING,
            "spool %s was damaged (%s) and moved to %s; a new one is used",
            store.path,
            damage,
            store.damaged_path,
        )
