"""Opens the file of the store: its tables, its version, and the lock of the one viewer on it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from bentotrace.exceptions import BentotraceError

__all__ = ["Reader", "StoreError", "StoreFile", "cannot_use", "open_database", "real_path"]

_VERSION = 1
_SCHEMA = """
CREATE TABLE sources (
    id INTEGER PRIMARY KEY, content TEXT UNIQUE NOT NULL, service TEXT NOT NULL
);
CREATE TABLE traces (
    id INTEGER PRIMARY KEY, trace_id TEXT UNIQUE NOT NULL, start INTEGER NOT NULL,
    end INTEGER NOT NULL, spans INTEGER NOT NULL, errors INTEGER NOT NULL, bytes INTEGER NOT NULL,
    services TEXT NOT NULL, root_service TEXT NOT NULL, root_name TEXT NOT NULL,
    root_start INTEGER NOT NULL, has_root INTEGER NOT NULL
);
CREATE INDEX traces_by_start ON traces (start);
CREATE TABLE spans (
    id INTEGER PRIMARY KEY, trace INTEGER NOT NULL, span_id TEXT NOT NULL, parent_id TEXT NOT NULL,
    source INTEGER NOT NULL, name TEXT NOT NULL, kind INTEGER NOT NULL, start INTEGER NOT NULL,
    duration INTEGER NOT NULL, status INTEGER NOT NULL, detail TEXT NOT NULL
);
CREATE INDEX spans_by_trace ON spans (trace);
CREATE TABLE operations (
    service TEXT NOT NULL, name TEXT NOT NULL, kind INTEGER NOT NULL,
    PRIMARY KEY (service, name, kind)
) WITHOUT ROWID;
CREATE TABLE segments (
    number INTEGER PRIMARY KEY, start INTEGER NOT NULL, end INTEGER NOT NULL
);
CREATE TABLE next_ids (span INTEGER NOT NULL, trace INTEGER NOT NULL, source INTEGER NOT NULL);
INSERT INTO next_ids VALUES (1, 1, 1)
"""


class StoreError(BentotraceError):
    """The file of the store cannot be used.

    Attributes:
        path: the file.
        reason: what is wrong, and what to do.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"the store {self.path} cannot be used: {self.reason}"


class Reader(Protocol):
    """The part of a store that searches use."""

    def read(self) -> AbstractContextManager[sqlite3.Connection]:
        """Yield a connection for reading."""
        ...


def cannot_use(path: Path | None, error: Exception) -> StoreError:
    """Return the error for what SQLite or the system says about the file."""
    reason = getattr(error, "strerror", None) or error
    if path is None:
        return StoreError("in memory", f"{reason}; name a file with --store")
    return StoreError(str(path), f"{reason}; name another with --store")


def real_path(path: Path) -> Path:
    """Return the absolute path of the file itself, so that all its names have one lock.

    Raises:
        StoreError: there is none.
    """
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:
        raise cannot_use(path, error) from error


class StoreFile:
    """The file of a store for reading only, while a viewer may be writing to it.

    Raises:
        StoreError: it cannot be opened, or is not a store of this version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path = real_path(path)
        try:
            self._connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
            try:
                _check_version(self._connection, path)
            except BaseException:
                self._connection.close()
                raise
        except sqlite3.Error as error:
            raise cannot_use(path, error) from error

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection.

        Raises:
            StoreError: what is read is damaged.
        """
        try:
            yield self._connection
        except (sqlite3.Error, ValueError) as error:
            raise cannot_use(self._path, error) from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def open_database(path: Path | None) -> tuple[sqlite3.Connection, sqlite3.Connection | None]:
    """Open the writer's connection, and the lock of a file; None is a database in memory.

    Raises:
        StoreError: the file cannot be opened, is in use, or is not a store of this version.
    """
    lock = None
    try:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600, exist_ok=True)
            lock = _lock(path)
        return _open(path), lock
    except (sqlite3.Error, OSError) as error:
        if lock is not None:
            lock.close()
        raise cannot_use(path, error) from error
    except StoreError:
        if lock is not None:
            lock.close()
        raise


def _open(path: Path | None) -> sqlite3.Connection:
    connection = sqlite3.connect(
        ":memory:" if path is None else path,
        isolation_level=None,
        check_same_thread=False,
        timeout=1,
    )
    try:
        if path is not None:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA cache_size=-16000")
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path | None) -> None:
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if version == 0 and tables == 0:
        for statement in _SCHEMA.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version={_VERSION}")
    else:
        _check_version(connection, path)
    connection.execute("COMMIT")


def _check_version(connection: sqlite3.Connection, path: Path | None) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != _VERSION:
        raise StoreError(
            str(path),
            f"it has version {version}, not {_VERSION}; remove it, or name another with --store",
        )


def _lock(path: Path) -> sqlite3.Connection:
    """Return a lock beside the file that lasts as long as the process, SIGKILL included.

    Two viewers of one file would assign the same ids.
    """
    name = path.with_name(path.name + ".lock")
    connection = sqlite3.connect(name, isolation_level=None, check_same_thread=False, timeout=0)
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        connection.close()
        if "locked" not in str(error):
            raise
        reason = "another viewer uses it; name another with --store, or use --memory"
        raise StoreError(str(path), reason) from error
    return connection
