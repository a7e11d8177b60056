"""What becomes of the file, and of what is in it, when it is damaged or cannot be written."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bentotrace.spool.codec import DamagedBatchError
from bentotrace.spool.store import SpoolStore, StoreError

from ...golden import Golden
from ...permissions import obeyed_permissions
from .batches import MEBIBYTE, MakeStore, StartProcess, keep, large, put, take_all
from .damages import make_old


def read_file(directory: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(directory / "otlp.sqlite")) as connection:
        return connection.execute(query).fetchall()


def change_file(directory: Path, script: str) -> None:
    with closing(sqlite3.connect(directory / "otlp.sqlite")) as connection:
        connection.executescript(script)
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def fill_and_leave(make_store: MakeStore) -> None:
    store = make_store()
    for number in range(5):
        put(store, store.next_number(), large(str(number), 50_000))
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
                store.remove([batch.number])
            keep(store, "new")
        except StoreError:
            keep(store, "new")
        assert take_all(store) == ["new"]
        store.close()


def test_a_file_of_version_1_is_converted(make_store: MakeStore, directory: Path) -> None:
    store = make_store()
    keep(store, "a", "b")
    keep(store, "c")
    store.close()
    os.replace(directory / "otlp.sqlite", directory / "new.sqlite")
    make_old(directory / "new.sqlite", directory / "otlp.sqlite")

    following = make_store()

    assert following.adopt() == 3
    assert take_all(following) == ["a", "b", "c"]
    assert following.damage == ""


ROWS = {
    "content is text": "content = 'abc'",
    "content is the same as text": "content = CAST(content AS TEXT)",
    "content is a number": "content = 300000000000",
    "content is empty": "content = x''",
    "one bit of the content": "content = substr(content, 1, 20) || x'00' || substr(content, 22)",
    "number of spans": "spans = spans + 1",
    "number of spans is text": "spans = 'many'",
    "number": "number = number - 1",
    "highest number": "number = 9223372036854775807",
    "negative number": "number = -5",
    "checksum is text": "checksum = 'text'",
}


@pytest.mark.parametrize("change", ROWS.values(), ids=ROWS)
def test_a_row_that_was_changed_is_not_decoded_and_holds_up_no_other(
    make_store: MakeStore, directory: Path, change: str
) -> None:
    store = make_store()
    for name in ("a", "b", "c"):
        keep(store, name)
    store.close()
    change_file(
        directory, f"UPDATE batches SET {change} WHERE number = (SELECT min(number) FROM batches)"
    )
    following = make_store()
    following.adopt()
    keep(following, "new")

    left = []
    while (batch := following.oldest()) is not None:
        try:
            left += [str(span.name) for span in batch.decode()]
        except DamagedBatchError:
            left += ["damaged"]
        following.remove([batch.number])

    assert sorted(left) == ["b", "c", "damaged", "new"]


@pytest.mark.parametrize(
    "owner", ["'nobody'", "x'00ff'", "CAST(x'ff00' AS TEXT)", "7", "'../../../etc/passwd'"]
)
def test_a_batch_of_an_owner_that_cannot_be_is_adopted(
    make_store: MakeStore, directory: Path, owner: str
) -> None:
    store = make_store()
    keep(store, "a")
    store.close()
    change_file(directory, f"UPDATE batches SET owner = {owner}")
    following = make_store()

    assert following.adopt() == 1
    assert take_all(following) == ["a"]


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TRIGGER t BEFORE DELETE ON batches BEGIN SELECT RAISE(ABORT, 'no'); END",
        "CREATE TRIGGER t AFTER INSERT ON batches BEGIN DELETE FROM batches; END",
        "ALTER TABLE batches ADD COLUMN more",
        "DROP INDEX by_owner",
        "PRAGMA user_version = 3",
    ],
)
def test_a_file_with_another_schema_is_set_aside_and_that_is_logged(
    make_store: MakeStore, directory: Path, script: str, golden: Golden
) -> None:
    fill_and_leave(make_store)
    change_file(directory, script)
    store = make_store()

    store.check()

    golden(store.damage)
    assert Path(store.damaged_path).exists()
    keep(store, "new")
    assert take_all(store) == ["new"]


@pytest.mark.parametrize("name", ["otlp.sqlite", "otlp.sqlite-wal", "otlp.repair"])
@pytest.mark.parametrize("target", ["missing", "present"])
def test_a_symbolic_link_is_not_followed(
    make_store: MakeStore, directory: Path, tmp_path: Path, name: str, target: str
) -> None:
    (tmp_path / "present").write_bytes(b"")
    directory.mkdir(mode=0o777)
    (directory / name).symlink_to(tmp_path / target)
    if name == "otlp.repair":
        (directory / "otlp.sqlite").write_bytes(b"no database" * 1000)
    store = make_store()

    keep(store, "new")

    assert take_all(store) == ["new"]
    assert not (tmp_path / "missing").exists()
    assert (tmp_path / "present").read_bytes() == b""


def test_what_is_not_a_lock_does_not_keep_batches_from_others(
    make_store: MakeStore, directory: Path
) -> None:
    store = make_store()
    keep(store, "a")
    store.close()
    (owner,) = (owner for (owner,) in read_file(directory, "SELECT owner FROM batches"))
    (directory / f"otlp.{owner}.lock").write_bytes(b"not a lock" * 1000)
    following = make_store()

    assert following.adopt() == 1
    assert take_all(following) == ["a"]
    assert not Path(following.damaged_path).exists()


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

    with obeyed_permissions(), pytest.raises(StoreError, match="Permission denied"):
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
        from bentotrace.spool.codec import encode_batch
        from bentotrace.spool.store import SpoolStore, StoreError

        store = SpoolStore(sys.argv[1], "otlp", 1 << 30)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
        kept = 0
        try:
            while True:
                data = os.urandom(20_000)
                span = ReadableSpan("a", resource=Resource.get_empty(), attributes={"data": data})
                store.append(store.next_number(), 1, encode_batch([span]))
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
