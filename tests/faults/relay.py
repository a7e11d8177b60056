"""A proxy of bytes between a sender and receivers: it counts connections, and makes them silent."""

from __future__ import annotations

import contextlib
import itertools
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import Factory, define

from ..servers import read_head

__all__ = ["Relay", "http_proxy", "relays"]

Greet = Callable[[socket.socket], tuple[int, bytes]]
"""Reads the start of a connection; returns the port to connect to, and the bytes to pass on."""


@define(eq=False, slots=False)
class Relay:
    """Passes on each connection to a port.

    Attributes:
        ports: of the receivers of the first connections; the last one is repeated.
        path: listens on this Unix socket instead of a port.
        greet: chooses the port instead.
    """

    ports: tuple[int, ...] = ()
    path: Path | None = None
    greet: Greet | None = None
    connections: int = 0
    _silent_below: int = 0
    _open: list[socket.socket] = Factory(list)
    _threads: list[threading.Thread] = Factory(list)

    def start(self) -> Relay:
        if self.path is None:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.port = self._listener.getsockname()[1]
        else:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(self.path))
            self._listener.listen()
        self._start(self._accept)
        return self

    def silence(self, *, forever: bool = False) -> None:
        """Swallow what comes on the connections that exist, or on all; they stay open."""
        self._silent_below = sys.maxsize if forever else self.connections

    def hang_up(self) -> None:
        """End the connections that exist."""
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(5)
        for one in self._open:
            one.close()

    def _start(self, run: Callable[..., None], *arguments: object) -> None:
        self._threads.append(threading.Thread(target=run, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        for number in itertools.count():
            try:
                sender, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(sender)
            self.connections += 1
            self._start(self._connect, sender, number)

    def _connect(self, sender: socket.socket, number: int) -> None:
        port, start = self.ports[min(number, len(self.ports) - 1)] if self.ports else 0, b""
        with contextlib.suppress(OSError, ValueError):
            if self.greet is not None:
                port, start = self.greet(sender)
            receiver = socket.create_connection(("127.0.0.1", port))
            self._open.append(receiver)
            receiver.sendall(start)
            self._start(self._pump, receiver, sender, number)
            self._pump(sender, receiver, number)

    def _pump(self, source: socket.socket, sink: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if number >= self._silent_below:
                    sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def http_proxy(port: int) -> Greet:
    """Return a proxy's greeting, for tunnels and for requests, that leads to a port."""

    def greet(sender: socket.socket) -> tuple[int, bytes]:
        head, rest, _ = read_head(sender)
        method, url, version = head.split(b"\r\n")[0].split()
        if method == b"CONNECT":
            sender.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            return port, rest
        path = b"/" + url.split(b"/", 3)[3]
        line = b" ".join((method, path, version))
        return port, b"\r\n".join((line, *head.split(b"\r\n")[1:])) + b"\r\n\r\n" + rest

    return greet


@contextmanager
def relays() -> Iterator[Callable[..., Relay]]:
    """Yield a function that starts a relay; all are stopped at the end."""
    started: list[Relay] = []

    def start(*ports: int, path: Path | None = None, greet: Greet | None = None) -> Relay:
        started.append(Relay(ports, path, greet))
        return started[-1].start()

    yield start
    for relay in started:
        relay.stop()
