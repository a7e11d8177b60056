"""The file keeps what it took, in order, and stays within its bound."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from bentotrace.spool.store import StoreError

from .batches import MEBIBYTE, MakeStore, keep, large, put, spans, take_all


def test_batches_come_out_in_the_order_of_their_numbers(make_store: MakeStore) -> None:
    store = make_store()
    first, second = store.next_number(), store.next_number()
    keep(store, "d", "e")
    put(store, second, spans("c"))
    put(store, first, spans("a", "b"))

    assert take_all(store) == ["a", "b", "c", "d", "e"]
    assert store.oldest() is None


def test_the_oldest_between_two_numbers_is_found(make_store: MakeStore) -> None:
    store = make_store()
    numbers = [store.next_number() for _ in range(3)]
    for number in numbers:
        put(store, number, spans(str(number)))

    behind = store.oldest(after=numbers[0])
    assert behind is not None
    assert behind.number == numbers[1]
    assert store.oldest(numbers[0] - 1) is None


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
        evicted += len(put(store, store.next_number(), large(str(number))))
        assert (directory / "otlp.sqlite").stat().st_size <= MEBIBYTE
        assert sum(file.stat().st_size for file in directory.iterdir()) < 4 * MEBIBYTE

    left = take_all(store)
    assert left == [str(number) for number in range(50 - len(left), 50)]
    assert 7 <= len(left) < 50
    assert evicted == 50 - len(left)


def test_what_others_evicted_is_told_to_its_owner_once(make_store: MakeStore) -> None:
    one, two = make_store(), make_store()
    number = one.next_number()
    put(one, number, large("a", 600_000))

    assert put(two, two.next_number(), large("b", 600_000)) == {number: 1}
    assert one.evicted() == [number]
    one.forget_evicted()
    assert one.evicted() == []
    assert one.oldest() is None
    assert take_all(two) == ["b"]


def test_a_batch_that_is_being_sent_is_not_evicted(make_store: MakeStore) -> None:
    store = make_store()
    first = store.next_number()
    put(store, first, large("a", 400_000))
    put(store, store.next_number(), large("b", 400_000))

    put(store, store.next_number(), large("c", 400_000), protected=first)

    assert take_all(store) == ["a", "c"]


def test_a_batch_that_is_larger_than_the_bound_evicts_nothing(make_store: MakeStore) -> None:
    store = make_store()
    keep(store, "a")

    with pytest.raises(StoreError, match="does not fit: max_bytes is"):
        put(store, store.next_number(), large("b", 2 * MEBIBYTE))

    assert take_all(store) == ["a"]


def test_the_file_gives_room_back_when_it_is_empty(make_store: MakeStore, directory: Path) -> None:
    store = make_store()
    for number in range(8):
        put(store, store.next_number(), large(str(number)))
    take_all(store)

    store.disconnect()

    assert sum(file.stat().st_size for file in directory.iterdir()) < 100_000


def test_a_number_is_above_all_that_were_found(make_store: MakeStore) -> None:
    store = make_store()
    ahead = store.next_number() + (1 << 40)
    put(store, ahead, spans("a"))
    store.close()

    following = make_store()
    following.adopt()

    assert following.next_number() > ahead
