from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from bentotrace.deadline import Deadline
from bentotrace.transport._grpc_channel import OpenedChannel, ProcessChannel


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

    def __call__(self, version: object = None) -> OpenedChannel:
        self.channels.append(Opened())
        return OpenedChannel(self.channels[-1], self.channels[-1].method, version)


def run_call(channel: ProcessChannel, opener: Opener) -> threading.Thread:
    begun = threading.Event()

    def run() -> None:
        with channel.call(opener, Deadline.after(5)) as opened:
            begun.set()
            opened.method(b"")

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
    assert channel._current is not None
    channel.after_fork()
    thread.join(5)


def test_a_fork_cancels_a_long_call() -> None:
    channel, opener = ProcessChannel(), Opener()
    thread = run_call(channel, opener)
    started = time.monotonic()
    channel.before_fork()
    assert time.monotonic() - started < 5
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


def test_a_channel_that_is_replaced_is_closed_after_its_last_call() -> None:
    channel, opener = ProcessChannel(), Opener()
    thread = run_call(channel, opener)
    with channel.call(opener, Deadline.after(1)) as opened:
        channel.fail(opened, 1)
    assert not opener.channels[0].ended.is_set()
    with channel.call(opener, Deadline.after(1)):
        assert len(opener.channels) == 2
    opener.channels[0].ended.set()
    thread.join(5)
    assert channel._former == []


def test_failures_in_a_row_are_counted_over_all_channels() -> None:
    channel, opener = ProcessChannel(), Opener()
    for _ in range(4):
        with channel.call(opener, Deadline.after(1)) as opened:
            channel.fail(opened, 2)
    assert (channel.failures, len(opener.channels)) == (4, 2)
    with channel.call(opener, Deadline.after(1)) as opened:
        channel.succeed(opened)
    assert channel.failures == 0


def test_another_version_gets_another_channel() -> None:
    channel, opener = ProcessChannel(), Opener()
    first, second = object(), object()
    for version in (first, first, second):
        with channel.call(lambda: opener(version), Deadline.after(1), version):  # noqa: B023
            pass
    assert [opened.ended.is_set() for opened in opener.channels] == [True, False]


def test_a_fork_waits_until_a_channel_that_was_closed_is_gone() -> None:
    channel, opener = ProcessChannel(), Opener()
    with channel.call(opener, Deadline.after(1)) as opened:
        channel.fail(opened, 1)
    started = time.monotonic()
    channel.before_fork()
    assert time.monotonic() - started >= 0.09
    channel.after_fork()
