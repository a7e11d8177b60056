"""What is wrong with a receiver: real servers on loopback that misbehave while a context lasts."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from ..messages import length_delimited, varint
from ..servers import Certificates, Handler, Server, hang, read_head
from .transports import Family, Transport

__all__ = [
    "Scene",
    "Site",
    "after_request",
    "answers",
    "black_hole",
    "dies_and_comes_back",
    "drip",
    "garbage",
    "no_such_name",
    "raw",
    "refused",
    "reset",
    "tls",
    "too_large",
]

LOOPBACK = "127.0.0.1"
_FOREVER = 1_000_000
_DRIP_SECONDS = 0.05
_SETTINGS = b"\0\0\0\4\0\0\0\0\0"
# A HEADERS frame of 200 bytes for the first stream, of which the header comes whole.
_HEADERS = b"\0\0\xc8\1\4\0\0\0\1"


@frozen(eq=False)
class Scene:
    """Where a fault is to happen."""

    transport: Transport
    certificates: Certificates
    other_certificates: Certificates


@define
class Site:
    """What a process is to be configured for.

    Attributes:
        receivers: those that count what arrives.
        go: makes the receiver go away.
        come_back: makes it come back.
    """

    port: int
    host: str = LOOPBACK
    ca_file: str | None = None
    receivers: list[Any] = field(factory=list)
    go: Callable[[], None] | None = None
    come_back: Callable[[], None] | None = None


@contextmanager
def refused(scene: Scene) -> Iterator[Site]:
    with _kept(scene.transport, 0) as port:
        yield Site(port)


@contextmanager
def _kept(transport: Transport, port: int) -> Iterator[int]:
    """Keep a port on which nothing listens, so that nobody else gets it."""
    if transport.family == "udp":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as kept, socket.socket() as other:
            other.bind((LOOPBACK, 0))
            kept.bind((LOOPBACK, port))
            # Connected, it takes datagrams of that one peer only.
            kept.connect(other.getsockname())
            yield kept.getsockname()[1]
        return
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind((LOOPBACK, port))
        yield kept.getsockname()[1]


@contextmanager
def no_such_name(_scene: Scene) -> Iterator[Site]:
    yield Site(4318, host="nowhere.invalid")


@contextmanager
def black_hole(_scene: Scene) -> Iterator[Site]:
    with ExitStack() as opened:
        listener = opened.enter_context(socket.socket())
        listener.bind((LOOPBACK, 0))
        listener.listen(0)
        # From the first that does not get through, the system answers nobody any more.
        while True:
            filler = opened.enter_context(socket.socket())
            filler.settimeout(0.3)
            try:
                filler.connect(listener.getsockname())
            except TimeoutError:
                break
        yield Site(listener.getsockname()[1])


def raw(handler: Callable[[Family], Handler]) -> Callable[[Scene], AbstractContextManager[Site]]:
    """Make a server of bytes, which may differ with the family."""

    @contextmanager
    def stage(scene: Scene) -> Iterator[Site]:
        if scene.transport.family == "udp":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
                deaf.bind((LOOPBACK, 0))
                yield Site(deaf.getsockname()[1])
            return
        server = Server(handler(scene.transport.family)).start()
        try:
            yield Site(server.port)
        finally:
            server.stop()

    return stage


def after_request(family: Family, answer: Handler) -> Handler:
    """Take a request, begin to answer it with the status line or a frame, and leave the rest."""

    def handle(connection: socket.socket) -> None:
        if family == "grpc":
            connection.sendall(_SETTINGS)
            received = b""
            while b"\1\4\0\0\0\1" not in received:  # a HEADERS frame that opens the first stream
                read = connection.recv(1 << 20)
                if not read:
                    return
                received += read
            connection.sendall(_HEADERS)
        else:
            read_head(connection)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n")
        answer(connection)

    return handle


def drip(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(b"x")
            time.sleep(_DRIP_SECONDS)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def garbage(_family: Family) -> Handler:
    def handle(connection: socket.socket) -> None:
        connection.recv(1 << 20)
        connection.sendall(bytes(range(256)) * 4)
        hang(connection)

    return handle


def answers(
    status: int, code: str, text: str, retry_after: int = 0
) -> Callable[[Scene], AbstractContextManager[Site]]:
    """Answer every request so: with a status over HTTP, with a code over gRPC."""

    @contextmanager
    def stage(scene: Scene) -> Iterator[Site]:
        with scene.transport.receive() as receiver:
            if scene.transport.family == "http":
                headers = {"content-type": "text/plain"}
                if retry_after:
                    headers["retry-after"] = str(retry_after)
                receiver.respond_with(status, headers=headers, body=text.encode(), times=_FOREVER)
            else:
                metadata = [("grpc-status-details-bin", retry_info(retry_after))]
                receiver.respond_with(
                    code, text, metadata=metadata if retry_after else (), times=_FOREVER
                )
            yield Site(receiver.port, receivers=[receiver])

    return stage


def retry_info(seconds: int) -> bytes:
    """Write a ``google.rpc.Status`` that asks to wait."""
    info = length_delimited(1, b"\x08" + varint(seconds))
    detail = length_delimited(1, b"type.googleapis.com/google.rpc.RetryInfo")
    return length_delimited(3, detail + length_delimited(2, info))


@contextmanager
def too_large(scene: Scene) -> Iterator[Site]:
    with scene.transport.receive(max_request_size=64) as receiver:
        yield Site(receiver.port, receivers=[receiver])


@contextmanager
def tls(scene: Scene, ca_file: str | None) -> Iterator[Site]:
    certificates = scene.certificates
    options: dict[str, Any]
    if scene.transport.family == "http":
        options = {"ssl_context": certificates.server_context()}
    else:
        import grpc

        pair = (Path(certificates.key_file).read_bytes(), Path(certificates.cert_file).read_bytes())
        options = {"credentials": grpc.ssl_server_credentials([pair])}
    with scene.transport.receive(**options) as receiver:
        yield Site(receiver.port, ca_file=ca_file, receivers=[receiver])


@contextmanager
def dies_and_comes_back(scene: Scene) -> Iterator[Site]:
    with ExitStack() as away:
        first = scene.transport.receive()
        site = Site(first.port, receivers=[first])

        def go() -> None:
            first.close()
            away.enter_context(_kept(scene.transport, site.port))

        def come_back() -> None:
            if scene.transport.family == "udp":
                away.close()
            site.receivers.append(scene.transport.receive(site.port))
            away.close()

        site.go, site.come_back = go, come_back
        try:
            yield site
        finally:
            for receiver in site.receivers:
                receiver.close()
