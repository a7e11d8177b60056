"""Ports for servers that start later, or never: no other process of these tests draws the same.

A port that the system chose is free again when it is closed, and may be the next one that it
chooses. These are below those from which it chooses.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import socket
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

__all__ = ["free_ports"]

_FIRST = 20_000
_SLICE = 100
_SLICES = 100
_ADDRESSES = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


def free_ports(count: int = 1) -> tuple[int, ...]:
    """Draw ports of loopback on which nothing listens, over TCP or UDP."""
    return tuple(itertools.islice(filter(_is_free, _numbers()), count))


@cache
def _numbers() -> Iterator[int]:
    """Go round the ports of this process; the lock that keeps them ends with it."""
    folder = Path(tempfile.gettempdir(), f"bentotrace-ports-{os.getuid()}")
    folder.mkdir(exist_ok=True)
    for number in range(_SLICES):
        lock = os.open(folder / str(number), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        first = _FIRST + number * _SLICE
        return itertools.cycle(range(first, first + _SLICE))
    raise RuntimeError(f"{_SLICES} processes hold all ports of {folder}")


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        for family, host in _ADDRESSES if socket.has_ipv6 else _ADDRESSES[:1]:
            with socket.socket(family, kind) as probe:
                if kind is socket.SOCK_STREAM:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((host, port))
                except OSError as error:
                    # Without a loopback address of that family nothing listens there.
                    if error.errno != errno.EADDRNOTAVAIL:
                        return False
    return True
