"""The report of lost spans at the end of a pipeline, where no handler of ``logging`` writes it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from contextlib import suppress

from bentotrace.delivery.health import pluralize
from bentotrace.delivery.status import DestinationStatus, DropReason

__all__ = ["report_losses"]

_LOST = (
    DropReason.INVALID_SPAN,
    DropReason.QUEUE_FULL,
    DropReason.SHUTDOWN,
    DropReason.SPOOL_FULL,
    DropReason.SPOOL_DAMAGED,
)
_WRITING_MODULES = ("logging", "logging.handlers")
_NOT_WRITING = (logging.Filterer, logging.Handler, logging.NullHandler)


def report_losses(logger: logging.Logger, destinations: Sequence[DestinationStatus]) -> None:
    """Write the lost spans of each destination to standard error; nothing if the log has them.

    OpenTelemetry's instrumentation of ``logging`` adds a root handler that only passes records on,
    and ``dictConfig`` disables existing loggers.
    """
    if sys.stderr is None or _writes_warnings(logger):
        return
    for status in destinations:
        dropped = [(status.dropped_by_reason.get(reason, 0), reason) for reason in _LOST]
        lost = status.failed + sum(count for count, _ in dropped)
        if not lost:
            continue
        subject = status.exporter + (f" to {status.endpoint}" if status.endpoint else "")
        error = status.last_error
        reason = ", ".join(f"{count} as {reason}" for count, reason in dropped if count)
        reason = f" ({reason})" if reason else ""
        reason += f"; last error: {error.reason}" if error is not None else ""
        # Standard error may be closed.
        with suppress(Exception):
            sys.stderr.write(
                f"bentotrace: exporter {subject} lost {lost} of {pluralize(status.ended, 'span')}"
                f"{reason}\nNo log handler writes warnings of the logger {logger.name}; add one to "
                "see more.\n"
            )


def _writes_warnings(logger: logging.Logger) -> bool:
    """Return whether a handler writes warnings, or a level or handler of the logger hides them."""
    if not logger.disabled and not logger.isEnabledFor(logging.WARNING):
        return True
    handled = logger.disabled
    current: logging.Logger | None = None if logger.disabled else logger
    while current is not None:
        for handler in current.handlers:
            handled = True
            chosen = current is logger or _is_writing(handler)
            if chosen and handler.level <= logging.WARNING:
                return True
        current = current.parent if current.propagate else None
    # Without any handler, logging uses its last resort.
    return not handled and logging.lastResort is not None


def _is_writing(handler: logging.Handler) -> bool:
    """Return whether a handler is one of the standard library that writes, or derived from one."""
    return any(
        kind.__module__ in _WRITING_MODULES and kind not in _NOT_WRITING
        for kind in type(handler).__mro__
    )
