"""The faults of the matrix: what is wrong with a receiver, and what is to be said of it."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from bentotrace.transport.protobuf import length_delimited, varint

from ..servers import Certificates, Handler, Server, hang, read_head
from .transports import Family, Transport

__all__ = ["FAULTS", "Fault", "Scene", "Site"]

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


@frozen
class Expected:
    """What a status says of a fault: one of these kinds, with this in its reason."""

    kinds: frozenset[str]
    reason: str


@frozen(eq=False)
class Fault:
    """One thing that can be wrong.

    Attributes:
        name: what the page calls it.
        what: what happens, for the page.
        stage: makes it happen for as long as the context lasts.
        expected: what is to be said, by family; a family that is left out has no such fault.
        silent: the families which cannot tell.
        recovers: whether the receiver comes back in the end.
    """

    name: str
    what: str
    stage: Callable[[Scene], AbstractContextManager[Site]]
    expected: Mapping[Family, Expected]
    silent: frozenset[Family] = frozenset()
    recovers: bool = False

    def applies_to(self, transport: Transport) -> bool:
        """Tell whether that transport can meet it."""
        return transport.family in self.expected or transport.family in self.silent


def _says(*kinds: str, reason: str = "") -> Expected:
    return Expected(frozenset(kinds), reason)


@contextmanager
def _refused(scene: Scene) -> Iterator[Site]:
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
def _no_such_name(_scene: Scene) -> Iterator[Site]:
    yield Site(4318, host="nowhere.invalid")


@contextmanager
def _black_hole(_scene: Scene) -> Iterator[Site]:
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


def _raw(handler: Callable[[Family], Handler]) -> Callable[[Scene], AbstractContextManager[Site]]:
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


def _after_request(family: Family, answer: Handler) -> Handler:
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


def _drip(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(b"x")
            time.sleep(_DRIP_SECONDS)


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _garbage(_family: Family) -> Handler:
    def handle(connection: socket.socket) -> None:
        connection.recv(1 << 20)
        connection.sendall(bytes(range(256)) * 4)
        hang(connection)

    return handle


def _answers(
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
                metadata = [("grpc-status-details-bin", _retry_info(retry_after))]
                receiver.respond_with(
                    code, text, metadata=metadata if retry_after else (), times=_FOREVER
                )
            yield Site(receiver.port, receivers=[receiver])

    return stage


def _retry_info(seconds: int) -> bytes:
    """Write a ``google.rpc.Status`` that asks to wait."""
    info = length_delimited(1, b"\x08" + varint(seconds))
    detail = length_delimited(1, b"type.googleapis.com/google.rpc.RetryInfo")
    return length_delimited(3, detail + length_delimited(2, info))


@contextmanager
def _too_large(scene: Scene) -> Iterator[Site]:
    with scene.transport.receive(max_request_size=64) as receiver:
        yield Site(receiver.port, receivers=[receiver])


@contextmanager
def _tls(scene: Scene, ca_file: str | None) -> Iterator[Site]:
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
def _dies_and_comes_back(scene: Scene) -> Iterator[Site]:
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


_DEADLINE = "within the 1 s timeout"
FAULTS = (
    Fault(
        "refused",
        "nothing listens on the port",
        _refused,
        {
            "http": _says("refused", reason="connection refused: nothing listens on"),
            "grpc": _says("refused", reason="connection refused: nothing listens on"),
            "udp": _says("refused", reason="nobody listens on"),
        },
    ),
    Fault(
        "no such name",
        "the host name has no address",
        _no_such_name,
        {
            "http": _says("name_resolution", reason="cannot resolve the host name nowhere.invalid"),
            "grpc": _says("name_resolution", reason="cannot resolve the host name nowhere.invalid"),
            "udp": _says("name_resolution", reason="has no address"),
        },
    ),
    Fault(
        "black hole",
        "packets to the port vanish, as in a firewall",
        _black_hole,
        {
            "http": _says("timeout", reason=f"the connection was not accepted {_DEADLINE}"),
            "grpc": _says("timeout", reason=f"{_DEADLINE}|in time"),
        },
    ),
    Fault(
        "accepts and hangs",
        "takes the connection, reads, and never answers",
        _raw(lambda family: hang),
        {
            "http": _says("timeout", reason=f"the server did not answer {_DEADLINE}"),
            "grpc": _says("timeout", reason=f"{_DEADLINE}|in time"),
        },
        silent=frozenset(["udp"]),
    ),
    Fault(
        "slow drip",
        "answers one byte every 50 ms, without an end",
        _raw(lambda family: _after_request(family, _drip)),
        {
            "http": _says("timeout", reason=_DEADLINE),
            "grpc": _says("timeout", reason=_DEADLINE),
        },
    ),
    Fault(
        "400",
        "answers 400; over gRPC INVALID_ARGUMENT",
        _answers(400, "INVALID_ARGUMENT", "cannot read that"),
        {
            "http": _says("status", reason="400 Bad Request: cannot read that"),
            "grpc": _says("status", reason="INVALID_ARGUMENT: cannot read that"),
        },
    ),
    Fault(
        "401",
        "answers 401; over gRPC UNAUTHENTICATED",
        _answers(401, "UNAUTHENTICATED", "no token"),
        {
            "http": _says("unauthorized", reason="401 Unauthorized: no token"),
            "grpc": _says("unauthorized", reason="UNAUTHENTICATED: no token"),
        },
    ),
    Fault(
        "404",
        "answers 404; over gRPC UNIMPLEMENTED",
        _answers(404, "UNIMPLEMENTED", "nothing here"),
        {
            "http": _says("not_served", reason="404 Not Found: nothing here"),
            "grpc": _says("not_served", reason="UNIMPLEMENTED: nothing here"),
        },
    ),
    Fault(
        "413",
        "answers 413 to more than 64 bytes; over gRPC RESOURCE_EXHAUSTED",
        _too_large,
        {
            "http": _says("too_large", reason="are|is too large"),
            "grpc": _says("too_large", reason="are|is too large"),
        },
    ),
    Fault(
        "429",
        "answers 429 with Retry-After: 30; over gRPC RESOURCE_EXHAUSTED with a RetryInfo",
        _answers(429, "RESOURCE_EXHAUSTED", "slow down", retry_after=30),
        {
            "http": _says("status", reason="slow down; asked to wait 30 s"),
            "grpc": _says("status", reason="slow down; asked to wait 30 s"),
        },
    ),
    Fault(
        "500",
        "answers 500; over gRPC INTERNAL",
        _answers(500, "INTERNAL", "disk full"),
        {
            "http": _says("status", reason="500 Internal Server Error: disk full"),
            "grpc": _says("status", reason="INTERNAL: disk full"),
        },
    ),
    Fault(
        "503",
        "answers 503; over gRPC UNAVAILABLE",
        _answers(503, "UNAVAILABLE", "starting"),
        {
            # The last of its attempts may have no time for an answer.
            "http": _says("status", "timeout", reason="503 Service Unavailable: starting"),
            "grpc": _says("status", "timeout", reason="UNAVAILABLE: starting"),
        },
    ),
    Fault(
        "reset mid-answer",
        "begins to answer and resets the connection",
        _raw(lambda family: _after_request(family, _reset)),
        {
            "http": _says("disconnected", "protocol", reason="connection broke off|closed"),
            "grpc": _says("disconnected", reason="broke off|closed"),
        },
    ),
    Fault(
        "garbage answer",
        "answers bytes of no protocol",
        _raw(_garbage),
        {
            "http": _says("protocol", reason="the answer is not HTTP"),
            "grpc": _says("protocol", reason="does not speak gRPC"),
        },
    ),
    Fault(
        "TLS wrong CA",
        "shows a certificate of an authority that is not the configured one",
        lambda scene: _tls(scene, scene.other_certificates.ca_file),
        {
            "http": _says("tls", reason="certificate is not trusted"),
            "grpc": _says("tls", reason="certificate is not trusted"),
        },
    ),
    Fault(
        "plaintext to TLS",
        "expects TLS where plaintext is configured",
        lambda scene: _tls(scene, None),
        {
            "http": _says("protocol", "disconnected", reason="TLS|closed the connection"),
            "grpc": _says("disconnected", reason="it may expect TLS"),
        },
    ),
    Fault(
        "dies and comes back",
        "is healthy, away, and healthy again",
        _dies_and_comes_back,
        {
            "http": _says("refused", reason="nothing listens on"),
            "grpc": _says("refused", "disconnected", reason="nothing listens on|broke off"),
            "udp": _says("refused", reason="nobody listens on"),
        },
        recovers=True,
    ),
)
"""All of them, in the order of the page."""
