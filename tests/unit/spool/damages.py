"""Random damages to the files of a spool, as a disk, another program or an attacker does them."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from bentotrace.spool.store import SpoolStore

from .batches import MEBIBYTE, large, put, spans

LIVE = "live.sqlite"
"""A file with a write-ahead log, as a killed process leaves it."""

CLOSED = "closed.sqlite"
OLD = "old.sqlite"
SUFFIXES = ("", "-wal", "-shm")

_OWNER = "0123456789abcdef" * 2
_OLD_SCHEMA = """
CREATE TABLE batches (
    number INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,
    recovered INTEGER NOT NULL DEFAULT 0,
    spans INTEGER NOT NULL,
    content BLOB NOT NULL
);
CREATE INDEX by_owner ON batches (owner, number);
CREATE TABLE evictions (owner TEXT PRIMARY KEY, spans INTEGER NOT NULL);
"""


def make_templates(directory: Path) -> None:
    """Create an example of each kind of file."""
    store = SpoolStore(str(directory), "live", MEBIBYTE)
    for number in range(5):
        put(store, store.next_number(), spans(f"{number}-a", f"{number}-b"))
    put(store, store.next_number(), large("large", 20_000))
    for suffix in SUFFIXES:
        shutil.copy(f"{store.path}{suffix}", directory / f"copy{suffix}")
    store.close()
    shutil.copy(store.path, directory / CLOSED)
    for suffix in SUFFIXES:
        os.replace(directory / f"copy{suffix}", directory / f"{LIVE}{suffix}")
    make_old(directory / CLOSED, directory / OLD)


def make_old(path: Path, old: Path) -> None:
    """Copy the batches of a file into one of version 1."""
    with closing(sqlite3.connect(old)) as connection:
        connection.executescript("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;")
        connection.executescript(_OLD_SCHEMA)
        connection.execute("ATTACH ? AS new", (str(path),))
        connection.execute(
            "INSERT INTO main.batches SELECT number, owner, 0, spans, content FROM new.batches"
        )
        connection.commit()


class Damager:
    """Damages one file, and remembers how."""

    def __init__(self, templates: Path, victim: Path) -> None:
        self._templates = templates
        self._victim = victim

    def damage(self, chance: random.Random, path: Path, *, live: bool = False) -> list[str]:
        """Damage the file, which a process may be using; return what was done."""
        done = []
        # A process ends when another cuts the memory that they share.
        suffixes = SUFFIXES[:2] if live else SUFFIXES
        for _ in range(chance.choice([1, 1, 1, 2, 3])):
            how = chance.choice([self.change_bytes, self.change_row, self.change_schema, self.swap])
            # One may leave nothing for the next.
            try:
                what = (
                    how(chance, path, suffixes) if how == self.change_bytes else how(chance, path)
                )
                done.append(f"{how.__name__}: {what}")
            except (OSError, sqlite3.Error, UnicodeError, IndexError, ValueError) as error:
                done.append(f"{how.__name__} impossible: {error}")
            if how == self.swap:
                # Other damages would follow a link.
                break
        return done

    def put_example(self, chance: random.Random, path: Path) -> str:
        """Put an undamaged file there."""
        template = chance.choice([LIVE, CLOSED, OLD])
        self._copy(template, path)
        return template

    def _copy(self, template: str, path: Path) -> None:
        for suffix in SUFFIXES:
            source = self._templates / f"{template}{suffix}"
            if source.exists():
                shutil.copy(source, f"{path}{suffix}")

    def change_bytes(
        self, chance: random.Random, path: Path, suffixes: Sequence[str] = SUFFIXES
    ) -> str:
        """Flip bits, or cut, overwrite or extend a file."""
        files = [
            Path(f"{path}{suffix}") for suffix in suffixes if os.path.isfile(f"{path}{suffix}")
        ]
        file = chance.choice(files)
        size = file.stat().st_size
        place = chance.randrange(size)
        kind = chance.choice(["flip", "flip", "flip", "cut", "zeros", "random", "extend"])
        with file.open("r+b") as opened:
            if kind == "flip":
                for _ in range(chance.choice([1, 1, 8, 64])):
                    # Heads of files and pages matter most.
                    place = chance.choice(
                        [chance.randrange(size), chance.randrange(min(size, 200))]
                    )
                    opened.seek(place)
                    (byte,) = opened.read(1)
                    opened.seek(place)
                    opened.write(bytes([byte ^ (1 << chance.randrange(8))]))
            elif kind == "cut":
                opened.truncate(chance.choice([0, place, place // 4096 * 4096]))
            else:
                length = chance.randrange(1, 8192)
                opened.seek(size if kind == "extend" else place)
                opened.write(bytes(length) if kind == "zeros" else chance.randbytes(length))
        return f"{kind} at {place} of {file.name}"

    def change_row(self, chance: random.Random, path: Path) -> str:
        """Change the type or value of a column, or copy a row."""
        value = chance.choice(
            [
                *("'text'", "CAST(x'ff00c0' AS TEXT)", "''", "x''", "zeroblob(100)", "NULL", "1.5"),
                *("0", "-1", "7", "300000000000", "9223372036854775807", "-9223372036854775808"),
                *("1e308", "hex(zeroblob(100000))", "randomblob(32)", "lower(hex(randomblob(16)))"),
                *("CAST(content AS TEXT)", "content || x'00'", "number", "'../../' || owner"),
            ]
        )
        column = chance.choice(["number", "owner", "spans", "content", "checksum"])
        with closing(sqlite3.connect(path, timeout=0)) as connection:
            where = "number = (SELECT number FROM batches ORDER BY random() LIMIT 1)"
            statement = chance.choice(
                [
                    *[f"UPDATE batches SET {column} = {value} WHERE {where}"] * 4,
                    f"UPDATE batches SET {column} = {value}",
                    f"UPDATE batches SET number = number + {chance.choice([-1, 1]) * (1 << 62)}",
                    f"INSERT INTO evictions SELECT number, {value} FROM batches",
                    f"INSERT INTO evictions SELECT number, owner FROM batches WHERE {where}",
                    f"DELETE FROM batches WHERE {where}",
                ]
            )
            connection.execute(statement)
            connection.commit()
        return statement

    def change_schema(self, chance: random.Random, path: Path) -> str:
        """Change what the file defines, or how it is written."""
        script = chance.choice(
            [
                *("DROP TABLE batches", "DROP TABLE evictions", "DROP INDEX by_owner"),
                *("ALTER TABLE batches ADD COLUMN more", "ALTER TABLE batches RENAME TO other"),
                *("PRAGMA user_version = 3", "PRAGMA user_version = 0", "PRAGMA user_version = 1"),
                "CREATE TRIGGER t BEFORE DELETE ON batches BEGIN SELECT RAISE(ABORT, 'no'); END",
                "CREATE TRIGGER t AFTER INSERT ON batches BEGIN DELETE FROM batches; END",
                "CREATE TRIGGER t BEFORE UPDATE ON batches BEGIN SELECT RAISE(IGNORE); END",
                "CREATE UNIQUE INDEX one ON batches (typeof(content))",
                "CREATE VIEW v AS SELECT * FROM missing",
                "DROP TABLE batches; CREATE VIEW batches AS SELECT 1 AS number, 2 AS owner",
                "DROP TABLE batches; CREATE TABLE batches (number, owner, spans, content, checksum)",
                "DROP TABLE batches; CREATE VIRTUAL TABLE batches USING fts5(owner, content)",
                "PRAGMA journal_mode = DELETE",
                "PRAGMA journal_mode = DELETE; PRAGMA page_size = 512; VACUUM",
                "PRAGMA journal_mode = DELETE; PRAGMA auto_vacuum = NONE; VACUUM",
                "PRAGMA application_id = 7",
                "ANALYZE",
                *(
                    f"PRAGMA writable_schema = ON; UPDATE sqlite_master SET {change}"
                    for change in (
                        "sql = 'CREATE TABLE batches (number)' WHERE name = 'batches'",
                        "sql = 'no statement' WHERE name = 'evictions'",
                        "sql = CAST(x'ffc0' AS TEXT) WHERE name = 'by_owner'",
                        "name = CAST(x'ffc0' AS TEXT) WHERE name = 'by_owner'",
                        "rootpage = 1 WHERE name = 'batches'",
                        "rootpage = 5 - rootpage",
                        "rootpage = 90000 WHERE name = 'by_owner'",
                        "type = 'locked'",
                    )
                ),
            ]
        )
        with closing(sqlite3.connect(path, timeout=0)) as connection:
            connection.executescript(script)
            connection.commit()
        return script

    def swap(self, chance: random.Random, path: Path) -> str:
        """Replace a file by something else, or put something beside it."""
        swaps: dict[str, Callable[[], object]] = {
            "another": lambda: self._copy(chance.choice([LIVE, CLOSED, OLD]), path),
            "the log of another": lambda: shutil.copy(
                self._templates / f"{LIVE}-wal", f"{path}-wal"
            ),
            "nothing": lambda: path.unlink(),
            "no log": lambda: Path(f"{path}-wal").unlink(),
            "empty": lambda: path.write_bytes(b""),
            "random": lambda: path.write_bytes(chance.randbytes(chance.randrange(20_000))),
            "directory": lambda: (path.unlink(), path.mkdir()),
            "pipe": lambda: (path.unlink(), os.mkfifo(path)),
            "link": lambda: (path.unlink(), path.symlink_to(self._victim / "file")),
            "dangling link": lambda: (path.unlink(), path.symlink_to(self._victim / "none")),
            "dangling log": lambda: (
                Path(f"{path}-wal").unlink(missing_ok=True),
                Path(f"{path}-wal").symlink_to(self._victim / "none"),
            ),
            "lock": lambda: path.with_suffix(f".{_OWNER}.lock").write_bytes(chance.randbytes(5000)),
            "linked lock": lambda: path.with_suffix(f".{_OWNER}.lock").symlink_to(
                self._victim / chance.choice(["file", "none"])
            ),
            "directory as lock": lambda: path.with_suffix(f".{_OWNER}.lock").mkdir(),
            "repair": lambda: path.with_suffix(".repair").write_bytes(chance.randbytes(5000)),
            "linked repair": lambda: path.with_suffix(".repair").symlink_to(self._victim / "none"),
        }
        name = chance.choice(sorted(swaps))
        swaps[name]()
        return name


@contextmanager
def unchanged(victim: Path) -> Iterator[Path]:
    """Check that the directory to which links lead is not changed."""
    victim.mkdir()
    (victim / "file").write_bytes(b"")
    yield victim
    assert [(file.name, file.stat().st_size) for file in victim.iterdir()] == [("file", 0)]
