"""The addresses of a host, within a deadline that the system's resolver does not know."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Any

from bentotrace.threads import Signal, start_thread, unpatched
from bentotrace.transport.deadline import Deadline

__all__ = ["Address", "Resolution"]

Address = tuple[socket.AddressFamily, socket.SocketKind, int, Any]
"""Family, kind, protocol, and what to connect to."""


class Resolution:
    """One look-up, which another thread may interrupt, before it begins too."""

    def __init__(self, host: str, port: int, kind: socket.SocketKind) -> None:
        self._host = host
        self._port = port
        self._kind = kind
        self._answers: list[list[Address] | Exception | None] = []
        self._answered = Signal()

    def interrupt(self) -> None:
        """Let :meth:`addresses` end, if it waits, with a :class:`ConnectionAbortedError`."""
        self._answer(None)

    def addresses(self, deadline: Deadline) -> list[Address]:
        """Return the host's addresses.

        Raises:
            TimeoutError: the resolver did not answer in time.
            ConnectionAbortedError: it was interrupted.
            socket.gaierror: the host has none.
        """
        with contextlib.suppress(OSError):
            return self._look_up(socket.AI_NUMERICHOST)

        def look_up() -> None:
            try:
                self._answer(self._look_up())
            except Exception as error:
                self._answer(error)

        try:
            start_thread(look_up, "bentotrace-resolve")
        except RuntimeError:
            # The interpreter is ending and starts no threads any more.
            look_up()
        if not self._answered.wait_for(lambda: bool(self._answers), deadline.remaining()):
            raise TimeoutError
        answer = self._answers[0]
        if answer is None:
            raise ConnectionAbortedError
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _answer(self, answer: list[Address] | Exception | None) -> None:
        self._answers.append(answer)
        self._answered.notify()

    def _look_up(self, flags: int = 0) -> list[Address]:
        try:
            found = self._ask(socket.getaddrinfo, flags)
        except RuntimeError:
            # gevent resolves in a thread, and Python 3.12 starts none while the process ends.
            found = self._ask(unpatched("socket", "getaddrinfo"), flags)
        except UnicodeError:
            raise socket.gaierror(socket.EAI_NONAME, "it is no valid host name") from None
        return [(family, kind, protocol, target) for family, kind, protocol, _, target in found]

    def _ask(self, getaddrinfo: Callable[..., Any], flags: int) -> Any:
        return getaddrinfo(self._host, self._port, type=self._kind, flags=flags)
