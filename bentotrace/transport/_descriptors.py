"""The descriptors of sockets, which the application may close without their socket objects.

A program that becomes a daemon closes every descriptor of the process. The system then gives their
numbers to the files and connections that the program opens next.
"""

from __future__ import annotations

import os
import socket

__all__ = ["Identity", "close_own", "identify", "is_own"]

Identity = tuple[int, int] | None
"""What a descriptor refers to: device and inode; None where the system does not report them."""


def identify(sock: socket.socket) -> Identity:
    """Return the identity of a socket that was just opened."""
    # Windows has handles, which are not descriptors.
    return None if os.name == "nt" else _find(sock)


def is_own(sock: socket.socket, identity: Identity) -> bool:
    """Return whether the descriptor of a socket still refers to it."""
    return identity is None or _find(sock) == identity


def close_own(sock: socket.socket, identity: Identity) -> None:
    """Close a socket; leave a descriptor that is not its own any more alone."""
    if is_own(sock, identity):
        sock.close()
    else:
        sock.detach()


def _find(sock: socket.socket) -> Identity:
    try:
        status = os.fstat(sock.fileno())
    except OSError:
        return None
    return status.st_dev, status.st_ino
