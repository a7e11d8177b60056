"""Threads and waiting, in a process that gevent or eventlet may patch at any moment.

Both replace parts of ``threading``, ``socket`` and ``time``, so that other greenlets run while one
waits. Waiting on a lock that is older than the patch blocks all of them, and a thread that is older
has no event loop, which the replaced parts need.
"""

from __future__ import annotations

import _thread
import contextvars
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import BuiltinFunctionType
from typing import Any, TypeVar

__all__ = [
    "Signal",
    "call_blocking",
    "can_start_here",
    "can_wake_others",
    "home",
    "make_thread",
    "run_from_signal",
    "start_thread",
    "started_before_patch",
    "threading_state",
    "unpatched",
]

T = TypeVar("T")

_PAUSE_SECONDS = 0.005

# The native ids of the threads that were started here while nothing was patched.
_unpatched_threads: set[int] = set()


def threading_state() -> object:
    """Return an object that differs before and after gevent or eventlet patches the process."""
    return _thread.start_new_thread


def home() -> tuple[int, object]:
    """Return the process and the threading state; sockets and locks of another are not used."""
    return os.getpid(), _thread.start_new_thread


def started_before_patch() -> bool:
    """Return whether the calling thread is older than the patch of this process.

    Such a thread finishes what it has begun, with the objects that it has. It opens no connection
    and does not wait any more.
    """
    return (
        bool(_unpatched_threads)
        and type(_thread.start_new_thread) is not BuiltinFunctionType
        and threading.get_native_id() in _unpatched_threads
    )


def start_thread(run: Callable[[], object], name: str) -> threading.Thread:
    """Start a daemon thread; a greenlet in a patched process.

    Raises:
        RuntimeError: the interpreter starts no thread.
    """
    thread = make_thread(run, name)
    thread.start()
    return thread


def make_thread(run: Callable[[], object], name: str) -> threading.Thread:
    """Return a daemon thread that is to be started at once; a greenlet in a patched process."""
    native = type(_thread.start_new_thread) is BuiltinFunctionType
    pid = os.getpid()
    parked = _thread.allocate_lock()

    def run_and_park() -> None:
        number = threading.get_native_id()
        if native:
            _unpatched_threads.add(number)
        try:
            run()
        finally:
            # threading no longer has this thread in its list after a patch, nor the copy of a
            # greenlet in a forked child, and would write a KeyError to standard error at its end.
            if started_before_patch():
                parked.acquire()
                parked.acquire()
            elif os.getpid() != pid:
                _leave_to_loop()
            _unpatched_threads.discard(number)

    return threading.Thread(target=run_and_park, name=name, daemon=True)


def _leave_to_loop() -> None:
    """Let the event loop go on without the calling greenlet, for good."""
    library = _library()
    if library is not None:
        hubs = library if library.__name__ == "gevent" else library.hubs
        hubs.get_hub().switch()


