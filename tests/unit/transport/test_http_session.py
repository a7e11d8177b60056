from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest

import bentotrace.transport.http as http_module
from bentotrace.transport.outcome import FailureKind, Outcome
from bentotrace.transport.retry import Backoff
from bentotrace.transport.tls import TLSConfig


def test_a_connection_is_kept_for_the_next_send(serve: Any, receiver: Any, http: Any) -> None:
    handler = receiver()
    server = serve(handler)
    transport = http(server.url)
    for _ in range(5):
        assert transport.send(b"x").ok
    assert server.connections == 1


def test_a_connection_that_the_server_closes_is_not_kept(
    serve: Any, receiver: Any, reply: Any, http: Any
) -> None:
    handler = receiver([reply("200 OK", b"", "Connection: close")], keep_alive=False)
    server = serve(handler)
    transport = http(server.url)
    for _ in range(3):
        outcome = transport.send(b"x")
        assert (outcome.ok, outcome.attempts) == (True, 1)
    assert server.connections == 3


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_a_connection_closed_while_idle_is_reopened_at_once(
    serve: Any,
    receiver: Any,
    http: Any,
    certificates: Any,
    secure: bool,
) -> None:
    handler = receiver(keep_alive=False)  # it does not say that it closes
    server = serve(handler, context=certificates.server_context() if secure else None)
    transport = http(
        server.url.replace("127.0.0.1", "localhost"),
        tls=TLSConfig(ca_file=certificates.ca_file),
        backoff=Backoff(first=60),
    )
    for _ in range(3):
        outcome = transport.send(b"x")
        assert (outcome.ok, outcome.attempts) == (True, 1)
        # A handshake takes a while on a busy machine, a backoff 60 s.
        assert outcome.elapsed < 5
        time.sleep(0.05)
    assert server.connections == 3
    assert len(handler.requests) == 3


@pytest.mark.parametrize(
    "second",
    [None, b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"],
    ids=["closed", "408"],
)
def test_a_connection_that_ends_while_the_request_is_on_its_way_is_reopened_at_once(
    serve: Any, receiver: Any, reply: Any, http: Any, second: bytes | None
) -> None:
    handler = receiver([reply("200 OK"), second, reply("200 OK")])
    server = serve(handler)
    transport = http(server.url, backoff=Backoff(first=60))
    for _ in range(2):
        outcome = transport.send(b"x")
        assert (outcome.ok, outcome.attempts) == (True, 1)
    assert server.connections == 2
    assert len(handler.requests) == 3


def test_a_408_on_a_new_connection_is_the_response(
    serve: Any, receiver: Any, reply: Any, http: Any
) -> None:
    outcome = http(serve(receiver([reply("408 Request Timeout")])).url).send(b"x")
    assert (outcome.ok, outcome.status, outcome.attempts) == (False, "408", 1)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(
    "unasked",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n",
        b"\n",
    ],
    ids=["a response", "408", "a byte"],
)
def test_bytes_that_nobody_asked_for_are_no_response(
    serve: Any, http: Any, certificates: Any, secure: bool, unasked: bytes
) -> None:
    sent = threading.Event()

    def handle(connection: socket.socket) -> None:
        """Accept the first request on the first connection only, and say more than asked."""
        first = server.connections == 1
        while connection.recv(1 << 16):
            status = b"200 OK" if first else b"400 Bad Request"
            connection.sendall(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % status)
            if first:
                time.sleep(0.05)
                connection.sendall(unasked)
                sent.set()

    server = serve(handle, context=certificates.server_context() if secure else None)
    url = server.url.replace("127.0.0.1", "localhost")
    transport = http(url, tls=TLSConfig(ca_file=certificates.ca_file))
    assert transport.send(b"x").ok
    assert sent.wait(5)
    time.sleep(0.05)
    assert transport.send(b"x").status == "400"
    assert server.connections == 2


@pytest.mark.parametrize("status", ["429 Slow", "502 Bad", "503 Busy", "504 Late"])
def test_after_a_retryable_response_another_connection_is_used(
    serve: Any, reply: Any, http: Any, status: str
) -> None:
    def handle(connection: socket.socket) -> None:
        sick = server.connections % 2 == 1
        while connection.recv(1 << 16):
            connection.sendall(reply(status if sick else "200 OK"))

    server = serve(handle)
    transport = http(server.url)
    assert transport.send(b"x").attempts == 2
    assert transport.send(b"x").attempts == 1
    assert server.connections == 2


def test_a_failed_attempt_begins_the_next_one_with_another_address(
    serve: Any, receiver: Any, reply: Any, http: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sick = serve(receiver([reply("503 Busy")]))
    healthy = serve(receiver(), host="127.0.0.2", port=sick.port)
    family, kind = socket.AF_INET, socket.SOCK_STREAM
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, port, **_: [
            (family, kind, 6, "", (address, port)) for address in ("127.0.0.1", "127.0.0.2")
        ],
    )
    outcome = http(f"http://two.test:{sick.port}").send(b"x")
    assert (outcome.ok, outcome.attempts) == (True, 2)
    assert (sick.connections, healthy.connections) == (1, 1)


def test_of_the_connections_of_several_threads_one_is_kept(
    serve: Any, receiver: Any, http: Any
) -> None:
    both = threading.Barrier(2)
    handler = receiver()
    first = threading.local()

    def handle(connection: socket.socket) -> None:
        if not hasattr(first, "passed") and server.connections <= 2:
            both.wait(5)
            first.passed = True
        handler(connection)

    server = serve(handle)
    transport = http(server.url)
    threads = [threading.Thread(target=transport.send, args=(b"x",)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert server.connections == 2
    for _ in range(3):
        assert transport.send(b"x").ok
    assert server.connections == 2


def test_a_new_connection_that_breaks_off_is_a_failed_attempt(
    serve: Any, receiver: Any, reply: Any, http: Any
) -> None:
    handler = receiver([None, reply("200 OK")])
    outcome = http(serve(handler).url).send(b"x")
    assert outcome.ok
    assert outcome.attempts == 2


def test_a_server_that_only_hangs_up_is_reported(
    serve: Any, receiver: Any, http: Any, twice: Any
) -> None:
    outcome = http(serve(receiver([None])).url, **twice).send(b"x")
    assert outcome.kind is FailureKind.DISCONNECTED
    assert outcome.attempts == 2
    assert "the server closed the connection without a response" in outcome.reason


def test_an_old_connection_is_not_trusted(
    serve: Any, receiver: Any, http: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_module, "_IDLE_SECONDS", 0.05)
    server = serve(receiver())
    transport = http(server.url)
    assert transport.send(b"x").ok
    time.sleep(0.1)
    assert transport.send(b"x").ok
    assert server.connections == 2


def test_many_threads_may_send_at_once(serve: Any, receiver: Any, http: Any) -> None:
    handler = receiver()
    transport = http(serve(handler).url)
    outcomes: list[Outcome] = []

    def send(number: int) -> None:
        outcomes.extend(transport.send(b"%d" % (number * 20 + turn)) for turn in range(20))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert [outcome.ok for outcome in outcomes] == [True] * 160
    assert {request.body for request in handler.requests} == {b"%d" % n for n in range(160)}
