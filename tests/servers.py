"""Servers on loopback that speak as much, or as little, as a test wants."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from attrs import Factory, define, frozen

from bentotrace.testing.certificates import Certificates, make_certificates

__all__ = [
    "Certificates",
    "Handler",
    "Receiver",
    "Request",
    "Server",
    "answering",
    "hang",
    "make_certificates",
    "read_head",
    "reply",
    "running_servers",
]

Handler = Callable[[socket.socket], None]


@define(eq=False, slots=False)
class Server:
    """Runs a handler, in a thread of its own, for every connection."""

    handler: Handler
    context: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    connections: int = 0
    errors: list[Exception] = Factory(list)
    _open: list[socket.socket] = Factory(list)
    _threads: list[threading.Thread] = Factory(list)

    def start(self, port: int = 0) -> Server:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._listener = socket.create_server((self.host, port), family=family)
        self.port = self._listener.getsockname()[1]
        self._thread(self._accept)
        return self

    @property
    def netloc(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{'https' if self.context else 'http'}://{self.netloc}"

    def _thread(self, run: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=run, args=args, daemon=True)
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
            self._thread(self._handle, connection)

    def _handle(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(10)
            if self.context is not None:
                connection = self.context.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            self.handler(connection)
        except (OSError, ValueError) as error:
            self.errors.append(error)
        finally:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            connection.close()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        # The last connection may have been accepted just now.
        self._threads[0].join(5)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            connection.close()
        for thread in self._threads:
            thread.join(5)


@frozen
class Request:
    line: str
    headers: dict[str, str]
    body: bytes
    connection: int
    first_read: bytes
    at: float


def read_head(connection: socket.socket, buffer: bytes = b"") -> tuple[bytes, bytes, bytes]:
    """Return the head, what followed it, and the first read; ValueError at the end."""
    first = b""
    while b"\r\n\r\n" not in buffer:
        read = connection.recv(1 << 20)
        if not read:
            raise ValueError("end of connection")
        first = first or read
        buffer += read
    head, _, rest = buffer.partition(b"\r\n\r\n")
    return head, rest, first


def reply(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


@define(eq=False)
class Receiver:
    """A handler that reads whole requests and answers with the replies in turn.

    The last reply is repeated. A reply that is None ends the connection instead.
    """

    replies: list[bytes | None] = Factory(lambda: [reply("200 OK")])
    requests: list[Request] = Factory(list)
    keep_alive: bool = True
    _connections: int = 0

    def __call__(self, connection: socket.socket) -> None:
        self._connections += 1
        number = self._connections
        rest = b""
        while True:
            try:
                head, rest, first = read_head(connection, rest)
            except ValueError:
                return
            line, *fields = head.decode("latin-1").split("\r\n")
            headers = {
                name.lower(): value
                for name, _, value in (field.partition(": ") for field in fields)
            }
            length = int(headers.get("content-length", "0"))
            while len(rest) < length:
                read = connection.recv(1 << 20)
                if not read:
                    return
                rest += read
            body, rest = rest[:length], rest[length:]
            self.requests.append(Request(line, headers, body, number, first, time.monotonic()))
            answer = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
            if answer is None:
                return
            connection.sendall(answer)
            if not self.keep_alive:
                return


def answering(answer: bytes) -> Handler:
    """Make a handler that reads once and answers with these bytes, whatever was asked."""

    def handle(connection: socket.socket) -> None:
        connection.recv(1 << 20)
        connection.sendall(answer)

    return handle


def hang(connection: socket.socket) -> None:
    """Read and never answer, until the other side goes."""
    while connection.recv(1 << 20):
        pass


@contextlib.contextmanager
def running_servers() -> Iterator[Callable[..., Server]]:
    """Return a function that starts a server with a handler; all of them are stopped at the end."""
    servers: list[Server] = []

    def start(handler: Handler, *, port: int = 0, **options: Any) -> Server:
        server = Server(handler, **options)
        servers.append(server)
        return server.start(port)

    yield start
    for server in servers:
        server.stop()
