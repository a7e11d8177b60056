"""One process's gRPC channel: opened when needed, closed from any thread, safe with forks.

gRPC's core survives a fork only while no thread is inside it; otherwise the child (and with older
releases the parent) may crash. So a fork waits for running calls, which take milliseconds, and
cancels those that take longer; the transport retries them.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from attrs import define

from bentotrace.deadline import Deadline
from bentotrace.threads import Signal
from bentotrace.transport._proxy import Proxy

__all__ = ["OpenedChannel", "ProcessChannel", "guard_forks"]

_PATIENCE_SECONDS = 0.2
_CANCEL_SECONDS = 1.0
_SETTLE_SECONDS = 0.1


@define(eq=False)
class OpenedChannel:
    """A channel, and the calls on it.

    Attributes:
        method: the method to call; returns the response and the call.
        version: what it was opened with.
        proxy: what it goes through, None for a direct connection.
        failures: failed calls in a row, on this channel.
    """

    channel: Any
    method: Callable[..., Any]
    version: object = None
    proxy: Proxy | None = None
    failures: int = 0
    calls: int = 0


OpenChannel = Callable[[], OpenedChannel]


class ProcessChannel:
    """The current channel, former ones that still have calls, and the calls on them.

    Attributes:
        closed: set by :meth:`close`.
        failures: failed calls in a row, on all channels.
    """

    def __init__(self) -> None:
        self.closed = threading.Event()
        self._lock = threading.RLock()
        self._changed = Signal()
        self._calls = 0
        self._forking = False
        self._current: OpenedChannel | None = None
        self._former: list[OpenedChannel] = []
        self.failures = 0
        self._closed_at = float("-inf")

    @contextmanager
    def call(
        self, open_channel: OpenChannel, deadline: Deadline, version: object = None
    ) -> Iterator[OpenedChannel]:
        """Yield the channel to use, and count the call while the block runs.

        Args:
            open_channel: opens a channel of that version when there is none.
            deadline: of the call.
            version: what a channel is opened with; a new one needs a new channel.

        Raises:
            ConnectionAbortedError: the channel is closed.
            TimeoutError: a fork took all the time.
        """
        while True:
            if not self._changed.wait_for(lambda: not self._forking, deadline.remaining()):
                raise TimeoutError
            with self._lock:
                if not self._forking:
                    opened = self._begin_call(open_channel, version)
                    break
        try:
            yield opened
        finally:
            with self._lock:
                self._calls -= 1
                opened.calls -= 1
                ended = not opened.calls and opened in self._former
            if ended:
                self._close_former(opened)
            self._changed.notify()

    def _begin_call(self, open_channel: OpenChannel, version: object) -> OpenedChannel:
        if self.closed.is_set():
            raise ConnectionAbortedError
        current = self._current
        if current is not None and current.version is not version:
            self.replace(current)
        if self._current is None:
            self._current = open_channel()
        self._calls += 1
        self._current.calls += 1
        return self._current

    def succeed(self, opened: OpenedChannel) -> None:
        """Forget the failures."""
        opened.failures = self.failures = 0

    def fail(self, opened: OpenedChannel, limit: int) -> None:
        """Count a failure; use a new channel after this number of them in a row."""
        opened.failures += 1
        self.failures += 1
        if opened.failures >= limit:
            self.replace(opened)

    def replace(self, opened: OpenedChannel) -> None:
        """Use a new channel for new calls; close this one when the last call on it has ended."""
        with self._lock:
            if self._current is not opened:
                return
            self._current = None
            self._former.append(opened)
            unused = not opened.calls
        if unused:
            self._close_former(opened)

    def close(self) -> None:
        """Cancel the running calls, for good."""
        self.closed.set()
        self._close_all()

    def before_fork(self) -> None:
        """Block new calls, and wait for the running ones or cancel them."""
        with self._lock:
            self._forking = True
            if not self._calls and time.monotonic() > self._closed_at + _SETTLE_SECONDS:
                return
        if not self._changed.wait_for(lambda: not self._calls, _PATIENCE_SECONDS):
            self._close_all()
            self._changed.wait_for(lambda: not self._calls, _CANCEL_SECONDS)
        # gRPC's threads clean up after a call; a lock held by one of them would stay locked in the
        # child.
        self._changed.wait_for(lambda: False, _SETTLE_SECONDS)

    def after_fork(self) -> None:
        """Allow calls again, in the parent."""
        with self._lock:
            self._forking = False
        self._changed.notify()

    def _close_former(self, opened: OpenedChannel) -> None:
        with self._lock:
            if opened not in self._former:
                return
            self._former.remove(opened)
            self._closed_at = time.monotonic()
        opened.channel.close()

    def _close_all(self) -> None:
        with self._lock:
            opened = [*self._former, *filter(None, (self._current,))]
            self._former, self._current = [], None
            self._closed_at = time.monotonic()
        for one in opened:
            one.channel.close()


def guard_forks(channel: ProcessChannel) -> None:
    """Register the channel's fork hooks, for this process only, while the channel lives."""
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
