"""The SQLite database of a spool: its schema, opening it, and its integrity.

The content of a file is not trusted: another program may have written it, or the disk changed it.
"""

from __future__ import annotations

import functools
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple, Protocol

from bentotrace.interruptions import WeakList
from bentotrace.spool.lock import DamagedFileError, create_private, require_regular
from bentotrace.spool.row import checksum

__all__ = ["SQLITE", "is_whole", "means_damage", "open_database", "used_pages"]

_BUSY_SECONDS = 2.0
# A thread that waits for another process's transaction holds the lock for longer than that.
_FORK_SECONDS = 2.5 * _BUSY_SECONDS
_CHECKPOINT_PAGES = 256
_MAX_WAL_BYTES = 1024 * 1024
# Words in SQLite's errors that are not about the content of a file.
_NOT_DAMAGED = ("locked", "full", "readonly", "unable to open")
_VERSION = 2
_TABLES = (
    """\
CREATE TABLE batches (
    number INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,
    spans INTEGER NOT NULL,
    content BLOB NOT NULL,
    checksum BLOB NOT NULL
)""",
    "CREATE INDEX by_owner ON batches (owner, number)",
    "CREATE TABLE evictions (number INTEGER PRIMARY KEY, owner TEXT NOT NULL)",
)
# Files of version 1 have no version number.
_OLD_TABLES = (
    """\
CREATE TABLE batches (
    number INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,
    recovered INTEGER NOT NULL DEFAULT 0,
    spans INTEGER NOT NULL,
    content BLOB NOT NULL
)""",
    "CREATE INDEX by_owner ON batches (owner, number)",
    "CREATE TABLE evictions (owner TEXT PRIMARY KEY, spans INTEGER NOT NULL)",
)
_CONVERSION = (
    "ALTER TABLE batches RENAME TO old",
    "DROP INDEX by_owner",
    "DROP TABLE evictions",
    *_TABLES,
    "INSERT INTO batches SELECT number, owner, spans, content, checksum(number, spans, content) "
    "FROM old WHERE typeof(owner) = 'text' AND typeof(spans) = 'integer' "
    "AND typeof(content) = 'blob'",
    "DROP TABLE old",
)


class Connected(Protocol):
    """An object that may have a connection to a database."""

    @property
    def connected(self) -> bool:
        """Whether it has one now."""

    def disconnect(self) -> None:
        """Close it; the next use opens another."""


class _Process(NamedTuple):
    """The state of one process.

    Attributes:
        unsafe: whether it began as a copy of a process that was using SQLite.
        lock: held by every caller of SQLite.
        forking: the threads that hold the lock because they fork.
        uses: an entry for each call of SQLite that has begun and not ended.
    """

    unsafe: bool
    lock: threading.RLock
    forking: set[int]
    uses: list[int]


class _Library:
    """Serializes all use of SQLite, and keeps forks out of it.

    A lock of SQLite that a thread holds at a fork stays locked in the child. A child that copies
    a connection also copies SQLite's list of the file locks that the process holds, but not the
    locks, so its own connections would not be safe: all are closed before. Hooks of
    ``os.register_at_fork`` cannot be removed, so there is one lock for all files.
    """

    def __init__(self) -> None:
        self._users: WeakList[Connected] = WeakList()
        self._by_pid: dict[int, _Process] = {}

    def add(self, user: Connected) -> None:
        """Disconnect a user before each fork, from now on."""
        self._users.add(user)

    @property
    def lock(self) -> threading.RLock:
        """The lock that every caller of SQLite holds."""
        return self._current_process().lock

    @property
    def unsafe(self) -> bool:
        """Whether this process began as a copy of one that was using SQLite."""
        return self._current_process().unsafe

    @contextmanager
    def use(self) -> Iterator[None]:
        """Hold the lock; a child that is forked meanwhile finds out."""
        here = self._current_process()
        with here.lock:
            before = len(here.uses)
            try:
                here.uses.append(threading.get_ident())
                yield
            finally:
                del here.uses[before:]

    def before_fork(self) -> None:
        """Acquire the lock, waiting at most five seconds, and close all connections."""
        here = self._current_process()
        if here.lock.acquire(timeout=_FORK_SECONDS):
            here.forking.add(threading.get_ident())
            for user in self._users:
                user.disconnect()

    def after_fork(self) -> None:
        """Release the lock in the parent."""
        here = self._current_process()
        if threading.get_ident() in here.forking:
            here.forking.discard(threading.get_ident())
            here.lock.release()

    def _current_process(self) -> _Process:
        """Return the state of this process, the same for threads of a child that begin at once."""
        pid = os.getpid()
        here = self._by_pid.get(pid)
        if here is None:
            copied = any(user.connected for user in self._users)
            # Without a connection yet, a thread may be opening one.
            copied = copied or any(other.uses for other in list(self._by_pid.values()))
            fresh = _Process(copied, threading.RLock(), set(), [])
            here = self._by_pid.setdefault(pid, fresh)
            for other in [other for other in list(self._by_pid) if other != pid]:
                self._by_pid.pop(other, None)
        return here


