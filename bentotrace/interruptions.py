"""Locks, lists and logging that a signal handler may interrupt at any point, and raise or wait."""

from __future__ import annotations

import _thread
import inspect
import logging
import signal
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial, wraps
from opcode import opmap
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

__all__ = [
    "Lock",
    "WeakList",
    "held_lock",
    "is_ctrl_c",
    "locked",
    "log_safely",
    "raised_by_signal",
    "release",
    "unlocked",
]

T = TypeVar("T")
P = ParamSpec("P")


def is_ctrl_c(error: BaseException) -> bool:
    """Return whether a Ctrl-C raised the error, and not the code that it interrupted."""
    if not isinstance(error, KeyboardInterrupt):
        return False
    if threading.current_thread() is not threading.main_thread():
        return False
    handler = signal.getsignal(signal.SIGINT)
    if handler is not signal.default_int_handler:
        return callable(handler) and not isinstance(handler, signal.Handlers)
    entry = error.__traceback__
    while entry is not None and entry.tb_next is not None:
        entry = entry.tb_next
    # The interpreter raises it between two instructions; "raise" is an instruction.
    return entry is None or not _raises(entry.tb_frame.f_code.co_code, entry.tb_lasti)


def _raises(code: bytes, at: int) -> bool:
    return 0 <= at < len(code) and code[at] == opmap["RAISE_VARARGS"]


def raised_by_signal(error: BaseException) -> bool:
    """Return whether a signal handler raised the error, which is then for the application.

    Python calls a handler with the frame that it interrupts.
    """
    if is_ctrl_c(error):
        return True
    entry = error.__traceback__
    while entry is not None and entry.tb_next is not None:
        interrupted, entry = entry.tb_frame, entry.tb_next
        for value in entry.tb_frame.f_locals.values():
            values = value if type(value) is tuple else (value,)
            if any(item is interrupted for item in values):
                return True
    return False


def log_safely(logger: logging.Logger, level: int, message: str, *arguments: object) -> None:
    """Log; ignore what a log handler raises, but not what a signal handler raises meanwhile."""
    try:
        logger.log(level, message, *arguments, stacklevel=2)
    except Exception as error:
        if raised_by_signal(error):
            raise


def held_lock() -> Any:
    """Return a lock for one thread to wait on, until others :func:`release` it."""
    lock = _thread.allocate_lock()
    lock.acquire()
    return lock


def release(lock: Any) -> None:
    """Release a lock unless another thread has just done so."""
    try:
        if lock.locked():
            lock.release()
    except RuntimeError as error:
        if raised_by_signal(error):
            raise


class Lock:
    """A lock that an exception between any two instructions does not leave held.

    A signal handler may raise after the last line of a ``with`` block and before its end, or in
    the methods of :class:`threading.Condition`. A handler or finalizer that interrupts the holder
    may enter again, and must wait for another thread in :func:`unlocked` only, which may need the
    lock.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._holder: int | None = None

    def run(self, function: Callable[[], T]) -> T:
        """Call a function that holds the lock."""
        here = threading.get_ident()
        if self._holder == here:
            return function()
        try:
            with self._lock:
                self._holder = here
                result = function()
                self._holder = None
            return result
        except BaseException:
            if self._holder == here:
                self._holder = None
            self.release()
            raise

    def release(self) -> int:
        """Release the lock however often the calling thread has acquired it; return how often."""
        times = 0
        # Raises once it is not held.
        with suppress(RuntimeError):
            while True:
                self._lock.release()
                times += 1
        return times

    def acquire(self, times: int) -> None:
        """Acquire the lock as often as :meth:`release` has released it."""
        for _ in range(times):
            self._lock.acquire()
        if times:
            self._holder = threading.get_ident()


@contextmanager
def unlocked() -> Iterator[None]:
    """Release each :class:`Lock` that the calling thread holds, while the block runs.

    The thread holds one if a signal handler has interrupted it within a method that does.
    """
    held: list[tuple[Lock, int]] = []
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code is Lock.run.__code__:
            lock = frame.f_locals["self"]
            if lock._holder == threading.get_ident():
                lock._holder = None
            held.append((lock, lock.release()))
        frame = frame.f_back
    try:
        yield
    finally:
        # In the order of the methods.
        for lock, times in reversed(held):
            lock.acquire(times)


class WeakList(Generic[T]):
    """Objects that others keep alive, in the order in which they were added.

    Other threads may add and remove during an iteration, in which a ``weakref.WeakSet`` raises.
    """

    def __init__(self) -> None:
        self._references: dict[int, weakref.ref[T]] = {}

    def __iter__(self) -> Iterator[T]:
        # Copied in one step of the interpreter.
        for reference in list(self._references.values()):
            found = reference()
            if found is not None:
                yield found

    def __contains__(self, item: T) -> bool:
        reference = self._references.get(id(item))
        return reference is not None and reference() is item

    def add(self, item: T) -> None:
        """Add an object that is not in the list."""
        key = id(item)
        references = self._references

        def forget(dead: weakref.ref[T]) -> None:
            # Another object may have the same id by now.
            if references.get(key) is dead:
                references.pop(key, None)

        references[key] = weakref.ref(item, forget)

    def discard(self, item: T) -> None:
        """Remove an object, if it is in the list."""
        self._references.pop(id(item), None)


class _Locked(Protocol):
    _lock: Lock


_Self = TypeVar("_Self", bound=_Locked)


def locked(method: Callable[Concatenate[_Self, P], T]) -> Callable[Concatenate[_Self, P], T]:
    """Decorate a method that holds the :class:`Lock` ``self._lock``."""

    @wraps(method)
    def call(self: _Self, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._lock.run(partial(method, self, *args, **kwargs))

    return call
