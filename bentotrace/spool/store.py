"""The file of a spool: batches in a SQLite database that several processes share.

Every batch belongs to one process, the only one that sends it. When that process has ended, another
adopts its batches. The database is in WAL mode, so that a killed process does not damage it.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
import uuid
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from bentotrace.spool.codec import MAX_BYTES
from bentotrace.spool.database import (
    SQLITE,
    is_whole,
    means_damage,
    open_database,
    used_pages,
)
from bentotrace.spool.lock import DamagedFileError, HeldError, LivenessLock
from bentotrace.spool.row import Batch, checksum, count_spans, is_owner

__all__ = ["ANY_NUMBER", "SpoolStore", "StoreError"]

T = TypeVar("T")

ANY_NUMBER = (1 << 63) - 1
"""The highest number that a file can have."""

# Numbers are milliseconds, then random bits that differ between processes.
_SALT_BITS = 20
# Later than every clock. A higher number was not created by a process.
_MAX_NUMBER = 1 << 62
# The overhead of a row: other columns, two trees, and the rest of the last page.
_ROW_PAGES = 3


class StoreError(Exception):
    """The file cannot be read or written now; the message has the reason."""


class SpoolStore:
    """One process's view of the file; any thread may call. A fork copies no connection.

    Attributes:
        path: the database.
        damaged_path: the new path of a damaged file; an earlier one is replaced.
        damage: what was wrong with the last file that this process moved there; "" if none.
        losses: the number of times that the file was lost with its content.
    """

    def __init__(self, directory: str, name: str, max_bytes: int) -> None:
        self.path = os.path.join(directory, f"{name}.sqlite")
        self.damaged_path = f"{self.path}.damaged"
        self.damage = ""
        self.losses = 0
        self._directory = directory
        self._stem = os.path.join(directory, name)
        self._max_bytes = max_bytes
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._seen: tuple[int, int] | None = None
        self._owner = ""
        self._owner_lock: LivenessLock | None = None
        self._salt = secrets.randbits(_SALT_BITS)
        self._last = 0
        SQLITE.add(self)

    @property
    def connected(self) -> bool:
        """Whether a connection is open."""
        return self._connection is not None

    def check(self) -> None:
        """Raise a :class:`StoreError` when batches cannot be stored."""
        self._run_transaction(lambda connection: None)
        self.disconnect()

    def next_number(self) -> int:
        """Return the number for a new batch."""
        with SQLITE.lock:
            now = time.time_ns() // 1_000_000
            self._last = (max((self._last >> _SALT_BITS) + 1, now) << _SALT_BITS) | self._salt
            return self._last

    def append(
        self, number: int, spans: int, content: bytes, *, protected: int | None = None
    ) -> dict[int, int]:
        """Store a batch; evict the oldest batches, but not ``protected``, when there is no room.

        Returns:
            The evicted batches, and the number of spans that the file has for each.
        """

        def append(connection: sqlite3.Connection) -> dict[int, int]:
            evicted = self._make_room(connection, len(content), protected)
            connection.execute(
                "INSERT INTO batches (number, owner, spans, content, checksum) "
                "VALUES (?, ?, ?, ?, ?)",
                (number, self._own(), spans, content, checksum(number, spans, content)),
            )
            return evicted

        return self._run_transaction(append)

    def oldest(
        self, last: int = ANY_NUMBER, *, after: int = -ANY_NUMBER, skip: Collection[int] = ()
    ) -> Batch | None:
        """Return this process's oldest batch after a number, up to the last, and not skipped."""

        def find(connection: sqlite3.Connection) -> Batch | None:
            numbers = connection.execute(
                "SELECT number FROM batches WHERE owner = ? AND number > ? AND number <= ? "
                "ORDER BY number",
                (self._owner, after, last),
            )
            number = next((number for (number,) in numbers if number not in skip), None)
            if number is None:
                return None
            row = connection.execute(
                "SELECT number, spans, CASE WHEN typeof(content) = 'blob' AND length(content) <= ? "
                "THEN content END, checksum FROM batches WHERE number = ?",
                (2 * MAX_BYTES, number),
            ).fetchone()
            if row is None:
                raise DamagedFileError("its index has a batch that does not exist")
            return Batch(*row)

        return self._run_transaction(find)

    def remove(self, numbers: Collection[int]) -> None:
        """Remove batches, unless they have been evicted."""
        query = "DELETE FROM batches WHERE number = ?"
        self._run_transaction(
            lambda file: file.executemany(query, [(number,) for number in numbers])
        )

    def evicted(self) -> list[int]:
        """Return the batches of this process that others evicted, since :meth:`forget_evicted`."""
        query = "SELECT number FROM evictions WHERE owner = ?"
        return self._run_transaction(
            lambda file: [n for (n,) in file.execute(query, (self._owner,))]
        )

    def forget_evicted(self) -> None:
        """Remove the records of evicted batches."""
        query = "DELETE FROM evictions WHERE owner = ?"
        self._run_transaction(lambda file: file.execute(query, (self._owner,)))

    def adopt(self) -> int:
        """Adopt the batches of processes that have ended; return the number of spans."""
        return self._run_transaction(self._adopt)

    def disconnect(self) -> None:
        """Close the connection; the next call opens another."""
        with SQLITE.use():
            # A handler of a signal may fork within a transaction.
            if self._connection is not None and self._connection.in_transaction:
                return
            connection, self._connection = self._connection, None
            if connection is not None:
                with suppress(sqlite3.Error):
                    # execute() would stop after the first page.
                    connection.executescript("PRAGMA incremental_vacuum;")
                connection.close()

    def close(self) -> None:
        """Leave this process's batches to others; the next call opens the file again."""
        with SQLITE.use():
            self.disconnect()
            self._release_owner_lock()

    def _run_transaction(self, work: Callable[[sqlite3.Connection], T], *, retry: bool = True) -> T:
        """Run a transaction; when the file is damaged, move it away and run it once more."""
        with SQLITE.use():
            try:
                return self._attempt(work)
            # The content of a file can fail in any way.
            except Exception as error:
                # On a full disk, what can be read can only be read by this connection.
                if means_damage(error):
                    self._drop_connection()
                if retry and self._set_aside(error):
                    return self._run_transaction(work, retry=False)
                raise StoreError(_explain(error)) from error

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if SQLITE.unsafe:
            raise OSError("this process was forked while its parent used a spool")
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
            # Another process has moved the file away, or a user has removed it.
            self.losses += 1
            self._identity = None
            self._release_owner_lock()
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        self._connection = open_database(self.path)
        self._identity = self._find_identity()
        self._count_from_newest(self._connection)
        return self._connection

    def _count_from_newest(self, connection: sqlite3.Connection) -> None:
        """Number later batches higher than all existing ones, whatever the clocks were."""
        (newest,) = connection.execute(
            "SELECT max(number) FROM batches WHERE number < ?", (_MAX_NUMBER,)
        ).fetchone()
        self._last = max(self._last, newest or 0)

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _find_identity(self) -> tuple[int, int] | None:
        try:
            found = os.lstat(self.path)
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _release_owner_lock(self) -> None:
        lock, self._owner_lock = self._owner_lock, None
        if lock is not None:
            lock.release()

    def _own(self) -> str:
        """Return this process's name as an owner, and hold its lock."""
        while self._owner_lock is None:
            self._owner = uuid.uuid4().hex
            self._owner_lock = LivenessLock.acquire(self._lock_path(self._owner), create=True)
        return self._owner

    def _lock_path(self, owner: str) -> str:
        return f"{self._stem}.{owner}.lock"

    def _adopt(self, connection: sqlite3.Connection) -> int:
        rows = connection.execute("SELECT owner FROM batches UNION SELECT owner FROM evictions")
        owners = {owner.decode() for (owner,) in rows if is_owner(owner)}
        prefix = f"{os.path.basename(self._stem)}."
        for file in Path(self._directory).glob("*.lock"):
            owner = file.name.removeprefix(prefix).removesuffix(".lock")
            if file.name == f"{prefix}{owner}.lock" and is_owner(os.fsencode(owner)):
                owners.add(owner)
        adopted = sum(
            self._adopt_from(connection, owner)
            for owner in sorted(owners if self._owner_lock is None else owners - {self._owner})
        )
        # No process has such a name, so no other call adopts them.
        adopted += self._adopt_where(
            connection,
            "typeof(owner) != 'text' OR length(CAST(owner AS BLOB)) != 32 "
            "OR owner GLOB '*[^0-9a-f]*'",
        )
        self._count_from_newest(connection)
        return adopted

    def _adopt_from(self, connection: sqlite3.Connection, owner: str) -> int:
        """Adopt one owner's batches unless it is alive."""
        try:
            lock = LivenessLock.acquire(self._lock_path(owner), create=False)
        # Where this cannot be found out, it may be alive.
        except (HeldError, sqlite3.OperationalError):
            return 0
        adopted = self._adopt_where(connection, "owner = ?", owner)
        connection.execute("DELETE FROM evictions WHERE owner = ?", (owner,))
        if lock is not None:
            lock.release()
        return adopted

    def _adopt_where(self, connection: sqlite3.Connection, condition: str, *values: str) -> int:
        """Adopt all batches that satisfy a condition; return the number of their spans."""
        rows = connection.execute(f"SELECT spans FROM batches WHERE {condition}", values).fetchall()
        if rows:
            connection.execute(
                f"UPDATE batches SET owner = ? WHERE {condition}", (self._own(), *values)
            )
        return sum(count_spans(spans) for (spans,) in rows)

    def _make_room(
        self, connection: sqlite3.Connection, size: int, protected: int | None
    ) -> dict[int, int]:
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
        needed = size + _ROW_PAGES * page_size
        if needed > self._max_bytes:
            raise OSError(f"a batch of {size} bytes does not fit: max_bytes is {self._max_bytes}")
        evicted: dict[int, int] = {}
        while used_pages(connection) * page_size + needed > self._max_bytes:
            row = connection.execute(
                "SELECT number, owner, spans FROM batches WHERE number != ? "
                "ORDER BY number LIMIT 1",
                (protected or 0,),
            ).fetchone()
            if row is None:
                break
            number, owner, spans = row
            connection.execute("DELETE FROM batches WHERE number = ?", (number,))
            evicted[number] = count_spans(spans)
            own = self._owner_lock is not None and owner == self._owner.encode()
            if is_owner(owner) and not own:
                connection.execute(
                    "INSERT OR REPLACE INTO evictions (number, owner) VALUES (?, ?)",
                    (number, owner.decode()),
                )
        return evicted

    def _set_aside(self, error: Exception) -> bool:
        """Move a damaged file away; True when there is now none, or an undamaged one."""
        # SQLite writes no file whose head has a version that it does not know.
        version = "readonly" in str(error) and all(
            os.access(path, os.W_OK) for path in (self._directory, self.path)
        )
        if not version and not means_damage(error):
            return False
        try:
            with suppress(FileNotFoundError):
                repair = LivenessLock.acquire(f"{self._stem}.repair", create=True)
                if repair is None:
                    return False
                try:
                    if self._find_identity() != self._seen:
                        # Another process has done it.
                        return True
                    # A check does not find everything that SQLite reports as malformed.
                    certain = version or type(error) in (sqlite3.DatabaseError, DamagedFileError)
                    if not certain and is_whole(self.path):
                        return False
                    for suffix in ("-wal", "-shm", "-journal"):
                        Path(self.path + suffix).unlink(missing_ok=True)
                    os.replace(self.path, self.damaged_path)
                    self.damage = _explain(error)
                finally:
                    repair.release(remove=False)
        # Another process is doing it, or it cannot be done.
        except Exception:
            return False
        return True


def _explain(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
