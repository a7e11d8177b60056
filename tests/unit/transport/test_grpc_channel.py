from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from bentotrace.transport._grpc_channel import ProcessChannel
from bentotrace.transport.deadline import Deadline


class Opened:
    """A channel that can only be closed, which ends the calls on it."""

    def __init__(self) -> None:
        self.ended = threading.Event()

    def close(self) -> None:
        self.ended.set()

    def method(self, _: Any) -> bytes:
        assert self.ended.wait(5)
        return b""


class Opener:
    def __init__(self) -> None:
        self.channels: list[Opened] = []

    def __call__(self) -> tuple[Any, Callable[..., bytes]]:
        self.channels.append(Opened())
        return self.channels[-1], self.channels[-1].method


def run_call(channel: ProcessChannel, opener: Opener) -> threading.Thread:
    begun = threading.Event()

    def run() -> None:
        with channel.call(opener, Deadline.after(5)) as method:
            begun.set()
            method(b"")

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(5)
    return thread


def test_one_channel_is_opened_for_all_calls() -> None:
    channel, opener = ProcessChannel(), Opener()
    for _ in range(3):
        with channel.call(opener, Deadline.after(1)):
            pass
    assert len(opener.channels) == 1
    channel.close()
    channel.close()
    assert opener.channels[0].ended.is_set()


def test_no_call_begins_once_closed() -> None:
    channel = ProcessChannel()
    channel.close()
    with pytest.raises(ConnectionAbortedError), channel.call(Opener(), Deadline.after(1)):
        pass


def test_a_fork_waits_for_a_short_call() -> None:
    channel, opener = ProcessChannel(), Opener()
    thread = run_call(channel, opener)
    threading.Timer(0.05, opener.channels[0].ended.set).start()
    channel.before_fork()
    assert channel._calls == 0
    assert channel._opened is not None
    channel.after_fork()
    thread.join(5)


def test_a_fork_cancels_a_long_call() -> None:
    channel, opener = ProcessChannel(), Opener()
    thread = run_call(channel, opener)
    started = time.monotonic()
    channel.before_fork()
    assert time.monotonic() - started < 1
    assert channel._calls == 0
    assert opener.channels[0].ended.is_set()
    channel.after_fork()
    thread.join(5)


def test_no_call_begins_during_a_fork() -> None:
    channel = ProcessChannel()
    channel.before_fork()
    with pytest.raises(TimeoutError), channel.call(Opener(), Deadline.after(0.05)):
        pass
    threading.Timer(0.05, channel.after_fork).start()
    with channel.call(Opener(), Deadline.after(5)):
        assert not channel._forking
