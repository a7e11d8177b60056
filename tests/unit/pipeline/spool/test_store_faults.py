"""What becomes of the file, and of what is in it, when it is damaged or cannot be written."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan

from bentotrace.pipeline.spool.store import SpoolStore, StoreError

from .batches import MEBIBYTE, MakeStore, StartProcess, keep, large, take_all


def test_a_span_that_cannot_be_written_is_an_error_of_the_store(make_store: MakeStore) -> None:
    class Broken(ReadableSpan):
        @property
        def start_time(self) -> int:
            raise ValueError("bad")

    store = make_store()

    with pytest.raises(StoreError, match="cannot be written: ValueError: bad"):
        store.append(store.next_number(), [Broken("a", resource=Resource.get_empty())])


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
