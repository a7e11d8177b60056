"""Threads and waiting, in a process that gevent or eventlet may patch at any moment.

Both replace parts of ``threading``, ``socket`` and ``time``, so that other greenlets run while one
waits. Waiting on a lock from before the patch blocks all greenlets, and a thread from before the
patch has no event loop, which the replaced parts need.
"""

from __future__ import annotations

import _thread
import contextvars
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import BuiltinFunctionType
from typing import Any, TypeVar

from bentotrace.interruptions import release, unlocked

__all__ = [
    "Signal",
    "call_before_join",
    "call_blocking",
    "call_in_main_thread",
    "can_start_here",
    "can_wake_others",
    "home",
    "make_thread",
    "pause",
    "run_from_signal",
    "start_thread",
    "started_before_patch",
    "threading_state",
    "unpatched",
]

T = TypeVar("T")

_PAUSE_SECONDS = 0.005
# With a sleep of 0, Python up to 3.10 takes the interpreter back before another thread wakes up.
_YIELD_SECONDS = 0 if os.name == "nt" or sys.version_info >= (3, 11) else 1e-6

# What call_before_join has registered.
_called_before_join: list[object] = []
# What call_in_main_thread passes to the interpreter, which keeps no reference.
_callbacks: list[object] = []
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

    Such a thread must open no connection and not wait any more.
    """
    return (
        bool(_unpatched_threads)
        and type(_thread.start_new_thread) is not BuiltinFunctionType
        and threading.get_native_id() in _unpatched_threads
    )


def make_thread(run: Callable[[], object], name: str) -> threading.Thread:
    """Return a daemon thread, for the caller to start; a greenlet in a patched process.

    What it calls should be imported before: a child that is forked during an import deadlocks
    when it imports the same module.

    In an interpreter without daemon threads it is another thread, which must end when the function
    of :func:`call_before_join` is called.

    Raises:
        RuntimeError: the interpreter permits no such thread.
    """
    native = type(_thread.start_new_thread) is BuiltinFunctionType
    pid = os.getpid()
    parked = _thread.allocate_lock()

    def run_and_park() -> None:
        number = threading.get_native_id()
        if native:
            _unpatched_threads.add(number)
            _leave_signals_to_uwsgi()
        try:
            run()
        finally:
            # After a patch, or as a greenlet copied by a fork, this thread is not in threading's
            # list any more, so that its end would write a KeyError to standard error.
            if started_before_patch():
                parked.acquire()
                parked.acquire()
            elif os.getpid() != pid:
                _leave_to_loop()
            _unpatched_threads.discard(number)

    daemon = _permits_daemons()
    if not daemon and not _called_before_join:
        raise RuntimeError("this interpreter permits no daemon threads")
    return threading.Thread(target=run_and_park, name=name, daemon=daemon)


def call_before_join(function: Callable[[], object]) -> None:
    """Call a function at the end of an interpreter without daemon threads, before it joins others.

    Isolated subinterpreters of Python 3.12 and later are such interpreters.
    """
    if _called_before_join or _permits_daemons():
        return
    # There is no public way: atexit hooks run after all threads have ended.
    register = getattr(threading, "_register_atexit", None)
    if register is not None:
        # Raises when the interpreter ends already.
        with suppress(RuntimeError):
            register(function)
            _called_before_join.append(function)


def _permits_daemons() -> bool:
    try:
        threading.Thread(daemon=True)
    except RuntimeError:
        return False
    return True


def start_thread(thread: threading.Thread) -> None:
    """Start a thread; from the event loop of greenlets, which cannot wait for it, a bit later."""
    library = _library()
    if library is not None and _in_hub(library):
        library.spawn(thread.start)
    else:
        thread.start()


def _leave_signals_to_uwsgi() -> None:
    """Block the signals that end a worker of uWSGI in the calling thread.

    A worker exits within the C handler of the first. While the main thread is in there, the system
    would pass the second one, of its master, to this thread, which would exit at once.
    """
    if "uwsgi" in sys.modules:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGQUIT})


def _leave_to_loop() -> None:
    """Switch to the event loop and never return."""
    library = _library()
    if library is not None:
        hubs = library if library.__name__ == "gevent" else library.hubs
        hubs.get_hub().switch()


class Signal:
    """Wakes all threads that wait for a change; signal handlers and finalizers may notify.

    No lock is held during the wait, so a signal handler that raises leaves nothing locked.
    """

    def __init__(self) -> None:
        self._waiters: list[Any] = []

    def notify(self) -> None:
        """Make all waiting threads check their condition."""
        for waiter in list(self._waiters):
            release(waiter)

    def wait_for(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait at most ``timeout`` seconds until the condition holds, and return whether it does.

        Call :meth:`notify` after each change of the condition.
        """
        if condition():
            return True
        with unlocked():
            return self._wait_for(condition, time.monotonic() + timeout)

    def _wait_for(self, condition: Callable[[], bool], end: float) -> bool:
        library = _library()
        if library is not None and not started_before_patch():
            # A system thread may notify, which cannot wake a greenlet.
            while not condition():
                left = end - time.monotonic()
                if left <= 0 or _in_hub(library):
                    return condition()
                library.sleep(min(left, _PAUSE_SECONDS))
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
    """Call a function that blocks in C code, without blocking other greenlets."""
    library = _library()
    if library is None or started_before_patch() or _in_hub(library):
        return function()
    # The context suppresses instrumentation.
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
        # Python 3.12 and later cannot start threads during exit.
        return function()


