"""The thread that empties a queue: starting, waking, joining and replacing it."""

from __future__ import annotations

import _thread
import os
import threading
from collections.abc import Callable

from bentotrace.deadline import Deadline
from bentotrace.interruptions import Lock, held_lock, locked, raised_by_signal, release
from bentotrace.threads import (
    Signal,
    can_start_here,
    can_wake_others,
    make_thread,
    start_thread,
    started_before_patch,
    threading_state,
)

__all__ = ["Consumer", "RetiredError"]

_RETIRED_SECONDS = 3600.0
# Under eventlet a system thread cannot wake a greenlet, which polls at this interval instead.
_POLL_SECONDS = 1.0


class RetiredError(Exception):
    """The consumer must end: it is older than the patch, or a greenlet of the parent."""


class Consumer:
    """One thread at a time; in a process that gevent or eventlet has patched, a greenlet.

    A thread that was started before the patch is retired: connections that it opened after the
    patch would need an event loop, which it does not have.

    Attributes:
        thread: the thread; None while there is none.
        threading_state: see :func:`bentotrace.threads.threading_state`.
        bell: held while there is nothing to do. Unlike notifying a condition, releasing it is
            safe in a signal handler.
        leaving: whether a retired thread may still be exporting.
    """

    def __init__(self, changed: Signal) -> None:
        """Create without a thread; ``changed`` is notified when a retired thread has left."""
        self.thread: threading.Thread | None = None
        self.threading_state = threading_state()
        self.bell = held_lock()
        self._changed = changed
        self._lock = Lock()
        self._pid = os.getpid()
        self._started_by = 0
        self._claim = _thread.allocate_lock()
        self._wakes_others = True
        self._adopted = False
        self.leaving = False

    def start(self, run: Callable[[], bool], name: str) -> bool:
        """Start a thread unless there is one; False when the interpreter cannot start any.

        In a thread whose greenlets would not run, this starts nothing; the next call from another
        thread does. ``run`` returns whether its work is done; if not, the next call starts another
        thread.
        """
        if not (self.is_missing() and can_start_here()):
            return True
        thread: threading.Thread | None = None
        claim = _thread.allocate_lock()

        def run_once() -> None:
            # An interrupted start() may have claimed it, so that this thread is not used.
            if not claim.acquire(blocking=False):
                return
            done = False
            try:
                done = run()
            finally:
                if not done and self.thread is thread:
                    self.thread = None

        try:
            thread = make_thread(run_once, name)
            if self._install(thread, claim):
                # Without the lock: this waits for the thread, which may end spans itself.
                start_thread(thread)
        except BaseException as error:
            if claim.acquire(blocking=False) and self.thread is thread:
                self.thread = None
            if not isinstance(error, (RuntimeError, MemoryError)) or raised_by_signal(error):
                raise
            return self.thread is not None
        return True

    def is_missing(self) -> bool:
        """Return whether there is no thread.

        A signal handler, which must not wait for what it has interrupted, finds one missing if it
        has interrupted the calling thread just before it starts that one.
        """
        thread = self.thread
        if thread is None:
            return True
        if thread.ident is not None or self._started_by != threading.get_native_id():
            return False
        if self._claim.acquire(blocking=False):
            self.thread = None
        return self.thread is None

    @locked
    def _install(self, thread: threading.Thread, claim: _thread.LockType) -> bool:
        if self.thread is not None:
            return False
        self._started_by = threading.get_native_id()
        self._claim = claim
        self._wakes_others = can_wake_others()
        # A lock from before the patch would block all greenlets.
        bell = held_lock()
        # Without a call in between: a signal handler may have installed another one before.
        self.bell = self.bell if self.thread is not None else bell
        self.thread = self.thread or thread
        return self.thread is thread

    @locked
    def adopt(self) -> bool:
        """Use the calling thread, unless there is one."""
        if self.thread is not None:
            return False
        self._adopted = True
        self.thread = threading.current_thread()
        return True

    @locked
    def disown(self) -> None:
        """Release the calling thread if it was adopted; another call may adopt it again."""
        if self._adopted and self.thread is threading.current_thread():
            self._adopted = False
            self.thread = None

    @locked
    def retire(self) -> None:
        """Release the thread, which ends after the batch that it has taken."""
        self.threading_state = threading_state()
        self.leaving = self.leaving or (self.thread is not None and not self._adopted)
        self.thread = None
        self.ring()

    def leave(self) -> None:
        """Record that the calling thread, which is retired, is done."""
        self._leave()
        self._changed.notify()

    @locked
    def _leave(self) -> None:
        if not self.leaving:
            # No other thread has noticed the patch yet.
            self.thread = None
        self.leaving = False

    def wait_retired(self, ended: Callable[[], bool]) -> None:
        """Wait until a retired thread has left, or the condition holds."""
        while self.leaving and not ended():
            self._changed.wait_for(lambda: not self.leaving or ended(), _RETIRED_SECONDS)

    def ring(self) -> None:
        """Wake the thread."""
        if not self._wakes_others and threading.get_native_id() != self._started_by:
            return
        release(self.bell)

    def wait(self, due: Callable[[], bool], delay: float) -> None:
        """Wait in the consumer's thread until the condition holds, at most ``delay`` seconds.

        Raises:
            RetiredError: the thread is retired, or belongs to the parent of this process.
        """
        deadline = Deadline.after(delay)
        bell = self.bell
        longest = threading.TIMEOUT_MAX if self._wakes_others else _POLL_SECONDS
        while not (self.is_foreign() or due()):
            left = deadline.remaining()
            # The bell may still ring for spans of the last batch.
            if not bell.acquire(timeout=min(left, longest)) and left <= longest:
                break
        if self._pid != os.getpid():
            raise RetiredError
        if started_before_patch():
            self.leave()
            raise RetiredError

    def is_foreign(self) -> bool:
        """Return whether the calling thread is older than the patch, or a greenlet of the parent.

        A fork copies greenlets, which then run in both processes.
        """
        return self._pid != os.getpid() or started_before_patch()

    def join(self, timeout: float) -> None:
        """Wait until the thread has ended, at most ``timeout`` seconds."""
        if self.thread is not None and not self._adopted:
            self.thread.join(min(max(timeout, 0.0), threading.TIMEOUT_MAX))
