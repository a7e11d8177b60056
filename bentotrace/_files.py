"""Files that a user named: opening them without waiting, and the whole of a relative path."""

from __future__ import annotations

import errno
import os
import stat
from typing import BinaryIO

__all__ = ["absolute", "open_regular"]

# Opening these returns what the process was started with, such as the output of another command.
_OWN = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a regular file for reading bytes; never wait.

    A pipe that the process was started with, such as ``/dev/stdin``, is opened too.

    Raises:
        OSError: it is another pipe, a device, a directory or a socket, or cannot be opened.
        ValueError: it is not a path.
    """
    name = os.fspath(path)
    own = name.startswith(_OWN) and stat.S_ISFIFO(os.stat(name).st_mode)
    return open(name, "rb", opener=None if own else _open_regular)


def absolute(path: str) -> str:
    """Return the path of the same file after the process has changed its directory."""
    if not path or os.path.isabs(path):
        return path
    try:
        # Not abspath(), which removes "link/..", where the link may lead elsewhere.
        return os.path.join(os.getcwd(), path)
    except OSError:
        # The directory is gone.
        return path


def _open_regular(name: str, flags: int) -> int:
    # Opening a device can have an effect, so it is refused before.
    _check(os.stat(name).st_mode)
    descriptor = os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
    try:
        _check(os.fstat(descriptor).st_mode)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _check(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        kind = "a pipe" if stat.S_ISFIFO(mode) else "a device or a socket"
        raise OSError(errno.EINVAL, f"it is {kind}, not a regular file")
