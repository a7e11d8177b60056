"""The file keeps what it took, in order, and stays within its bound."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from bentotrace.pipeline.spool.store import Evicted, StoreError

from .batches import MEBIBYTE, MakeStore, keep, large, spans, take_all


def test_batches_come_out_in_the_order_of_their_numbers(make_store: MakeStore) -> None:
    store = make_store()
    first, second = store.next_number(), store.next_number()
    keep(store, "d", "e")
    store.append(second, spans("c"))
    store.append(first, spans("a", "b"))

    assert take_all(store) == ["a", "b", "c", "d", "e"]
    assert store.oldest() is None


def test_the_oldest_between_two_numbers_is_found(make_store: MakeStore) -> None:
    store = make_store()
    numbers = [store.next_number() for _ in range(3)]
    for number in numbers:
        store.append(number, spans(str(number)))

    behind = store.oldest(after=numbers[0])
    assert behind is not None
    assert behind.number == numbers[1]
    assert store.oldest(numbers[0]) is None


def test_nobody_else_can_read_the_file(make_store: MakeStore, directory: Path) -> None:
    store = make_store()
    keep(store, "a")

    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    for file in directory.glob("otlp.sqlite*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_connection_is_closed_between_uses(make_store: MakeStore) -> None:
    store = make_store()
    keep(store, "a")
    store.disconnect()
    keep(store, "b")

    assert take_all(store) == ["a", "b"]


def test_the_oldest_make_room_and_the_file_stays_within_its_bound(
    make_store: MakeStore, directory: Path
) -> None:
    store = make_store(MEBIBYTE)
    evicted = 0
    for number in range(50):
        evicted += store.append(store.next_number(), large(str(number))).own
        assert (directory / "otlp.sqlite").stat().st_size <= MEBIBYTE
        assert sum(file.stat().st_size for file in directory.iterdir()) < 4 * MEBIBYTE

    left = take_all(store)
    assert left == [str(number) for number in range(50 - len(left), 50)]
    assert 7 <= len(left) < 50
    assert evicted == 50 - len(left)


def test_what_others_evicted_is_told_to_its_owner_once(make_store: MakeStore) -> None:
    one, two = make_store(), make_store()
    one.append(one.next_number(), large("a", 600_000))

    assert two.append(two.next_number(), large("b", 600_000)) == Evicted(0, 1)
    assert (one.take_evicted(), one.take_evicted()) == (1, 0)
    assert one.oldest() is None
    assert take_all(two) == ["b"]


def test_a_batch_that_is_being_sent_is_not_evicted(make_store: MakeStore) -> None:
    store = make_store()
    first = store.next_number()
    store.append(first, large("a", 400_000))
    store.append(store.next_number(), large("b", 400_000))

    store.append(store.next_number(), large("c", 400_000), spared=first)

    assert take_all(store) == ["a", "c"]


def test_a_batch_that_is_larger_than_the_bound_evicts_nothing(make_store: MakeStore) -> None:
    store = make_store()
    keep(store, "a")

    with pytest.raises(StoreError, match="more than its max_bytes leave room for"):
        store.append(store.next_number(), large("b", 2 * MEBIBYTE))

    assert take_all(store) == ["a"]


def test_the_file_gives_room_back_when_it_is_empty(make_store: MakeStore, directory: Path) -> None:
    store = make_store()
    for number in range(8):
        store.append(store.next_number(), large(str(number)))
    take_all(store)

    store.disconnect()

    assert sum(file.stat().st_size for file in directory.iterdir()) < 100_000


def test_a_number_is_above_all_that_were_found(make_store: MakeStore) -> None:
    store = make_store()
    ahead = store.next_number() + (1 << 40)
    store.append(ahead, spans("a"))
    store.close()

    following = make_store()
    following.adopt()

    assert following.next_number() > ahead
