"""Name resolution with a deadline, which the system's resolver does not have."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Any

from bentotrace.deadline import Deadline
from bentotrace.threads import Signal, make_thread, unpatched

__all__ = ["Resolution", "SocketAddress"]

SocketAddress = tuple[socket.AddressFamily, socket.SocketKind, int, Any]
"""Family, kind, protocol, and the address to connect to."""


class Resolution:
    """One look-up, which another thread may interrupt, also before it starts."""

    def __init__(self, host: str, port: int, kind: socket.SocketKind) -> None:
        self._host = host
        self._port = port
        self._kind = kind
        self._results: list[list[SocketAddress] | Exception | None] = []
        self._changed = Signal()

    def interrupt(self) -> None:
        """End :meth:`addresses` with a :class:`ConnectionAbortedError`."""
        self._finish(None)

    def addresses(self, deadline: Deadline) -> list[SocketAddress]:
        """Return the host's addresses.

        Raises:
            TimeoutError: the resolver did not respond in time.
            ConnectionAbortedError: it was interrupted.
            socket.gaierror: the host has none.
        """
        with contextlib.suppress(OSError):
            return self._look_up(socket.AI_NUMERICHOST)

        def look_up() -> None:
            try:
                self._finish(self._look_up())
            except Exception as error:
                self._finish(error)

        try:
            make_thread(look_up, "bentotrace-resolve").start()
        except RuntimeError:
            # The interpreter is exiting and starts no threads.
            look_up()
        if not self._changed.wait_for(lambda: bool(self._results), deadline.remaining()):
            raise TimeoutError
        result = self._results[0]
        if result is None:
            raise ConnectionAbortedError
        if isinstance(result, Exception):
            raise result
        return result

    def _finish(self, result: list[SocketAddress] | Exception | None) -> None:
        self._results.append(result)
        self._changed.notify()

    def _look_up(self, flags: int = 0) -> list[SocketAddress]:
        try:
            found = self._call(socket.getaddrinfo, flags)
        except RuntimeError:
            # gevent resolves in a thread, and Python 3.12 starts none while the process exits.
            found = self._call(unpatched("socket", "getaddrinfo"), flags)
        except UnicodeError:
            raise socket.gaierror(socket.EAI_NONAME, "it is not a valid host name") from None
        return [(family, kind, protocol, target) for family, kind, protocol, _, target in found]

    def _call(self, getaddrinfo: Callable[..., Any], flags: int) -> Any:
        # For text the standard function imports encodings.idna, in the exporting thread, which
        # make_thread() warns of. Another library's function may not accept bytes.
        standard = getaddrinfo.__module__ == "socket"
        host = self._host.encode("ascii") if standard and self._host.isascii() else self._host
        return getaddrinfo(host, self._port, type=self._kind, flags=flags)
