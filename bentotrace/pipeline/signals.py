"""The signals that end a process: what is queued is exported before it ends.

A process that a signal ends runs nothing at its exit, unless the signal has a handler. Where it has
none, one is installed here; the process then ends by the same signal, as it would have.
"""

from __future__ import annotations

import functools
import logging
import signal
from collections.abc import Sequence
from types import FrameType
from typing import Any

from bentotrace.pipeline import lifetime
from bentotrace.threads import run_from_signal

__all__ = ["DEFAULT_SIGNALS", "flush_on_signals"]

DEFAULT_SIGNALS = ("SIGTERM",)
"""What is looked after when the configuration says nothing."""

_logger = logging.getLogger("bentotrace")


def flush_on_signals(names: Sequence[str] | None) -> None:
    """See to it that what is queued is exported before one of these signals ends the process.

    Args:
        names: of the signals; a handler that one of them has already is called after the
            exporting. None means :data:`DEFAULT_SIGNALS`, where they have no handler.
    """
    for name in DEFAULT_SIGNALS if names is None else names:
        number = signal.Signals[name]
        handler = signal.getsignal(number)
        server = _uvicorn_server(handler)
        if server is not None:
            _flush_after(server)
        elif handler is signal.SIG_DFL or (names is not None and callable(handler)):
            _install(number, handler)


class _Handler:
    """Exports what is queued, then does what the signal would have done without it."""

    def __init__(self, before: Any) -> None:
        self._before = before

    def __call__(self, number: int, frame: FrameType | None) -> None:
        run_from_signal(lambda: self._handle(number, frame))

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if callable(self._before):
            # What it does may take its time, and spans may end in it.
            lifetime.flush_all()
            self._before(number, frame)
            return
        # From now on a second one ends the process at once.
        signal.signal(number, signal.SIG_DFL)
        lifetime.end_all()
        signal.raise_signal(number)


def _install(number: signal.Signals, before: Any) -> None:
    if isinstance(before, _Handler):
        return
    try:
        signal.signal(number, _Handler(before))
    except ValueError:
        _logger.debug("%s is left alone: Python installs handlers in the main thread", number.name)


def _uvicorn_server(handler: Any) -> Any:
    """Find the uvicorn server whose handler this is.

    It puts the handler back that was there before it started, and raises the signal again, once
    it has shut down: whoever configures while it runs finds its handler, and is gone by then.
    """
    server = getattr(handler, "__self__", None)
    kinds = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(server).__mro__}
    return server if "uvicorn.server.Server" in kinds else None


def _flush_after(server: Any) -> None:
    """Export what is queued when the server has shut down."""
    shut_down = server.shutdown
    if hasattr(shut_down, "__wrapped__"):
        return

    @functools.wraps(shut_down)
    async def shut_down_and_flush(*arguments: Any, **options: Any) -> None:
        await shut_down(*arguments, **options)
        lifetime.flush_all()

    server.shutdown = shut_down_and_flush
