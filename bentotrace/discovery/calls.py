"""Calls of a plugin's code, which may raise any exception, or not return."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Any, TypeVar

from bentotrace.interruptions import is_ctrl_c
from bentotrace.redaction import Redaction

__all__ = ["HangError", "call_bounded", "call_each", "describe", "pass_interrupt", "running"]

T = TypeVar("T")

_LONGEST = 300
_NO_SECRETS = Redaction()
_running: ContextVar[str] = ContextVar("_running", default="")


@contextmanager
def running(what: str) -> Iterator[None]:
    """Name the plugin's code that runs within the block, for :func:`call_bounded`."""
    token = _running.set(what)
    try:
        yield
    finally:
        _running.reset(token)


def pass_interrupt(error: BaseException) -> None:
    """Raise the error again if it is a Ctrl-C; one that the plugin itself raised is not."""
    if is_ctrl_c(error):
        raise error


def describe(error: BaseException, redaction: Redaction = _NO_SECRETS) -> str:
    """Return an exception's type and text as one line without secrets."""
    try:
        text = str(error)
    except BaseException as raised:
        pass_interrupt(raised)
        text = ""
    name = type(error).__name__
    return redaction.line(f"{name}: {text}" if text else name, _LONGEST)


class HangError(Exception):
    """A call did not return in time; the text says what was running."""


class _Worker:
    """Makes calls one after another in a thread of its own.

    Attributes:
        results: what each call that ended has returned or raised.
        current: the index of the call that runs, when it started, and its context.
    """

    def __init__(self, functions: Sequence[Callable[[], Any]]) -> None:
        self.results: list[tuple[Any, BaseException | None]] = []
        self.current = (0, time.monotonic(), copy_context())
        self._ended = threading.Event()
        self._abandoned = False
        threading.Thread(
            target=self._call, args=(functions,), name="bentotrace-call", daemon=True
        ).start()

    def _call(self, functions: Sequence[Callable[[], Any]]) -> None:
        *_, first = self.current
        for index, function in enumerate(functions):
            if self._abandoned:
                return
            context = first.copy()
            self.current = (index, time.monotonic(), context)
            try:
                self.results.append((context.run(function), None))
            except BaseException as error:
                self.results.append((None, error))
        self._ended.set()

    def wait(self, seconds: float) -> int:
        """Wait until every call has ended, or one has not within its time; return how many have."""
        try:
            while True:
                index, started, _ = self.current
                left = started + seconds - time.monotonic()
                if self._ended.wait(max(left, 0)):
                    return len(self.results)
                if left <= 0 and len(self.results) == index:
                    return index
        finally:
            self._abandoned = True


def call_each(
    calls: Iterable[tuple[str, Callable[[], T]]], seconds: float
) -> Iterator[tuple[T | None, BaseException | None]]:
    """Yield the result of each call, or what it raised; a :class:`HangError` if it hangs.

    They share a thread until one of them hangs. This thread sleeps meanwhile, because a change of
    threads for each call would take longer than most calls.

    Args:
        calls: each call, after its name as in :func:`call_bounded`.
        seconds: how long each may take.
    """
    left = [*calls]
    while left:
        worker = _Worker([function for _, function in left])
        ended = worker.wait(seconds)
        yield from worker.results[:ended]
        if ended < len(left):
            *_, context = worker.current
            found = context.get(_running) or left[ended][0]
            late = f"{found} did not return within {seconds:g} s and was abandoned"
            yield None, HangError(late)
        left = left[ended + 1 :]


def call_bounded(function: Callable[[], T], seconds: float, what: str) -> T:
    """Return the result of a call in another thread, or raise what it raises.

    Args:
        function: the call.
        seconds: how long it may take; then its thread is abandoned.
        what: the name of the call, unless :func:`running` names a part of it.

    Raises:
        HangError: it did not return in time.
    """
    ((result, error),) = call_each([(what, function)], seconds)
    if error is not None:
        raise error
    return result  # type: ignore[return-value]
