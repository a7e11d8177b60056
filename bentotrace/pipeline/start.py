"""Start: from a source to a running pipeline, and what a fault on the way does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from bentotrace.config.lay import Service
from bentotrace.config.load import Config, Source, find_on_error, load_config
from bentotrace.exceptions import BentotraceError
from bentotrace.pipeline.build import build_disabled
from bentotrace.pipeline.tracing import Tracing

__all__ = ["start"]

_logger = logging.getLogger("bentotrace")


def start(
    source: Source,
    run: Callable[[Config], Tracing],
    *,
    service: str | Service | None,
    overrides: Mapping[str, Any],
) -> Tracing:
    """Load a configuration and run it; where its ``on_error`` says so, a fault raises nothing.

    Args:
        source: see :func:`~bentotrace.config.load.load_config`, as for the rest.
        run: builds the pipeline of a configuration.
        service: the service of a BentoML file.
        overrides: options from code.

    Returns:
        The pipeline; after a fault that is not raised, one that traces nothing and is no global.

    Raises:
        BentotraceError: what loading and building raise, with ``on_error: raise``.
    """
    try:
        return run(load_config(source, overrides=overrides, service=service))
    except BentotraceError as error:
        on_error = find_on_error(source, overrides=overrides, service=service)
        if on_error == "raise":
            raise
        level = logging.WARNING if on_error == "warn" else logging.INFO
        _logger.log(
            level, "nothing is traced (on_error: %s), because of this:\n%s", on_error, error
        )
        return build_disabled()
