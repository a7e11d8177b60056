"""The file keeps what it took, whatever happens to the processes that share it, and to itself."""

from __future__ import annotations

import os
import random
import sqlite3
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan

from bentotrace.pipeline.spool.codec import decode_batch
from bentotrace.pipeline.spool.store import Evicted, SpoolStore, StoreError

MEBIBYTE = 1024 * 1024
MakeStore = Callable[..., SpoolStore]
StartProcess = Callable[..., "subprocess.Popen[str]"]

KEEP_AND_WAIT = """\
    import sys
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from bentotrace.pipeline.spool.store import SpoolStore

    store = SpoolStore(sys.argv[1], "otlp", 1 << 20)
    for name in sys.argv[2:]:
        store.append(store.next_number(), [ReadableSpan(name, resource=Resource.get_empty())])
    print("kept", flush=True)
    sys.stdin.read()
"""


def spans(*names: str) -> list[ReadableSpan]:
    return [ReadableSpan(name, resource=Resource.get_empty()) for name in names]


def large(name: str, size: int = 100_000) -> list[ReadableSpan]:
    """Make a batch of so many bytes, compressed."""
    data = random.Random(name).randbytes(size)
    return [ReadableSpan(name, resource=Resource.get_empty(), attributes={"data": data})]


def keep(store: SpoolStore, *names: str) -> None:
    store.append(store.next_number(), spans(*names))


