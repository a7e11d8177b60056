"""What several processes, forks and stores keep in one file."""

from __future__ import annotations

from pathlib import Path

from .batches import MakeStore, StartProcess, keep, take_all

KEEP_AND_WAIT = """\
    import sys
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from bentotrace.spool.codec import encode_batch
    from bentotrace.spool.store import SpoolStore

    store = SpoolStore(sys.argv[1], "otlp", 1 << 20)
    for name in sys.argv[2:]:
        batch = [ReadableSpan(name, resource=Resource.get_empty())]
        store.append(store.next_number(), 1, encode_batch(batch))
    print("kept", flush=True)
    sys.stdin.read()
"""


def test_a_living_process_keeps_its_own(
    make_store: MakeStore, directory: Path, start_process: StartProcess
) -> None:
    other = start_process(KEEP_AND_WAIT, str(directory), "a", "b")
    assert other.stdout is not None
    other.stdout.readline()

    store = make_store()

    assert store.adopt() == 0
    assert store.oldest() is None


def test_what_a_killed_process_left_goes_over_to_the_next(
    make_store: MakeStore, directory: Path, start_process: StartProcess
) -> None:
    other = start_process(KEEP_AND_WAIT, str(directory), "a", "b")
    assert other.stdout is not None
    other.stdout.readline()
    other.kill()
    other.wait()
    store, late = make_store(), make_store()

    assert store.adopt() == 2
    assert late.adopt() == 0
    batch = store.oldest()
    assert batch is not None
    assert take_all(store) == ["a", "b"]
    store.close()
    late.close()
    assert [file.name for file in directory.iterdir()] == ["otlp.sqlite"]


def test_two_stores_of_one_process_share_as_two_processes_do(make_store: MakeStore) -> None:
    one, two = make_store(), make_store()
    keep(one, "a")
    keep(two, "b")

    assert two.adopt() == 0
    one.close()
    assert two.adopt() == 1
    assert take_all(two) == ["a", "b"]


KEEP_MANY = """\
    import os, sys
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from bentotrace.spool.codec import encode_batch
    from bentotrace.spool.store import SpoolStore

    store = SpoolStore(sys.argv[1], "otlp", 1 << 26)
    names = [f"{sys.argv[2]}-{number}" for number in range(50)]
    for names_again in names, names:
        for name in names_again:
            span = ReadableSpan(name, resource=Resource.get_empty())
            store.append(store.next_number(), 1, encode_batch([span]))
    for name in names:
        batch = store.oldest()
        assert [span.name for span in batch.decode()] == [name]
        store.remove([batch.number])
    os._exit(0)
"""


def test_processes_that_write_at_once_lose_nothing_and_take_nothing_from_each_other(
    make_store: MakeStore, directory: Path, start_process: StartProcess
) -> None:
    others = [start_process(KEEP_MANY, str(directory), str(rank)) for rank in range(4)]
    assert [other.wait() for other in others] == [0, 0, 0, 0]
    store = make_store()

    assert store.adopt() == 200
    taken = take_all(store)
    assert len(set(taken)) == len(taken) == 200
    for rank in range(4):
        own = [name for name in taken if name.startswith(f"{rank}-")]
        assert own == [f"{rank}-{number}" for number in range(50)]


def test_numbers_of_stores_that_count_at_once_are_not_the_same(make_store: MakeStore) -> None:
    stores = [make_store() for _ in range(8)]
    numbers = [store.next_number() for _ in range(50) for store in stores]

    assert len(set(numbers)) == len(numbers)
    for rank in range(8):
        assert numbers[rank::8] == sorted(numbers[rank::8])