class Signal:
    """Wakes all threads that wait for a change.

    No lock is held during the wait, so an exception that a signal handler raises there leaves
    nothing locked. Any thread, signal handler and finalizer may notify.
    """

    def __init__(self) -> None:
        self._waiters: list[Any] = []

    def notify(self) -> None:
        """Let all who wait look again."""
        for waiter in list(self._waiters):
            # It raises when the waiter has been woken already.
            with suppress(RuntimeError):
                waiter.release()

    def wait_for(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait until the condition holds, at most ``timeout`` seconds.

        Args:
            condition: what is waited for; call :meth:`notify` after each change of it.
            timeout: seconds.

        Returns:
            Whether it holds.
        """
        end = time.monotonic() + timeout
        library = _library()
        if library is not None and not started_before_patch():
            # What notifies may be a thread of the system, which cannot wake a greenlet.
            while not condition():
                left = end - time.monotonic()
                if left <= 0 or _in_hub(library):
                    return condition()
                library.sleep(min(left, _PAUSE_SECONDS))
            return True
        if condition():
            return True
        waiter = _thread.allocate_lock()
        waiter.acquire()
        self._waiters.append(waiter)
        try:
            while not condition():
                left = end - time.monotonic()
                if left <= 0 or not waiter.acquire(timeout=min(left, threading.TIMEOUT_MAX)):
                    return condition()
            return True
        finally:
            self._waiters.remove(waiter)


def call_blocking(function: Callable[[], T]) -> T:
    """Call a function that blocks in C code, without holding up other greenlets.

    Raises:
        Exception: what the function raises.
    """
    library = _library()
    if library is None or started_before_patch() or _in_hub(library):
        return function()
    # It carries the mark that suppresses instrumentation.
    context = contextvars.copy_context()
    started = False

    def run() -> T:
        nonlocal started
        started = True
        return context.run(function)

    try:
        if library.__name__ == "gevent":
            result: T = library.get_hub().threadpool.apply(run)
            return result
        return _call_in_thread(run, library)
    except RuntimeError:
        if started:
            raise
        # Python 3.12 and later start no thread while the process ends.
        return function()


def unpatched(module: str, name: str) -> Any:
    """Return a function of the standard library as it is without gevent and eventlet."""
    library = _library()
    if library is None:
        return getattr(sys.modules[module], name)
    if library.__name__ == "gevent":
        return library.monkey.get_original(module, name)
    return getattr(library.patcher.original(module), name)


def can_start_here() -> bool:
    """Return whether a greenlet that is started by the calling thread would run.

    It belongs to the event loop of that thread, and a thread of gevent's or eventlet's pool has
    none that runs. Without a patch every thread can start others.
    """
    library = _library()
    if library is None or _system_thread() == _main_thread:
        return True
    parent = library.getcurrent().parent
    if library.__name__ == "gevent":
        return isinstance(parent, library.hub.Hub)
    return bool(parent is library.hubs.get_hub().greenlet)


def can_wake_others() -> bool:
    """Return whether releasing a lock wakes a greenlet of another thread; not with eventlet."""
    library = _library()
    return library is None or library.__name__ != "eventlet"


def run_from_signal(function: Callable[[], object]) -> None:
    """Call a function that waits, from a signal handler.

    In a patched process the handler may have interrupted any greenlet, including the exporting one
    and the event loop, while it held any lock. There the function runs in a new greenlet, and this
    may return before it has run.
    """
    library = _library()
    if library is None:
        function()
        return
    greenlet = library.spawn(function)
    if library.__name__ == "eventlet" and _in_hub(library):
        # A signal does not end the sleep of eventlet's loop, of up to a minute: run the loop here.
        hub = library.hubs.get_hub()
        while not greenlet.dead:
            hub.prepare_timers()
            hub.fire_timers(hub.clock())
            hub.wait(_PAUSE_SECONDS)


def _call_in_thread(function: Callable[[], T], eventlet: Any) -> T:
    """Call a function in a thread of the system.

    Not by ``eventlet.tpool``, whose threads are gone in a forked child, where it waits for them.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    unpatched("_thread", "start_new_thread")(run, ())
    while not results and not errors:
        eventlet.sleep(_PAUSE_SECONDS)
    if errors:
        raise errors[0]
    return results[0]


def _library() -> Any:
    """Return gevent or eventlet, whichever has patched this process; None when nobody has."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and any(map(monkey.is_module_patched, ("threading", "socket"))):
        return sys.modules["gevent"]
    patcher = sys.modules.get("eventlet.patcher")
    if patcher is not None and any(map(patcher.is_monkey_patched, ("thread", "socket"))):
        return sys.modules["eventlet"]
    return None


def _in_hub(library: Any) -> bool:
    """Return whether this runs in the event loop itself, in which nothing can wait."""
    current = library.getcurrent()
    if library.__name__ == "gevent":
        return current is library.get_hub()
    return current is library.hubs.get_hub().greenlet


def _system_thread() -> object:
    """Return what identifies the calling thread of the system, whichever greenlet runs in it."""
    return unpatched("_thread", "get_ident")()


def _begin_in_child() -> None:
    global _main_thread
    _unpatched_threads.clear()
    _main_thread = _system_thread()


# Of a process that is patched already, the thread that imports this.
_main_thread: object = threading.main_thread().ident if _library() is None else _system_thread()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
