"""Faults: what a receiver does with a connection instead of a response.

A :data:`Fault` is scripted by ``receiver.fail_with(fault)``, or done to every connection of a
:class:`FaultyServer`, which stands beside a receiver of any TCP protocol.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bentotrace.testing.receiver import Receiver

__all__ = [
    "FAULTS",
    "HTTP_BEGINNING",
    "Fault",
    "FaultyServer",
    "drip",
    "end_halfway",
    "garbage",
    "hang",
    "reset",
]

Fault = Callable[[socket.socket, bytes, threading.Event], None]
"""Misbehaves on a connection after a request, until it is done or the event is set.

The bytes are the beginning of a response in the receiver's protocol.
"""

_DRIP_SECONDS = 0.05
_POLL_SECONDS = 0.1
_JOIN_SECONDS = 5.0
HTTP_BEGINNING = b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n"
"""A response whose head is not complete."""

_GRPC_SETTINGS = b"\0\0\0\4\0\0\0\0\0"
# A HEADERS frame of 200 bytes for the first stream, of which the header comes whole.
_GRPC_BEGINNING = b"\0\0\xc8\1\4\0\0\0\1"
_BEGINNINGS = {"http": HTTP_BEGINNING, "grpc": _GRPC_BEGINNING}
# What a request has once a response to it can begin.
_REQUESTS = {"http": b"\r\n\r\n", "grpc": b"\1\4\0\0\0\1"}


def hang(connection: socket.socket, beginning: bytes, closing: threading.Event) -> None:
    """Never respond."""
    connection.settimeout(_POLL_SECONDS)
    while not closing.is_set():
        try:
            if not connection.recv(1 << 20):
                return
        except TimeoutError:
            continue


def drip(connection: socket.socket, beginning: bytes, closing: threading.Event) -> None:
    """Begin a response and continue it with one byte every 50 ms, endlessly."""
    connection.sendall(beginning)
    while not closing.wait(_DRIP_SECONDS):
        connection.sendall(b"x")


def end_halfway(connection: socket.socket, beginning: bytes, closing: threading.Event) -> None:
    """Begin a response and close the connection."""
    connection.sendall(beginning)
    # close() alone would not end it while another part of the server holds it.
    socket.socket.shutdown(connection, socket.SHUT_RDWR)


def reset(connection: socket.socket, beginning: bytes, closing: threading.Event) -> None:
    """Begin a response and reset the connection."""
    connection.sendall(beginning)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def garbage(connection: socket.socket, beginning: bytes, closing: threading.Event) -> None:
    """Respond with bytes that are neither HTTP nor gRPC, and never end the response."""
    connection.sendall(bytes(range(256)) * 4)
    hang(connection, beginning, closing)


FAULTS: dict[str, Fault] = {
    "drip": drip,
    "end_halfway": end_halfway,
    "garbage": garbage,
    "hang": hang,
    "reset": reset,
}
"""Every fault, by the name of its function."""


class FaultyServer:
    """Listens on loopback and does a fault on each connection; a context manager.

    Args:
        fault: what it does after it has read a request.
        receiver: the receiver that it stands beside. Its endpoint is the receiver's with another
            port.

    Attributes:
        host: the address it listens on.
        port: the port it listens on.
        address: ``host:port``.
        endpoint: the endpoint to configure in an exporter.
        connections: the number of connections so far.
    """

    def __init__(self, fault: Fault, receiver: Receiver) -> None:
        self._fault = fault
        self._family = receiver.family
        self._beginning = _BEGINNINGS.get(receiver.family, receiver.beginning)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._closing = threading.Event()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.host: str = "127.0.0.1"
        self.port: int = self._listener.getsockname()[1]
        self.address = f"{self.host}:{self.port}"
        self.endpoint = receiver.endpoint.replace(receiver.address, self.address)
        self.connections = 0
        self._start(self._accept)

    def close(self) -> None:
        """Stop listening and end the connections."""
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)

    def __enter__(self) -> FaultyServer:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _start(self, run: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=run, args=arguments, name="FaultyServer", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            if self._closing.is_set():
                # close() may have passed by.
                connection.close()
                return
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            self._read_request(connection)
            self._fault(connection, self._beginning, self._closing)

    def _read_request(self, connection: socket.socket) -> None:
        """Read until a request has begun, which is all that a response needs."""
        if self._family == "grpc":
            connection.sendall(_GRPC_SETTINGS)
        end = _REQUESTS.get(self._family, b"")
        received = b""
        while not received or end not in received:
            read = connection.recv(1 << 20)
            if not read:
                raise ConnectionError("the client left")
            received += read