def call_in_main_thread(function: Callable[[], object]) -> None:
    """Call a function, which must not raise, in the main thread, the only one that sets signals.

    In another thread this returns at once, and the function runs when the main thread next runs
    Python code.
    """
    if _system_thread() == _main_thread:
        function()
        return
    from ctypes import CFUNCTYPE, c_int, c_void_p, pythonapi

    def call(_argument: object) -> int:
        function()
        return 0

    callback = CFUNCTYPE(c_int, c_void_p)(call)
    _callbacks.append(callback)
    pythonapi.Py_AddPendingCall(callback, None)


def unpatched(module: str, name: str) -> Any:
    """Return the original of a patched function of the standard library."""
    library = _library()
    if library is None:
        return getattr(sys.modules[module], name)
    if library.__name__ == "gevent":
        return library.monkey.get_original(module, name)
    return getattr(library.patcher.original(module), name)


def pause(seconds: float) -> bool:
    """Let other threads and greenlets run, for 0 seconds or more; return False where none can.

    An event loop of greenlets cannot wait, nor can a thread that is older than the patch.
    """
    library = _library()
    if library is None:
        time.sleep(seconds or _YIELD_SECONDS)
    elif _in_hub(library) or started_before_patch():
        return False
    else:
        library.sleep(seconds)
    return True


def can_start_here() -> bool:
    """Return whether a greenlet that the calling thread starts would run.

    A greenlet belongs to the event loop of its thread; threads of gevent's or eventlet's pool run
    none. Without a patch every thread can start others.
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

    In a patched process the handler may have interrupted any greenlet, also the exporting one or
    the event loop, with locks held. There the function runs in a new greenlet, and this may return
    before it has run.
    """
    library = _library()
    if library is None:
        function()
        return
    greenlet = library.spawn(function)
    if library.__name__ == "eventlet" and _in_hub(library):
        # A signal does not interrupt the sleep of eventlet's loop, up to a minute, so run it here.
        hub = library.hubs.get_hub()
        while not greenlet.dead:
            hub.prepare_timers()
            hub.fire_timers(hub.clock())
            hub.wait(_PAUSE_SECONDS)


def _call_in_thread(function: Callable[[], T], eventlet: Any) -> T:
    """Call a function in a system thread.

    In a forked child ``eventlet.tpool`` would wait for threads that do not exist there.
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
    """Return gevent or eventlet if it has patched this process, else None."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and any(map(monkey.is_module_patched, ("threading", "socket"))):
        return sys.modules["gevent"]
    patcher = sys.modules.get("eventlet.patcher")
    if patcher is not None and any(map(patcher.is_monkey_patched, ("thread", "socket"))):
        return sys.modules["eventlet"]
    return None


def _in_hub(library: Any) -> bool:
    """Return whether this runs in the event loop itself, which cannot wait."""
    current = library.getcurrent()
    if library.__name__ == "gevent":
        return current is library.get_hub()
    return current is library.hubs.get_hub().greenlet


def _system_thread() -> object:
    """Return the identifier of the calling system thread, whichever greenlet runs in it."""
    return unpatched("_thread", "get_ident")()


def _begin_in_child() -> None:
    global _main_thread
    _unpatched_threads.clear()
    _main_thread = _system_thread()


# In a process that is patched already, the importing thread.
_main_thread: object = threading.main_thread().ident if _library() is None else _system_thread()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
