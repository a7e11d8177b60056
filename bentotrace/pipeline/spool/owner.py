"""Which of the processes that share a directory are alive.

Each holds a lock of its own as long as it lives, which ends with it however it ends. It is one of
SQLite's, which is the same on every system, is not inherited by a forked child, and holds between
two pipelines of one process too. No clock decides, so that a process that is stopped, or starved,
loses nothing to another.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress

__all__ = ["OwnerLock"]


class OwnerLock:
    """A lock that is held until :meth:`release`, or the end of the process."""

    def __init__(self, path: str, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection

    @classmethod
    def acquire(cls, path: str, *, create: bool) -> OwnerLock | None:
        """Take a lock without waiting.

        Args:
            path: its file.
            create: whether the file is made when it is not there.

        Returns:
            None when somebody holds it, or its file is not there.

        Raises:
            sqlite3.Error: it cannot be taken for another reason.
        """
        if not create and not os.path.exists(path):
            return None
        connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            connection.close()
            if "locked" in str(error):
                return None
            raise
        lock = cls(path, connection)
        if not os.path.exists(path):
            # Whoever cleans up was faster.
            lock.release()
            return None
        return lock

    def release(self, *, remove: bool = True) -> None:
        """Let it go, with its file unless others wait for the same."""
        if remove:
            # Where an open file cannot be removed, the next process does it.
            with suppress(OSError):
                os.unlink(self._path)
        with suppress(sqlite3.Error):
            self._connection.close()
