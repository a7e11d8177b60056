from __future__ import annotations

import random
import socket
import ssl
import threading
import time
from typing import Any

import pytest

from bentotrace.transport.outcome import FailureKind
from bentotrace.transport.tls import TLSConfig

from ...golden import Golden

TIMEOUT = 1.0
# What would take longer without the deadline takes 10 s or more.
LATE = 5.0


class SendCounter:
    """Counts what goes to the sockets of this thread."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        self._thread = threading.get_ident()
        for kind in (socket.socket, ssl.SSLSocket):
            for name in ("send", "sendall"):
                monkeypatch.setattr(kind, name, self._counting(getattr(kind, name)), raising=False)

    def _counting(self, original: Any) -> Any:
        def send(sock: Any, data: Any, *flags: Any) -> Any:
            if threading.get_ident() == self._thread:
                self.sizes.append(len(data))
            return original(sock, data, *flags)

        return send


def test_header_and_body_leave_in_one_send(
    serve: Any, receiver: Any, http: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = receiver()
    transport = http(serve(handler).url)
    counter = SendCounter(monkeypatch)
    assert transport.send(b"x" * 5000).ok
    assert transport.send(b"y" * 5000).ok
    first, second = handler.requests
    assert len(counter.sizes) == 2
    assert all(size > 5000 for size in counter.sizes)
    assert first.connection == second.connection


def test_a_whole_batch_leaves_in_one_send(
    serve: Any, receiver: Any, http: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = receiver()
    transport = http(serve(handler).url)
    counter = SendCounter(monkeypatch)
    assert transport.send(b"x" * 60_000).ok
    assert len(counter.sizes) == 1


def test_header_and_body_leave_in_one_send_over_tls(
    serve: Any, receiver: Any, http: Any, certificates: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = receiver()
    server = serve(handler, context=certificates.server_context())
    transport = http(
        f"https://localhost:{server.port}/", tls=TLSConfig(ca_file=certificates.ca_file)
    )
    # The handshake takes sends of its own.
    assert transport.send(b"x").ok
    counter = SendCounter(monkeypatch)
    assert transport.send(b"x" * 5000).ok
    assert len(counter.sizes) == 1
    assert handler.requests[1].first_read.endswith(b"x" * 5000)


def test_a_large_body_arrives_whole(serve: Any, receiver: Any, http: Any) -> None:
    handler = receiver()
    body = random.randbytes(8_000_000)
    assert http(serve(handler).url).send(body).ok
    assert handler.requests[0].body == body


def test_a_large_body_arrives_whole_over_tls(
    serve: Any, receiver: Any, http: Any, certificates: Any
) -> None:
    handler = receiver()
    server = serve(handler, context=certificates.server_context())
    body = random.randbytes(2_000_000)
    transport = http(
        f"https://localhost:{server.port}/", tls=TLSConfig(ca_file=certificates.ca_file)
    )
    assert transport.send(body).ok
    assert handler.requests[0].body == body


def drip(text: bytes, start: bytes = b"") -> Any:
    """Return a handler that answers a byte every 50 ms."""

    def handle(connection: socket.socket) -> None:
        connection.recv(1 << 20)
        connection.sendall(start)
        for byte in text:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)
        connection.recv(1)

    return handle


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (drip(b"HTTP/1.1 200 OK\r\n" * 9), "the server did not respond within the 1 s timeout"),
        (
            drip(b"X-Header: 1\r\n" * 9, b"HTTP/1.1 200 OK\r\n"),
            "the server did not respond within the 1 s timeout",
        ),
        (
            drip(b"body" * 25, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"),
            "the response did not end within the 1 s timeout",
        ),
        (
            drip(b"1\r\nx\r\n" * 25, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
            "the response did not end within the 1 s timeout",
        ),
        (
            drip(b"body" * 25, b"HTTP/1.1 200 OK\r\n\r\n"),
            "the response did not end within the 1 s timeout",
        ),
        (
            drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 9),
            "the server did not respond within the 1 s timeout",
        ),
    ],
    ids=["status line", "header", "body", "chunked body", "endless body", "interim answers"],
)
def test_a_dripping_answer_ends_at_the_deadline(
    serve: Any, http: Any, handler: Any, reason: str
) -> None:
    outcome = http(serve(handler).url, timeout=TIMEOUT).send(b"x")
    assert outcome.kind is FailureKind.TIMEOUT
    assert outcome.reason == reason
    assert TIMEOUT <= outcome.elapsed < TIMEOUT + LATE


def test_a_hanging_server_ends_at_the_deadline(serve: Any, hang: Any, http: Any) -> None:
    outcome = http(serve(hang).url, timeout=TIMEOUT).send(b"x")
    assert outcome.kind is FailureKind.TIMEOUT
    assert TIMEOUT <= outcome.elapsed < TIMEOUT + LATE
    assert outcome.attempts == 1


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_a_server_that_reads_slowly_ends_at_the_deadline(
    serve: Any,
    reply: Any,
    read_head: Any,
    http: Any,
    certificates: Any,
    secure: bool,
    golden: Golden,
) -> None:
    def sip(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(reply("200 OK"))
        while True:
            gulp = 0
            while gulp < 1_000_000:
                read = len(connection.recv(1_000_000 - gulp))
                if not read:
                    return
                gulp += read
            time.sleep(0.05)

    server = serve(sip, context=certificates.server_context() if secure else None)
    transport = http(
        server.url.replace("127.0.0.1", "localhost"),
        tls=TLSConfig(ca_file=certificates.ca_file),
        timeout=30,
    )
    # The connection takes a while on a busy machine.
    assert transport.send(b"").ok
    outcome = transport.send(b"x" * 40_000_000, timeout=TIMEOUT)
    assert outcome.kind is FailureKind.TIMEOUT
    golden(outcome.reason)
    assert outcome.elapsed < TIMEOUT + LATE


def test_a_tls_handshake_that_hangs_ends_at_the_deadline(
    serve: Any, hang: Any, http: Any, golden: Golden
) -> None:
    server = serve(hang)
    outcome = http(f"https://127.0.0.1:{server.port}/", timeout=TIMEOUT).send(b"x")
    assert outcome.kind is FailureKind.TIMEOUT
    golden(outcome.reason)
    assert TIMEOUT <= outcome.elapsed < TIMEOUT + LATE


def test_a_tls_handshake_that_drips_ends_at_the_deadline(serve: Any, http: Any) -> None:
    server = serve(drip(b"\x16\x03\x03\x20\x00" + b"\x02" * 60))
    outcome = http(f"https://127.0.0.1:{server.port}/", timeout=TIMEOUT).send(b"x")
    assert outcome.kind is FailureKind.TIMEOUT
    assert outcome.elapsed < TIMEOUT + LATE


def test_an_address_that_swallows_connections_ends_at_the_deadline(
    http: Any, golden: Golden
) -> None:
    # A full backlog drops the next connection's SYN, as a firewall would.
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        try:
            for sock in waiting:
                sock.setblocking(False)
                sock.connect_ex(("127.0.0.1", port))
            outcome = http(f"http://127.0.0.1:{port}/", timeout=TIMEOUT).send(b"x")
        finally:
            for sock in waiting:
                sock.close()
    assert outcome.kind is FailureKind.TIMEOUT
    golden(outcome.reason)
    assert TIMEOUT <= outcome.elapsed < TIMEOUT + LATE


def resolver(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    """Let the resolver of names answer so; addresses are still addresses."""
    original = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        if host == "collector.test":
            if options.get("flags"):
                raise socket.gaierror(socket.EAI_NONAME, "not numeric")
            return answer(port)
        return original(host, port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def address(ip: str, port: int) -> Any:
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port))


def test_a_resolver_that_hangs_ends_at_the_deadline(
    http: Any, monkeypatch: pytest.MonkeyPatch, golden: Golden
) -> None:
    released = threading.Event()

    def answer(_: int) -> list[Any]:
        released.wait(60)
        return []

    resolver(monkeypatch, answer)
    outcome = http("http://collector.test/", timeout=TIMEOUT).send(b"x")
    released.set()
    assert outcome.kind is FailureKind.TIMEOUT
    golden(outcome.reason)
    assert TIMEOUT <= outcome.elapsed < TIMEOUT + LATE


def test_a_name_that_does_not_resolve_is_retried(
    serve: Any, receiver: Any, http: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(receiver())
    asked: list[int] = []

    def answer(port: int) -> Any:
        asked.append(port)
        if len(asked) < 3:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [address("127.0.0.1", port)]

    resolver(monkeypatch, answer)
    outcome = http(f"http://collector.test:{server.port}/").send(b"x")
    assert outcome.ok
    assert outcome.attempts == 3


def test_a_name_that_never_resolves_is_told(
    http: Any, once: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(_: int) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    resolver(monkeypatch, answer)
    outcome = http("http://collector.test:4318/", **once).send(b"x")
    assert outcome.kind is FailureKind.NAME_RESOLUTION
    assert outcome.reason.startswith(
        "cannot resolve the host name collector.test: Name or service not known; no time"
    )


def test_an_impossible_host_name_does_not_resolve(http: Any, once: Any) -> None:
    outcome = http(f"http://{'a' * 70}.test/", **once).send(b"x")
    assert outcome.kind is FailureKind.NAME_RESOLUTION


def test_every_address_of_a_host_is_tried(
    serve: Any, receiver: Any, http: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(receiver())
    resolver(monkeypatch, lambda port: [address("127.0.0.2", port), address("127.0.0.1", port)])
    outcome = http(f"http://collector.test:{server.port}/").send(b"x")
    assert outcome.ok
    assert outcome.attempts == 1


def test_an_address_that_hangs_leaves_time_for_the_next(
    serve: Any, receiver: Any, http: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(receiver())
    with socket.socket() as listener:
        listener.bind(("127.0.0.3", server.port))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.3", server.port))
        resolver(monkeypatch, lambda port: [address("127.0.0.3", port), address("127.0.0.1", port)])
        outcome = http(f"http://collector.test:{server.port}/", timeout=3).send(b"x")
        for sock in waiting:
            sock.close()
    assert outcome.ok
    assert outcome.attempts == 1
    # Its share is half of the time.
    assert 1.4 < outcome.elapsed < 3


def test_the_interpreter_s_end_starts_no_resolver_thread(
    serve: Any, receiver: Any, http: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(receiver())
    transport = http(f"http://localhost:{server.port}/")
    original = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name == "bentotrace-resolve":
            raise RuntimeError("can't create new thread at interpreter shutdown")
        original(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    assert transport.send(b"x").ok
