"""Forks, signals and the end of the process, for every pipeline that runs in it.

Hooks of ``os.register_at_fork`` cannot be removed, so there is one for all pipelines, which it
holds weakly.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Any, Protocol

from bentotrace.deadline import Deadline
from bentotrace.delivery.children import call_after_jobs, call_at_end_of_child
from bentotrace.delivery.status import Status
from bentotrace.interruptions import WeakList, log_safely
from bentotrace.threads import call_before_join, call_in_main_thread, run_from_signal

__all__ = [
    "DEFAULT_SIGNALS",
    "close_at_end_of_child",
    "end_all",
    "flush_all",
    "flush_on_signals",
    "forget",
    "pipelines",
    "running",
    "watch",
]


class Pipeline(Protocol):
    """The part of :class:`~bentotrace.pipeline.tracing.Tracing` that is used here."""

    @property
    def shutdown_timeout(self) -> float: ...

    @property
    def sdk_metrics(self) -> bool: ...

    def after_fork(self) -> None: ...

    def status(self) -> Status: ...

    def begin_flush(self) -> Any: ...

    def end_flush(self, flushes: Any, deadline: Deadline) -> bool: ...

    def begin_shutdown(self) -> None: ...

    def end_shutdown(self, deadline: Deadline) -> bool: ...


# In the order in which they were built.
_pipelines: WeakList[Pipeline] = WeakList()
_running: WeakList[Pipeline] = WeakList()
# A bound for exceptions that come from the pipeline itself.
_MOST_INTERRUPTIONS = 20
# The process in which close_at_end_of_child has been called.
_child: set[int] = set()
# The arguments of flush_on_signals, and the process of each call.
_signals: list[tuple[int, Sequence[str] | None]] = []


def watch(pipeline: Pipeline) -> None:
    """Notify a pipeline of forks, and shut it down at exit."""
    _pipelines.add(pipeline)
    _running.add(pipeline)


def forget(pipeline: Pipeline) -> None:
    """Stop watching a pipeline that has ended."""
    _running.discard(pipeline)


def pipelines() -> tuple[Pipeline, ...]:
    """Return the pipelines of this process, ended ones too, in the order they were built."""
    return tuple(_pipelines)


def running() -> list[Pipeline]:
    """Return the pipelines that have not ended, in the order they were built."""
    return list(_running)


def flush_all() -> None:
    """Export the queued spans of all pipelines, within the longest of their shutdown timeouts."""
    found = running()
    longest = max((pipeline.shutdown_timeout for pipeline in found), default=0.0)
    deadline = Deadline.after(longest)
    # All at the same time: the receiver of one may hang.
    begun = [(pipeline, pipeline.begin_flush()) for pipeline in found]
    for pipeline, flushes in begun:
        pipeline.end_flush(flushes, deadline)


def end_all() -> None:
    """Shut all pipelines down at the same time, each within its own shutdown timeout.

    What signal handlers of the application raise meanwhile does not shorten the wait, and is raised
    after it; a second Ctrl-C does, and the spans that are lost by that are logged.
    """
    begun = []
    for pipeline in running():
        pipeline.begin_shutdown()
        begun.append((pipeline, Deadline.after(pipeline.shutdown_timeout)))
    raised: list[BaseException] = []
    for pipeline, deadline in begun:
        while True:
            # timeout(1) and supervisors send a signal twice.
            is_impatient = sum(isinstance(error, KeyboardInterrupt) for error in raised) > 1
            try:
                pipeline.end_shutdown(Deadline.after(0) if is_impatient else deadline)
                break
            except BaseException as error:
                raised.append(error)
                if len(raised) > _MOST_INTERRUPTIONS:
                    break
    if raised:
        raise raised[0]


def close_at_end_of_child() -> None:
    """Shut the pipelines down however this process ends; called before its first export."""
    pid = os.getpid()
    if pid in _child:
        return
    _child.clear()
    _child.add(pid)
    call_before_join(end_all)
    call_at_end_of_child(end_all)
    # Servers reset the handlers of signals in their children.
    for caller, names in _signals:
        if caller != pid:
            call_in_main_thread(lambda names=names: _handle_signals(names))  # type: ignore[misc]


def _end_at_exit() -> None:
    # The process exits already.
    with suppress(SystemExit):
        end_all()


def _after_fork() -> None:
    pipelines = running()
    for pipeline in pipelines:
        pipeline.after_fork()
    if pipelines:
        call_after_jobs(flush_all)


atexit.register(_end_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


DEFAULT_SIGNALS = ("SIGTERM", "SIGINT")
"""The signals that are handled by default."""

_logger = logging.getLogger("bentotrace")

# Signals that do not end a process by default: the system ignores them, or stops it.
_HARMLESS = {
    getattr(signal, name, None)
    for name in (
        *("SIGCHLD", "SIGCONT", "SIGURG", "SIGWINCH", "SIGINFO"),
        *("SIGTSTP", "SIGTTIN", "SIGTTOU"),
    )
}
# Passed to a running uvicorn in place of the signal that ends the process. Nothing else uses it,
# the system ignores it by default, and Windows does not have it.
_STAND_IN = getattr(signal, "SIGURG", None)


def flush_on_signals(names: Sequence[str] | None) -> None:
    """Export queued spans before one of these signals ends the process, or a forked child.

    An existing handler is called after the export. None means :data:`DEFAULT_SIGNALS`, without
    those that have a handler.
    """
    _signals.append((os.getpid(), names))
    _handle_signals(names)


def _handle_signals(names: Sequence[str] | None) -> None:
    for name in DEFAULT_SIGNALS if names is None else names:
        number = signal.Signals[name]
        handler = signal.getsignal(number)
        if isinstance(handler, (_Handler, _UvicornHandler)):
            continue
        if _is_of_uvicorn(handler):
            if _STAND_IN is not None:
                _install(number, _UvicornHandler(number, handler))
        elif handler is signal.SIG_DFL or (names is not None and callable(handler)):
            _install(number, _Handler(handler))


class _Handler:
    """Exports queued spans, then calls the earlier handler or does what the system does."""

    def __init__(self, before: Any) -> None:
        self._before = before
        self._ending_process = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        run_from_signal(lambda: self._handle(number, frame))

    def _handle(self, number: int, frame: FrameType | None) -> None:
        pid = os.getpid()
        if callable(self._before):
            # It may take long, and spans may end meanwhile.
            flush_all()
            self._before(number, frame)
        elif not _ends_process(number):
            flush_all()
            self._raise(number)
        elif self._ending_process != pid:
            # A second signal, which timeout(1) and supervisors send, must not end the export.
            self._ending_process = pid
            try:
                end_all()
            finally:
                self._ending_process = 0
                self._raise(number)

    def _raise(self, number: int) -> None:
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
        signal.signal(number, self)


class _UvicornHandler:
    """Exports queued spans after a uvicorn server that already runs has shut down.

    After its shutdown, uvicorn restores the earlier handlers and raises each signal that it
    received again. Passed the stand-in, it raises one that is handled here.
    """

    def __init__(self, number: int, before: Any) -> None:
        self._before = before
        self._stand_in_before: Any = None
        # There is no public way to see that it shuts down already, because of which signal.
        captured = getattr(before.__self__, "_captured_signals", [])
        if number in captured:
            self._prepare(number)
            captured[:] = [_STAND_IN if each == number else each for each in captured]

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._stand_in_before is not None:
            # On the second, uvicorn does not wait for requests any more.
            self._before(number, frame)
            return
        self._prepare(number)
        self._before(_STAND_IN, frame)

    def _prepare(self, number: int) -> None:
        assert _STAND_IN is not None
        if self._stand_in_before is None:
            # None: the handler was not installed from Python.
            before = signal.signal(_STAND_IN, lambda _number, _frame: self._end(number))
            self._stand_in_before = signal.SIG_DFL if before is None else before

    def _end(self, number: int) -> None:
        assert _STAND_IN is not None
        signal.signal(_STAND_IN, self._stand_in_before)
        restored = signal.getsignal(number)
        if restored is signal.SIG_DFL:
            restored = _Handler(restored)
            signal.signal(number, restored)
        else:
            flush_all()
        signal.raise_signal(number)


def _ends_process(number: int) -> bool:
    """Return whether a signal without a handler ends this process.

    The first process of a container is not ended by signals that it does not handle.
    """
    return os.getpid() != 1 and number not in _HARMLESS


def _install(number: signal.Signals, handler: Any) -> None:
    try:
        signal.signal(number, handler)
    except ValueError:
        message = "no handler for %s: Python installs handlers in the main thread only"
        log_safely(_logger, logging.DEBUG, message, number.name)


def _is_of_uvicorn(handler: Any) -> bool:
    kind = getattr(sys.modules.get("uvicorn"), "Server", None)
    return kind is not None and isinstance(getattr(handler, "__self__", None), kind)