def take_all(store: SpoolStore) -> list[str]:
    taken = []
    while (batch := store.oldest()) is not None:
        taken += [str(span.name) for span in decode_batch(batch.content)]
        assert store.remove(batch.number)
    return taken


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
    assert batch.recovered
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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_does_not_keep_alive_what_its_parent_owned(
    make_store: MakeStore, directory: Path, start_process: StartProcess
) -> None:
    parent = start_process(
        """
        import os, sys, time
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import ReadableSpan
        from bentotrace.pipeline.spool.store import SpoolStore

        store = SpoolStore(sys.argv[1], "otlp", 1 << 20)
        store.append(store.next_number(), [ReadableSpan("a", resource=Resource.get_empty())])
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        print(child, flush=True)
        sys.stdin.read()
        """,
        str(directory),
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    store = make_store()
    assert store.adopt() == 0
    parent.kill()
    parent.wait()
    try:
        assert store.adopt() == 1
    finally:
        os.kill(child, 9)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_that_is_forked_while_threads_write_can_write_too(
    directory: Path, start_process: StartProcess
) -> None:
    process = start_process(
        """
        import os, sys, threading, warnings
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import ReadableSpan
        from bentotrace.pipeline.spool.store import SpoolStore

        # Newer Pythons warn of the fork that is tried here.
        warnings.simplefilter("ignore")
        spans = [ReadableSpan("a", resource=Resource.get_empty())]
        ended = threading.Event()

        def write():
            store = SpoolStore(sys.argv[1], "otlp", 1 << 26)
            while not ended.is_set():
                store.append(store.next_number(), spans)
                store.close()

        threads = [threading.Thread(target=write) for _ in range(2)]
        for thread in threads:
            thread.start()
        for _ in range(30):
            child = os.fork()
            if child == 0:
                store = SpoolStore(sys.argv[1], "otlp", 1 << 26)
                store.append(store.next_number(), spans)
                os._exit(7)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        ended.set()
        """,
        str(directory),
    )

    assert process.wait(60) == 0


KEEP_MANY = """\
    import os, sys
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from bentotrace.pipeline.spool.codec import decode_batch
    from bentotrace.pipeline.spool.store import SpoolStore

    store = SpoolStore(sys.argv[1], "otlp", 1 << 26)
    names = [f"{sys.argv[2]}-{number}" for number in range(50)]
    for names_again in names, names:
        for name in names_again:
            span = ReadableSpan(name, resource=Resource.get_empty())
            store.append(store.next_number(), [span])
    for name in names:
        batch = store.oldest()
        assert [span.name for span in decode_batch(batch.content)] == [name]
        assert store.remove(batch.number)
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


def test_a_span_that_cannot_be_written_is_an_error_of_the_store(make_store: MakeStore) -> None:
    class Broken(ReadableSpan):
        @property
        def start_time(self) -> int:
            raise ValueError("bad")

    store = make_store()

    with pytest.raises(StoreError, match="cannot be written: ValueError: bad"):
        store.append(store.next_number(), [Broken("a", resource=Resource.get_empty())])


def test_the_file_gives_room_back_when_it_is_empty(make_store: MakeStore, directory: Path) -> None:
    store = make_store()
    for number in range(8):
        store.append(store.next_number(), large(str(number)))
    take_all(store)

    store.disconnect()

    assert sum(file.stat().st_size for file in directory.iterdir()) < 100_000


def fill_and_leave(make_store: MakeStore) -> None:
    store = make_store()
    for number in range(5):
        store.append(store.next_number(), large(str(number), 50_000))
    store.close()


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "random": lambda content: random.Random(1).randbytes(len(content)),
    "text": lambda content: b"not a database at all\n" * 1000,
    "cut to a half": lambda content: content[: len(content) // 2],
    "cut inside the first page": lambda content: content[:50],
    "zeros behind the first page": lambda content: content[:4096] + bytes(len(content) - 4096),
    "another schema": lambda content: b"",
}


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_file_is_set_aside_and_replaced(
    make_store: MakeStore, directory: Path, how: str
) -> None:
    fill_and_leave(make_store)
    file = directory / "otlp.sqlite"
    file.write_bytes(DAMAGES[how](file.read_bytes()))
    if how == "another schema":
        with sqlite3.connect(file) as connection:
            connection.execute("CREATE TABLE batches (something TEXT)")
        connection.close()
    size = file.stat().st_size
    store = make_store()

    store.check()
    store.adopt()
    keep(store, "new")

    assert "new" in take_all(store)
    assert Path(store.damaged_path).stat().st_size == size


def test_whatever_bytes_change_nothing_but_store_errors_come_of_it(
    make_store: MakeStore, directory: Path
) -> None:
    chance = random.Random(2)
    file = directory / "otlp.sqlite"
    for _ in range(30):
        fill_and_leave(make_store)
        content = bytearray(file.read_bytes())
        for _ in range(chance.randrange(1, 40)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        file.write_bytes(content)
        store = make_store()
        try:
            store.adopt()
            while (batch := store.oldest()) is not None:
                store.remove(batch.number)
            keep(store, "new")
        except StoreError:
            keep(store, "new")
        assert take_all(store) == ["new"]
        store.close()


def test_a_file_that_is_gone_is_made_anew_and_noticed(
    make_store: MakeStore, directory: Path
) -> None:
    store = make_store()
    keep(store, "a")
    for file in directory.iterdir():
        file.unlink()
    directory.rmdir()

    keep(store, "b")

    assert store.losses == 1
    assert take_all(store) == ["b"]


def test_a_process_follows_another_that_set_the_file_aside(
    make_store: MakeStore, directory: Path
) -> None:
    one, two = make_store(), make_store()
    keep(one, "a")
    os.replace(directory / "otlp.sqlite", directory / "otlp.sqlite.damaged")
    for suffix in ("-wal", "-shm"):
        (directory / f"otlp.sqlite{suffix}").unlink()
    keep(two, "b")

    keep(one, "c")

    assert (one.losses, two.losses) == (1, 0)
    assert take_all(one) == ["c"]
    assert take_all(two) == ["b"]


@pytest.mark.parametrize("below", ["", "inside", "inside/deeper"])
def test_a_path_that_is_a_file_is_an_error_that_says_it(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("here")

    with pytest.raises(StoreError, match=r"File exists|Not a directory"):
        SpoolStore(str(tmp_path / "file" / below), "otlp", MEBIBYTE).check()


def test_a_directory_that_may_not_be_written_is_an_error_that_says_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("root writes everywhere")

    with pytest.raises(StoreError, match="unable to open database file"):
        SpoolStore(str(tmp_path), "otlp", MEBIBYTE).check()


def test_a_full_disk_is_an_error_and_what_was_there_stays(
    make_store: MakeStore, directory: Path, start_process: StartProcess
) -> None:
    pytest.importorskip("resource", reason="this system has no limit of a file's size")
    process = start_process(
        """
        import os, resource, sys
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import ReadableSpan
        from bentotrace.pipeline.spool.store import SpoolStore, StoreError

        store = SpoolStore(sys.argv[1], "otlp", 1 << 30)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
        kept = 0
        try:
            while True:
                data = os.urandom(20_000)
                span = ReadableSpan("a", resource=Resource.get_empty(), attributes={"data": data})
                store.append(store.next_number(), [span])
                kept += 1
        except StoreError as error:
            print(kept, error)
        """,
        str(directory),
    )
    said, _ = process.communicate(timeout=60)
    kept, _, reason = said.partition(" ")

    assert reason.strip() in {"disk I/O error", "database or disk is full"}
    store = make_store()
    assert store.adopt() == int(kept) > 0
    assert not Path(store.damaged_path).exists()


def test_numbers_of_stores_that_count_at_once_are_not_the_same(make_store: MakeStore) -> None:
    stores = [make_store() for _ in range(8)]
    numbers = [store.next_number() for _ in range(50) for store in stores]

    assert len(set(numbers)) == len(numbers)
    for rank in range(8):
        assert numbers[rank::8] == sorted(numbers[rank::8])


def test_a_number_is_above_all_that_were_found(make_store: MakeStore) -> None:
    store = make_store()
    ahead = store.next_number() + (1 << 40)
    store.append(ahead, spans("a"))
    store.close()

    following = make_store()
    following.adopt()

    assert following.next_number() > ahead
