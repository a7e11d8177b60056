"""The file of a spool: batches in a SQLite database that several processes share.

Every batch belongs to one process, and only that one sends it. What a process leaves behind,
however it ended, goes over to the next that looks. The database is in WAL mode: a process that is
killed in the middle of anything leaves it whole.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from opentelemetry.sdk.trace import ReadableSpan

from bentotrace.pipeline.spool.codec import encode_batch
from bentotrace.pipeline.spool.database import SQLITE, is_whole, open_database, tells_damage
from bentotrace.pipeline.spool.owner import OwnerLock

__all__ = ["ANY_NUMBER", "Batch", "Evicted", "SpoolStore", "StoreError"]

T = TypeVar("T")

ANY_NUMBER = (1 << 63) - 1
"""Higher than all others."""

# Numbers are milliseconds, and below them what tells processes apart that count at the same time.
_SALT_BITS = 20
# Of a row: its other columns, its place in two trees, and the rest of its last page.
_ROW_PAGES = 3


class StoreError(Exception):
    """The file cannot be read or written now; the message says why."""


class Batch(NamedTuple):
    """A batch as it lies in the file.

    Attributes:
        number: its place in the order.
        recovered: whether another process put it there.
        spans: how many are in it.
        content: what the codec made of them.
    """

    number: int
    recovered: bool
    spans: int
    content: bytes


class Evicted(NamedTuple):
    """Spans that had to make room for newer ones: this process's own, and those of others."""

    own: int = 0
    others: int = 0