SQLITE = _Library()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=SQLITE.before_fork, after_in_parent=SQLITE.after_fork)


def open_database(path: str) -> sqlite3.Connection:
    """Open the file, or create it; convert one of an older version. Texts are read as bytes.

    Raises:
        DamagedFileError: it is not a file, or has another schema.
        sqlite3.Error: it cannot be opened, or is not a database.
    """
    for suffix in ("-wal", "-shm", "-journal"):
        require_regular(path + suffix)
    # SQLite creates the others with the mode of this one.
    create_private(path)
    connection = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        # A text that is not UTF-8 would raise.
        connection.text_factory = bytes
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        # A killed process loses nothing; a power failure loses the last batches, never the file.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {_MAX_WAL_BYTES}")
        if not _has_schema(connection):
            _create_schema(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _has_schema(connection: sqlite3.Connection) -> bool:
    return _read_schema(connection) == _expected_schema(_VERSION, _TABLES)


def _create_schema(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = _read_schema(connection)
        statements: tuple[str, ...]
        if found == _expected_schema(0, ()):
            statements = _TABLES
        elif found == _expected_schema(0, _OLD_TABLES):
            connection.create_function("checksum", 3, checksum)
            statements = _CONVERSION
        elif found == _expected_schema(_VERSION, _TABLES):
            # Another process has done it.
            statements = ()
        else:
            raise DamagedFileError("its tables are not those of a spool of this version")
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {_VERSION}")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _read_schema(connection: sqlite3.Connection) -> tuple[object, ...]:
    """Return the version and everything that the file defines, such as triggers."""
    defined = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name, type"
    return connection.execute("PRAGMA user_version").fetchone(), *connection.execute(defined)


@functools.cache
def _expected_schema(version: int, statements: tuple[str, ...]) -> tuple[object, ...]:
    """Return what SQLite reads after the statements, in its own notation."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.text_factory = bytes
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {version}")
        return _read_schema(connection)
    finally:
        connection.close()


def is_whole(path: str) -> bool:
    """Return whether a file is undamaged; reads all of it."""
    try:
        connection = open_database(path)
        try:
            return bool(connection.execute("PRAGMA integrity_check(1)").fetchone() == (b"ok",))
        finally:
            connection.close()
    except Exception as error:
        if means_damage(error):
            return False
        raise


def used_pages(connection: sqlite3.Connection) -> int:
    """Return the number of pages in use."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    if free > pages:
        raise DamagedFileError("it has more free pages than pages")
    return int(pages - free)


def means_damage(error: Exception) -> bool:
    """Return whether an error may mean that the file is damaged."""
    if isinstance(error, sqlite3.Error):
        return not any(words in str(error) for words in _NOT_DAMAGED)
    # Others are of Python's code that reads the file, such as UnicodeDecodeError.
    return not isinstance(error, (OSError, MemoryError))
