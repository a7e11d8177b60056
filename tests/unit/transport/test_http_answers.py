from __future__ import annotations

import socket
import time
from typing import Any

import pytest

import bentotrace.transport._http_connection as connection_module
from bentotrace.transport._http_response import BODY_LIMIT
from bentotrace.transport.outcome import FailureKind

from ...golden import Golden


def test_no_more_of_an_answer_is_read_than_is_kept(
    serve: Any, receiver: Any, reply: Any, http: Any
) -> None:
    handler = receiver([reply("200 OK", b"x" * 3_000_000), reply("200 OK", b"small")])
    transport = http(serve(handler).url)
    outcome = transport.send(b"x")
    assert outcome.ok
    assert len(outcome.body) == BODY_LIMIT
    assert transport.send(b"x").body == b"small"
    assert [request.connection for request in handler.requests] == [1, 2]


def test_an_endless_answer_does_not_fill_the_memory_or_the_time(
    serve: Any, http: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "_MESSAGE_SECONDS", 30.0)

    def flood(connection: socket.socket) -> None:
        connection.recv(1 << 20)
        connection.sendall(b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")

    outcome = http(serve(flood).url, timeout=30).send(b"x")
    assert outcome.status == "500"
    assert len(outcome.body) == BODY_LIMIT
    assert outcome.elapsed < 20


def test_a_chunked_answer_is_read_and_the_connection_kept(
    serve: Any, receiver: Any, http: Any
) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    handler = receiver([chunked])
    transport = http(serve(handler).url)
    assert transport.send(b"x").body == b"abc"
    assert transport.send(b"x").body == b"abc"
    assert [request.connection for request in handler.requests] == [1, 1]


def test_an_answer_before_the_whole_request_is_read(serve: Any, reply: Any, http: Any) -> None:
    def refuse(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(reply("413 Content Too Large", b"", "Connection: close"))
        connection.shutdown(socket.SHUT_WR)
        time.sleep(0.05)
        # Leaving, it resets the connection, as there is more to read.

    outcome = http(serve(refuse).url).send(b"x" * 10_000_000)
    assert outcome.status == "413"
    assert outcome.kind is FailureKind.TOO_LARGE


def test_a_success_that_breaks_off_is_a_failure_and_not_sent_twice(
    serve: Any, http: Any, golden: Golden
) -> None:
    requests: list[bytes] = []

    def cut(connection: socket.socket) -> None:
        requests.append(connection.recv(1 << 20))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")

    outcome = http(serve(cut).url).send(b"x")
    assert not outcome.ok
    assert outcome.kind is FailureKind.PROTOCOL
    golden(outcome.reason)
    assert len(requests) == 1
