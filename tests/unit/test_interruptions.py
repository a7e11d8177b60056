from __future__ import annotations

import gc
import logging
import signal
import threading
from collections.abc import Callable

import pytest

from bentotrace.interruptions import Lock, WeakList, log_safely, unlocked


def is_free(lock: Lock) -> bool:
    """Whether another thread can hold the lock at once."""
    free: list[bool] = []

    def try_to_hold() -> None:
        free.append(lock._lock.acquire(blocking=False))
        lock.release()

    thread = threading.Thread(target=try_to_hold)
    thread.start()
    thread.join()
    return free[0]


def test_a_lock_is_held_while_the_function_runs() -> None:
    lock = Lock()
    assert lock.run(lambda: is_free(lock)) is False
    assert is_free(lock)


def test_others_get_the_locks_of_a_thread_that_waits() -> None:
    outer, inner = Lock(), Lock()
    seen = []

    def wait() -> None:
        with unlocked():
            seen.append((is_free(outer), is_free(inner)))
        seen.append((is_free(outer), is_free(inner)))

    # The holder may enter again.
    outer.run(lambda: inner.run(lambda: outer.run(wait)))
    assert seen == [(True, True), (False, False)]
    assert is_free(outer)
    assert is_free(inner)


def test_an_error_of_the_wait_leaves_no_lock_held() -> None:
    lock = Lock()

    def fail() -> None:
        with unlocked():
            raise KeyError

    with pytest.raises(KeyError):
        lock.run(fail)
    assert is_free(lock)


def test_a_thread_without_locks_waits_as_usual() -> None:
    with unlocked():
        pass


class Item:
    pass


def test_a_weak_list_keeps_the_order_and_nothing_alive() -> None:
    items = WeakList[Item]()
    first, second, third = Item(), Item(), Item()
    for item in (first, second, third):
        items.add(item)
    assert list(items) == [first, second, third]
    items.discard(second)
    items.discard(second)
    assert second not in items
    del first, item
    gc.collect()
    assert list(items) == [third]
    assert third in items


def test_a_weak_list_may_grow_and_shrink_during_an_iteration() -> None:
    items = WeakList[Item]()
    kept = [Item() for _ in range(10)]
    for item in kept:
        items.add(item)
    seen = 0
    for item in items:
        seen += 1
        items.discard(item)
        kept.append(Item())
        items.add(kept[-1])
    assert seen == 10
    assert list(items) == kept[10:]
    del kept[12:], item
    gc.collect()
    assert list(items) == kept[10:]


LOGGER = logging.getLogger("bentotrace.test")


def test_what_a_log_handler_raises_is_ignored(raising_log_handler: Callable[[], int]) -> None:
    log_safely(LOGGER, logging.WARNING, "%d span", 1)
    assert raising_log_handler() == 1


def test_what_a_signal_handler_raises_in_a_log_handler_reaches_the_application() -> None:
    class Interrupted(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            signal.raise_signal(signal.SIGUSR1)

    def late(_number: int, _frame: object) -> None:
        raise TimeoutError

    handler = Interrupted()
    before = signal.signal(signal.SIGUSR1, late)
    LOGGER.addHandler(handler)
    try:
        with pytest.raises(TimeoutError):
            log_safely(LOGGER, logging.WARNING, "1 span")
    finally:
        LOGGER.removeHandler(handler)
        signal.signal(signal.SIGUSR1, before)