class SpoolStore:
    """One process's view of the file; any thread may call.

    No connection is held while there is nothing in the file for this process, so that a fork finds
    none.

    Attributes:
        path: the database.
        damaged_path: where it is put when it is damaged; an earlier one there is replaced.
        losses: how often the file has gone, with all that was in it.
    """

    def __init__(self, directory: str, name: str, max_bytes: int) -> None:
        self.path = os.path.join(directory, f"{name}.sqlite")
        self.damaged_path = f"{self.path}.damaged"
        self.losses = 0
        self._directory = directory
        self._stem = os.path.join(directory, name)
        self._max_bytes = max_bytes
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._seen: tuple[int, int] | None = None
        self._owner = ""
        self._owner_lock: OwnerLock | None = None
        self._salt = secrets.randbits(_SALT_BITS)
        self._last = 0

    def check(self) -> None:
        """Find out whether batches could be kept.

        Raises:
            StoreError: they could not.
        """
        self._do(lambda connection: None)
        self.disconnect()

    def next_number(self) -> int:
        """Give the place in the order of what is taken up now."""
        with SQLITE.lock:
            now = time.time_ns() // 1_000_000
            self._last = (max((self._last >> _SALT_BITS) + 1, now) << _SALT_BITS) | self._salt
            return self._last

    def append(
        self, number: int, spans: Sequence[ReadableSpan], *, spared: int | None = None
    ) -> Evicted:
        """Keep a batch; the oldest of all go when there is no room.

        Args:
            number: its place in the order.
            spans: what is in it.
            spared: the number of a batch that must not go.
        """
        try:
            content = encode_batch(spans)
        # What an application hands over as a span may be anything.
        except Exception as error:
            raise StoreError(f"spans cannot be written: {type(error).__name__}: {error}") from error

        def append(connection: sqlite3.Connection) -> Evicted:
            evicted = self._make_room(connection, len(content), spared)
            connection.execute(
                "INSERT INTO batches (number, owner, spans, content) VALUES (?, ?, ?, ?)",
                (number, self._own(), len(spans), content),
            )
            return evicted

        return self._do(append)

    def oldest(self, before: int = ANY_NUMBER, *, after: int = 0) -> Batch | None:
        """Give this process's oldest batch whose number is between the two."""

        def find(connection: sqlite3.Connection) -> Batch | None:
            row = connection.execute(
                "SELECT number, recovered, spans, content FROM batches "
                "WHERE owner = ? AND number > ? AND number < ? ORDER BY number LIMIT 1",
                (self._owner, after, before),
            ).fetchone()
            return None if row is None else Batch(row[0], bool(row[1]), row[2], bytes(row[3]))

        return self._do(find)

    def remove(self, number: int) -> bool:
        """Forget a batch; False when it has been evicted."""
        return self._do(
            lambda connection: (
                connection.execute(
                    "DELETE FROM batches WHERE number = ? AND owner = ?", (number, self._owner)
                ).rowcount
                > 0
            )
        )

    def take_evicted(self) -> int:
        """Give how many of this process's spans others have evicted since the last call."""

        def take(connection: sqlite3.Connection) -> int:
            row = connection.execute(
                "SELECT spans FROM evictions WHERE owner = ?", (self._owner,)
            ).fetchone()
            if row is not None:
                connection.execute("DELETE FROM evictions WHERE owner = ?", (self._owner,))
            return 0 if row is None else int(row[0])

        return self._do(take)

    def adopt(self) -> int:
        """Take over what processes left that have ended; gives how many spans that are."""
        return self._do(self._adopt)

    def disconnect(self) -> None:
        """Close the connection; the next call opens another."""
        with SQLITE.lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                with suppress(sqlite3.Error):
                    # A single statement would be left after its first page.
                    connection.executescript("PRAGMA incremental_vacuum;")
                connection.close()

    def close(self) -> None:
        """Leave what is there to other processes, or to the next; the next call opens it again."""
        with SQLITE.lock:
            self.disconnect()
            lock, self._owner_lock = self._owner_lock, None
            if lock is not None:
                lock.release()

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do something in one transaction; a damaged file is set aside, and it is done again."""
        with SQLITE.lock:
            try:
                return self._attempt(work)
            except (sqlite3.Error, OSError) as error:
                self._drop_connection()
                if not self._set_aside(error):
                    raise StoreError(_reason(error)) from error
            try:
                return self._attempt(work)
            except (sqlite3.Error, OSError) as error:
                self._drop_connection()
                raise StoreError(_reason(error)) from error

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connect()
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        return result

    def _connect(self) -> sqlite3.Connection:
        identity = self._seen = self._find_identity()
        if self._connection is not None and identity == self._identity:
            return self._connection
        self._drop_connection()
        if self._identity not in (None, identity):
            # Another process has set it aside, or somebody has removed it.
            self._forget_file()
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        self._connection = open_database(self.path)
        self._identity = self._find_identity()
        (newest,) = self._connection.execute("SELECT max(number) FROM batches").fetchone()
        self._last = max(self._last, newest or 0)
        return self._connection

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _find_identity(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _forget_file(self) -> None:
        self.losses += 1
        self._identity = None
        lock, self._owner_lock = self._owner_lock, None
        if lock is not None:
            lock.release()

    def _own(self) -> str:
        """Give the name of this process among the owners; it is locked from now on."""
        while self._owner_lock is None:
            self._owner = uuid.uuid4().hex
            self._owner_lock = OwnerLock.acquire(self._lock_path(self._owner), create=True)
        return self._owner

    def _lock_path(self, owner: str) -> str:
        return f"{self._stem}.{owner}.lock"

    def _adopt(self, connection: sqlite3.Connection) -> int:
        rows = connection.execute(
            "SELECT owner FROM batches UNION SELECT owner FROM evictions"
        ).fetchall()
        owners = {str(owner) for (owner,) in rows}
        prefix = f"{os.path.basename(self._stem)}."
        for file in Path(self._directory).glob("*.lock"):
            owner = file.name.removeprefix(prefix).removesuffix(".lock")
            if file.name == f"{prefix}{owner}.lock" and owner.isalnum():
                owners.add(owner)
        adopted = 0
        for owner in sorted(owners if self._owner_lock is None else owners - {self._owner}):
            adopted += self._adopt_from(connection, owner)
        # Their clock may have been ahead.
        (newest,) = connection.execute("SELECT max(number) FROM batches").fetchone()
        self._last = max(self._last, newest or 0)
        return adopted

    def _adopt_from(self, connection: sqlite3.Connection, owner: str) -> int:
        """Take over one owner's batches unless it lives."""
        # A name from the file must not lead elsewhere.
        path = self._lock_path(owner) if owner.isalnum() else ""
        lock = OwnerLock.acquire(path, create=False) if os.path.exists(path) else None
        if lock is None and os.path.exists(path):
            return 0
        (spans,) = connection.execute(
            "SELECT total(spans) FROM batches WHERE owner = ?", (owner,)
        ).fetchone()
        if spans:
            connection.execute(
                "UPDATE batches SET owner = ?, recovered = 1 WHERE owner = ?", (self._own(), owner)
            )
        connection.execute("DELETE FROM evictions WHERE owner = ?", (owner,))
        if lock is not None:
            lock.release()
        return int(spans)

    def _make_room(self, connection: sqlite3.Connection, size: int, spared: int | None) -> Evicted:
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
        needed = size + _ROW_PAGES * page_size
        if needed > self._max_bytes:
            raise OSError(f"a batch of {size} bytes is more than its max_bytes leave room for")
        own = others = 0
        while self._used(connection) * page_size + needed > self._max_bytes:
            row = connection.execute(
                "SELECT number, owner, recovered, spans FROM batches WHERE number != ? "
                "ORDER BY number LIMIT 1",
                (spared or 0,),
            ).fetchone()
            if row is None:
                break
            number, owner, recovered, spans = row
            connection.execute("DELETE FROM batches WHERE number = ?", (number,))
            if self._owner_lock is not None and owner == self._owner and not recovered:
                own += spans
                continue
            others += spans
            if not recovered:
                connection.execute(
                    "INSERT INTO evictions (owner, spans) VALUES (?, ?) "
                    "ON CONFLICT (owner) DO UPDATE SET spans = spans + excluded.spans",
                    (owner, spans),
                )
        return Evicted(own, others)

    def _used(self, connection: sqlite3.Connection) -> int:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        return int(pages) - int(free)

    def _set_aside(self, error: Exception) -> bool:
        """Put a damaged file aside; True when there is a good one, or none, in its place."""
        if not isinstance(error, sqlite3.Error) or not tells_damage(error):
            return False
        try:
            with suppress(FileNotFoundError):
                mending = OwnerLock.acquire(f"{self._stem}.mending", create=True)
                if mending is None:
                    # Another process is at it.
                    return False
                try:
                    if self._find_identity() != self._seen:
                        # Another process has been at it.
                        return True
                    # A check does not find all that makes SQLite say that a file is malformed.
                    if type(error) is not sqlite3.DatabaseError and is_whole(self.path):
                        return False
                    for suffix in ("-wal", "-shm"):
                        with suppress(FileNotFoundError):
                            os.unlink(self.path + suffix)
                    os.replace(self.path, self.damaged_path)
                finally:
                    mending.release(remove=False)
        except (sqlite3.Error, OSError):
            return False
        return True


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
