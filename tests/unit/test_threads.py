"""Waiting, where nothing has patched the process; tests/faults/greenlets has what patches it."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType

import pytest

from bentotrace import threads
from bentotrace.threads import Signal


def test_a_wait_ends_when_the_condition_holds() -> None:
    signal_, done = Signal(), threading.Event()

    def finish() -> None:
        time.sleep(0.05)
        done.set()
        signal_.notify()

    threads.make_thread(finish, "finish").start()

    assert signal_.wait_for(done.is_set, 10)


def test_all_who_wait_are_woken() -> None:
    signal_, done = Signal(), threading.Event()
    ended: list[bool] = []
    waiting = [
        threads.make_thread(lambda: ended.append(signal_.wait_for(done.is_set, 10)), "waits")
        for _ in range(8)
    ]
    for thread in waiting:
        thread.start()
    time.sleep(0.05)

    done.set()
    signal_.notify()

    for thread in waiting:
        thread.join(10)
    assert ended == [True] * 8


def test_a_notification_without_the_change_ends_no_wait() -> None:
    signal_ = Signal()
    threads.make_thread(lambda: (time.sleep(0.02), signal_.notify()), "notifies").start()
    begin = time.monotonic()

    assert not signal_.wait_for(lambda: False, 0.2)
    assert time.monotonic() - begin >= 0.2


@pytest.mark.parametrize("timeout", [0, -1.0])
def test_without_time_the_condition_is_looked_at_once(timeout: float) -> None:
    assert Signal().wait_for(lambda: True, timeout)
    assert not Signal().wait_for(lambda: False, timeout)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no such timer")
def test_what_a_signal_handler_raises_ends_the_wait_and_leaves_nothing_locked() -> None:
    signal_ = Signal()

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise InterruptedError("the application's own")

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(InterruptedError, match="the application's own"):
            signal_.wait_for(lambda: False, 10)
    finally:
        signal.signal(signal.SIGALRM, before)

    assert signal_._waiters == []
    signal_.notify()
    assert not signal_.wait_for(lambda: False, 0.01)


def test_what_blocks_is_called_where_it_stands() -> None:
    assert threads.call_blocking(threading.get_ident) == threading.get_ident()
    called: list[int] = []
    threads.run_from_signal(lambda: called.append(threading.get_ident()))
    assert called == [threading.get_ident()]


def test_no_thread_is_older_than_a_patch_that_never_was() -> None:
    old: list[bool] = []
    thread = threads.make_thread(lambda: old.append(threads.started_before_patch()), "asks")
    thread.start()
    thread.join(10)
    assert old == [False]
    assert not threads.started_before_patch()


def test_what_a_process_has_stays_the_same() -> None:
    assert threads.home() == threads.home()
    assert threads.threading_state() is threads.threading_state()
