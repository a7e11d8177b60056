"""Files in a directory that others may write to, and locks that show which process is alive."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import suppress

__all__ = ["DamagedFileError", "HeldError", "LivenessLock", "create_private", "require_regular"]


class DamagedFileError(Exception):
    """A file cannot be used, such as a link or one of another kind; the message has the reason."""


class HeldError(Exception):
    """Another process holds the lock."""


def require_regular(path: str) -> bool:
    """Return whether a path exists.

    Raises:
        DamagedFileError: it is a symbolic link, which is never followed, or not a file.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(mode):
        kind = "a symbolic link" if stat.S_ISLNK(mode) else "not a file"
        raise DamagedFileError(f"{os.path.basename(path)} is {kind}")
    return True


def create_private(path: str) -> None:
    """Create a file that only this user can read, unless it exists; never follow a link.

    Raises:
        DamagedFileError: the path is a link, or not a file.
    """
    if require_regular(path):
        return
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    # Another process may create it at the same time.
    with suppress(FileExistsError):
        os.close(os.open(path, flags, 0o600))
    require_regular(path)


class LivenessLock:
    """A lock that is held until :meth:`release`, or the end of the process."""

    def __init__(self, path: str, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection

    @classmethod
    def acquire(cls, path: str, *, create: bool) -> LivenessLock | None:
        """Acquire the lock of a file without waiting, and optionally create the file.

        A path that cannot be a lock, such as a link or another file, is removed.

        Returns:
            None when there is no such lock.

        Raises:
            HeldError: another process holds it.
            sqlite3.Error: it cannot be acquired for another reason.
        """
        try:
            if create:
                create_private(path)
            elif not require_regular(path):
                return None
            connection = _lock(path)
        except DamagedFileError:
            try:
                os.unlink(path)
            except OSError:
                return None
            return cls.acquire(path, create=True) if create else None
        lock = cls(path, connection)
        if not os.path.exists(path):
            # Another process has removed it meanwhile.
            lock.release()
            return None
        return lock

    def release(self, *, remove: bool = True) -> None:
        """Release the lock, and remove its file unless others share it."""
        if remove:
            # Windows cannot remove an open file; the next process does it.
            with suppress(OSError):
                os.unlink(self._path)
        with suppress(sqlite3.Error):
            self._connection.close()


def _lock(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.DatabaseError as error:
        connection.close()
        if "locked" in str(error):
            raise HeldError(path) from error
        if isinstance(error, sqlite3.OperationalError):
            raise
        # The file of a lock that is held is empty.
        raise DamagedFileError(str(error)) from error
    except BaseException:
        connection.close()
        raise
    return connection
