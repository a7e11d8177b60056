"""A plugin's own KeyboardInterrupt is its error; a Ctrl-C is not."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from bentotrace.discovery.calls import (
    HangError,
    call_bounded,
    call_each,
    describe,
    pass_interrupt,
    running,
)


def raised_by(call: Callable[[], object]) -> BaseException:
    try:
        call()
    except BaseException as error:
        return error
    raise AssertionError("it raised nothing")


def raise_itself() -> None:
    raise KeyboardInterrupt


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)
    for _ in range(1000):
        time.sleep(0.001)


def interrupt_and_clean_up() -> None:
    try:
        interrupt()
    except BaseException:
        time.sleep(0)
        raise


@pytest.fixture
def python_handler() -> Any:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("python_handler")
def test_an_interrupt_that_the_plugin_raises_is_its_error() -> None:
    pass_interrupt(raised_by(raise_itself))
    pass_interrupt(SystemExit(3))


@pytest.mark.usefixtures("python_handler")
@pytest.mark.parametrize("call", [interrupt, interrupt_and_clean_up])
def test_a_ctrl_c_is_raised_again(call: Callable[[], None]) -> None:
    error = raised_by(call)

    with pytest.raises(KeyboardInterrupt) as caught:
        pass_interrupt(error)
    assert caught.value is error


def test_an_interrupt_of_a_handler_in_python_is_raised_again() -> None:
    def handler(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            pass_interrupt(raised_by(interrupt))
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_has_no_ctrl_c() -> None:
    passed: list[bool] = []

    def run() -> None:
        pass_interrupt(raised_by(raise_itself))
        passed.append(True)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    assert passed == [True]


def test_a_text_that_cannot_be_read_leaves_the_type() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise SystemExit

    assert describe(Mute()) == "Mute"
    assert describe(RuntimeError("two\nlines")) == "RuntimeError: two lines"


def test_a_bounded_call_returns_or_raises_what_the_function_does() -> None:
    assert call_bounded(lambda: 5, 60, "it") == 5
    with pytest.raises(ZeroDivisionError):
        call_bounded(lambda: 1 // 0, 60, "it")


def test_a_call_that_hangs_is_abandoned_and_what_runs_is_named() -> None:
    release = threading.Event()

    def hang() -> None:
        with running("importing acme"):
            release.wait(60)

    with pytest.raises(HangError, match=r"^importing acme did not return within 0\.3 s and was"):
        call_bounded(hang, 0.3, "it")
    with pytest.raises(HangError, match=r"^it did not return"):
        call_bounded(lambda: release.wait(60), 0.3, "it")
    release.set()


def test_calls_share_a_thread_until_one_of_them_hangs() -> None:
    release = threading.Event()

    def hang() -> None:
        with running("importing acme"):
            release.wait(60)

    functions: list[Callable[[], object]] = [
        threading.current_thread,
        lambda: 1 // 0,
        threading.current_thread,
        hang,
        threading.current_thread,
        lambda: release.wait(60),
        threading.current_thread,
    ]
    calls = [(f"call {index}", function) for index, function in enumerate(functions)]
    first, error, again, hung, second, unnamed, third = call_each(calls, 0.5)

    assert isinstance(error[1], ZeroDivisionError)
    assert [str(hung[1]), str(unnamed[1])] == [
        "importing acme did not return within 0.5 s and was abandoned",
        "call 5 did not return within 0.5 s and was abandoned",
    ]
    threads = [first[0], again[0], second[0], third[0]]
    assert threads[0] is threads[1]
    assert len({*threads}) == 3
    release.set()
    for thread in threads:
        assert isinstance(thread, threading.Thread)
        thread.join(60)
        assert not thread.is_alive()


def test_a_call_that_returns_late_is_followed_by_no_other_of_its_thread() -> None:
    release = threading.Event()
    made: list[int] = []

    def made_in() -> None:
        made.append(threading.get_ident())

    calls: list[Callable[[], object]] = [
        threading.current_thread,
        lambda: release.wait(60),
        made_in,
    ]
    (thread, _), (_, error), _ = call_each([("it", call) for call in calls], 0.5)
    release.set()
    assert isinstance(thread, threading.Thread)
    thread.join(60)
    assert isinstance(error, HangError)
    assert len(made) == 1


def test_each_call_has_the_context_of_the_caller_alone() -> None:
    variable: ContextVar[str] = ContextVar("variable", default="unset")
    variable.set("of the caller")

    def read_and_change() -> str:
        found = variable.get()
        variable.set("of a call")
        return found

    found = [result for result, _ in call_each([("it", read_and_change)] * 2, 60)]
    assert found == ["of the caller"] * 2
    assert variable.get() == "of the caller"


def test_each_call_has_its_own_time() -> None:
    # Together they take longer than one may.
    calls = [("it", lambda: time.sleep(1))] * 3
    assert [*call_each(calls, 2.5)] == [(None, None)] * 3
