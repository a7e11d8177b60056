"""The database of a spool: how it is opened, whether it is whole, and who may use SQLite when."""

from __future__ import annotations

import os
import sqlite3
import threading

__all__ = ["SQLITE", "is_whole", "open_database", "tells_damage"]

_BUSY_SECONDS = 2.0
_FORK_SECONDS = 1.0
_CHECKPOINT_PAGES = 256
_MAX_WAL_BYTES = 1024 * 1024
# What the database says when nothing is wrong with its content.
_NOT_DAMAGED = ("locked", "full", "readonly", "unable to open")
_SCHEMA = """\
CREATE TABLE IF NOT EXISTS batches (
    number INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,
    recovered INTEGER NOT NULL DEFAULT 0,
    spans INTEGER NOT NULL,
    content BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS by_owner ON batches (owner, number);
CREATE TABLE IF NOT EXISTS evictions (owner TEXT PRIMARY KEY, spans INTEGER NOT NULL);
"""


class _Library:
    """SQLite, as something that one thread uses at a time, and that no fork interrupts.

    It has locks of its own, and one that a thread holds at a fork stays locked in the child. The
    hooks of ``os.register_at_fork`` can never be taken back, so there is one lock for all files.
    """

    def __init__(self) -> None:
        self._begin()

    @property
    def lock(self) -> threading.RLock:
        """Held by whoever calls SQLite."""
        if self._pid != os.getpid():
            self._begin()
        return self._lock

    def before_fork(self) -> None:
        """Wait until nobody is inside, for a moment."""
        if self.lock.acquire(timeout=_FORK_SECONDS):
            self._forking.add(threading.get_ident())

    def after_fork(self) -> None:
        """Let others in again, in the parent."""
        if threading.get_ident() in self._forking:
            self._forking.discard(threading.get_ident())
            self._lock.release()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._forking: set[int] = set()


SQLITE = _Library()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=SQLITE.before_fork, after_in_parent=SQLITE.after_fork)


def open_database(path: str) -> sqlite3.Connection:
    """Open the file, and make it when it is not there.

    Raises:
        sqlite3.Error: it cannot be opened, or is no such database.
    """
    fresh = not os.path.exists(path)
    connection = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        if fresh:
            # SQLite gives its other files the same mode.
            os.chmod(path, 0o600)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        # A killed process loses nothing; a power failure the last batches, and never the file.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {_MAX_WAL_BYTES}")
        connection.executescript(_SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection


def is_whole(path: str) -> bool:
    """Tell whether a file can be used as it is; looks at all of it."""
    try:
        connection = open_database(path)
        try:
            connection.execute(
                "SELECT number, owner, recovered, spans, content FROM batches LIMIT 1"
            )
            return bool(connection.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",))
        finally:
            connection.close()
    except sqlite3.Error as error:
        if tells_damage(error):
            return False
        raise


def tells_damage(error: sqlite3.Error) -> bool:
    """Tell whether an error may mean that the file is damaged."""
    return not any(words in str(error) for words in _NOT_DAMAGED)
