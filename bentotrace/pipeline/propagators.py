"""Propagators: how a trace's context is written into requests, and read from them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator

from bentotrace import registry
from bentotrace.exceptions import PluginError

__all__ = ["install_propagators", "make_propagators"]

_logger = logging.getLogger("bentotrace")


def make_propagators(names: Sequence[str]) -> CompositePropagator | None:
    """Make what carries the context; None leaves OpenTelemetry's own in place.

    Raises:
        PluginError: one of them cannot be made.
    """
    if not names:
        return None
    return CompositePropagator([_make(name) for name in names if name != registry.NONE])


def _make(name: str) -> TextMapPropagator:
    claim, *_ = [claim for claim in registry.find(registry.PROPAGATORS_GROUP) if claim.name == name]
    try:
        made: TextMapPropagator = claim.entry_point.load()()
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {error}"
        raise PluginError(f"propagator {claim} cannot be made: {reason}") from error
    return made


def install_propagators(propagators: CompositePropagator | None) -> None:
    """Make them the process's global."""
    if propagators is None:
        return
    try:
        from opentelemetry.propagate import set_global_textmap
    except ValueError as error:
        # It reads OTEL_PROPAGATORS when it is imported, and knows no other way to say no.
        _logger.warning("the propagators are not installed: OpenTelemetry says: %s", error)
        return
    set_global_textmap(propagators)
