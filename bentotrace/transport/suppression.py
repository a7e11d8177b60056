"""Sending spans must not make spans."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import context

__all__ = ["suppress_instrumentation"]

# The API keeps these keys private, and older instrumentation looks for the plain name.
_KEYS = (
    *(
        getattr(context, name)
        for name in ("_SUPPRESS_INSTRUMENTATION_KEY", "_SUPPRESS_HTTP_INSTRUMENTATION_KEY")
        if hasattr(context, name)
    ),
    "suppress_instrumentation",
)


@contextmanager
def suppress_instrumentation() -> Iterator[None]:
    """Tell the instrumentation of this thread's libraries to make no spans meanwhile."""
    suppressed = context.get_current()
    for key in _KEYS:
        suppressed = context.set_value(key, True, suppressed)
    token = context.attach(suppressed)
    try:
        yield
    finally:
        context.detach(token)
