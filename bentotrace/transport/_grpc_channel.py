"""One process's gRPC channel: made late, ended from any thread, and kept out of forks.

gRPC's core survives a fork only while no thread is inside it: forked in the middle of a call, the
child (and with older releases the parent) may crash. So a fork waits for the calls under way,
which take milliseconds, and cancels those that take longer; the transport sends them again.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from bentotrace.threads import Signal
from bentotrace.transport.deadline import Deadline

__all__ = ["ProcessChannel", "guard_forks"]

_PATIENCE_SECONDS = 0.2
_CANCEL_SECONDS = 1.0
_SETTLE_SECONDS = 0.1

OpenChannel = Callable[[], tuple[Any, Callable[..., bytes]]]
"""Returns a channel and the method on it."""


class ProcessChannel:
    """A channel and the calls on it.

    Attributes:
        closed: whether it has been closed for good.
    """

    def __init__(self) -> None:
        self.closed = threading.Event()
        self._lock = threading.RLock()
        self._changed = Signal()
        self._calls = 0
        self._forking = False
        self._opened: tuple[Any, Callable[..., bytes]] | None = None

    @contextmanager
    def call(self, open_channel: OpenChannel, deadline: Deadline) -> Iterator[Callable[..., bytes]]:
        """Give the method to call, and count the call while the block runs.

        Args:
            open_channel: makes the channel when there is none.
            deadline: the end of the call.

        Raises:
            ConnectionAbortedError: the channel has been closed.
            TimeoutError: a fork took all the time there was.
        """
        while True:
            if not self._changed.wait_for(lambda: not self._forking, deadline.remaining()):
                raise TimeoutError
            with self._lock:
                if not self._forking:
                    method = self._begin_call(open_channel)
                    break
        try:
            yield method
        finally:
            with self._lock:
                self._calls -= 1
            self._changed.notify()

    def _begin_call(self, open_channel: OpenChannel) -> Callable[..., bytes]:
        if self.closed.is_set():
            raise ConnectionAbortedError
        if self._opened is None:
            self._opened = open_channel()
        self._calls += 1
        return self._opened[1]

    def close(self) -> None:
        """Cancel the calls under way, for good."""
        self.closed.set()
        self._close_channel()

    def before_fork(self) -> None:
        """Hold back new calls, and see that none is under way."""
        with self._lock:
            self._forking = True
            if not self._calls:
                return
        if not self._changed.wait_for(lambda: not self._calls, _PATIENCE_SECONDS):
            self._close_channel()
            self._changed.wait_for(lambda: not self._calls, _CANCEL_SECONDS)
        # gRPC's threads clean up after a call has ended; a lock that one of them holds now would
        # stay locked in the child.
        self._changed.wait_for(lambda: False, _SETTLE_SECONDS)

    def after_fork(self) -> None:
        """Let calls go on, in the parent."""
        with self._lock:
            self._forking = False
        self._changed.notify()

    def _close_channel(self) -> None:
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened[0].close()


def guard_forks(channel: ProcessChannel) -> None:
    """Call the channel's fork hooks from now on, for as long as the channel lives.

    Only in the process that calls this: a child leaves what it inherits alone.
    """
    if not hasattr(os, "register_at_fork"):
        return
    owner = os.getpid()
    reference = weakref.ref(channel)

    def before() -> None:
        channel = reference()
        if channel is not None and os.getpid() == owner:
            channel.before_fork()

    def after_in_parent() -> None:
        channel = reference()
        if channel is not None and os.getpid() == owner:
            channel.after_fork()

    os.register_at_fork(before=before, after_in_parent=after_in_parent)
