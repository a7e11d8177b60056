"""The thread that empties a queue: how it is started, woken, waited for and replaced."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress

from bentotrace.threads import (
    Signal,
    can_start_here,
    can_wake_others,
    make_thread,
    started_before_patch,
    threading_state,
)
from bentotrace.transport.deadline import Deadline

__all__ = ["Consumer", "RetiredError"]

_RETIRED_SECONDS = 3600.0
# Under eventlet a thread of the system cannot wake a greenlet, which looks this often instead.
_LOOK_SECONDS = 1.0


class RetiredError(Exception):
    """The consumer is not to go on: it is older than the patch, or a greenlet of the parent."""


class Consumer:
    """One thread at a time; in a process that gevent or eventlet has patched, a greenlet.

    A thread that was started before the patch is retired, because the connections that it opened
    from then on would need an event loop, which it does not have.

    Attributes:
        thread: the thread; None while there is none.
        threading_state: see :func:`bentotrace.threads.threading_state`.
        bell: held while there is nothing to do. Releasing it is one step, so that it may be done
            anywhere, where a condition's lock might be held by the frame that is interrupted.
    """

    def __init__(self, changed: Signal) -> None:
        """Have no thread yet.

        Args:
            changed: notified when a retired thread has left.
        """
        self.thread: threading.Thread | None = None
        self.threading_state = threading_state()
        self.bell = _locked()
        self._changed = changed
        # Reentrant, for what interrupts its holder.
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._started_by = 0
        self._wakes_others = True
        self._adopted = False
        # Whether a retired thread may still be exporting.
        self._leaving = False

    def start(self, run: Callable[[], None], name: str) -> bool:
        """Start a thread unless there is one; False when the interpreter starts none.

        In a thread whose greenlets would not run, nothing is started; the next call from another
        thread does.
        """
        with self._lock:
            if self.thread is not None or not can_start_here():
                return True
            self._started_by = threading.get_native_id()
            self._wakes_others = can_wake_others()
            # A lock holds up all greenlets unless it is made after the patch, as the thread is.
            self.bell = _locked()
            thread = self.thread = make_thread(run, name)
        try:
            # Without the lock: this waits for the thread, which may have spans of its own to end.
            thread.start()
        except (RuntimeError, MemoryError):
            self.thread = None
            return False
        except Exception:
            # The loop of gevent or eventlet cannot wait for the thread, which starts nonetheless.
            return True
        return True

    def adopt(self) -> bool:
        """Take the calling thread unless there is one."""
        with self._lock:
            if self.thread is None:
                self.thread = threading.current_thread()
                self._adopted = True
                return True
            return False

    def retire(self) -> None:
        """Let go of the thread, which ends when it has exported what it has taken."""
        with self._lock:
            self.threading_state = threading_state()
            self._leaving = self._leaving or (self.thread is not None and not self._adopted)
            self.thread = None
            self.ring()

    def leave(self) -> None:
        """Say that the calling thread, which is retired, is done."""
        with self._lock:
            if not self._leaving:
                # Nobody but this thread has noticed the patch yet.
                self.thread = None
            self._leaving = False
        self._changed.notify()

    def wait_retired(self, ended: Callable[[], bool]) -> None:
        """Wait until a retired thread has left, or the condition holds."""
        while self._leaving and not ended():
            self._changed.wait_for(lambda: not self._leaving or ended(), _RETIRED_SECONDS)

    def ring(self) -> None:
        """Wake the thread."""
        if not self._wakes_others and threading.get_native_id() != self._started_by:
            return
        # It raises when another thread was faster.
        with suppress(RuntimeError):
            self.bell.release()

    def wait(self, due: Callable[[], bool], delay: float) -> None:
        """Wait in the consumer's thread until the condition holds, at most ``delay`` seconds.

        Raises:
            RetiredError: the thread is retired, or belongs to the parent of this process.
        """
        deadline = Deadline.after(delay)
        bell = self.bell
        longest = threading.TIMEOUT_MAX if self._wakes_others else _LOOK_SECONDS
        while not (self.is_foreign() or due()):
            left = deadline.remaining()
            # The bell may still ring of spans that went out with the last batch.
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


def _locked() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock
