"""Responses that are made to take long to read, from a real server: no thread stands still."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bentotrace.transport.outcome import FailureDetail, FailureKind
from bentotrace.transport.tls import TLSConfig

from ...servers import answering, reply

KIB_64 = 64 * 1024
LONGEST_STANDSTILL = 1.0


class Standstill:
    """The longest time for which another thread of the process could not run.

    In seconds of the process: a busy machine has not stopped it.
    """

    seconds = 0.0


@contextmanager
def measured_standstill() -> Iterator[Standstill]:
    found = Standstill()
    ended = threading.Event()

    def tick() -> None:
        last = time.process_time()
        while not ended.wait(0.001):
            now = time.process_time()
            found.seconds = max(found.seconds, now - last)
            last = now

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def filled(part: str, size: int = KIB_64) -> bytes:
    return (part * (size // len(part.encode()))).encode()


PAGES = (
    "<script>",
    "<head",
    "<",
    "<style></",
    "</script",
    "&#9",
    "?key",
    "://a@",
    "[",
    '{"a":',
    "9",
)
KINDS = ("text/html", "text/plain", "application/json", "application/problem+json", "text/css")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", PAGES)
def test_a_page_of_64_kib(serve: Any, http: Any, kind: str, part: str) -> None:
    server = serve(answering(reply("500 No", filled(part), f"Content-Type: {kind}")))
    transport = http(server.url, headers={"authorization": "Bearer abcdef123"})
    with measured_standstill() as standstill:
        outcome = transport.send(b"x")
    assert (outcome.kind, outcome.status) == (FailureKind.STATUS, "500")
    assert len(outcome.reason) < 300
    assert standstill.seconds < LONGEST_STANDSTILL


@pytest.mark.parametrize(
    "location",
    ["http://a/" + "?key" * 750, "http://a/" + "?key" * 15_000, "://" * 20_000, "/@" * 30_000],
    ids=["3000 characters", "60000 characters", "schemes", "at signs"],
)
def test_a_location(serve: Any, http: Any, location: str) -> None:
    server = serve(answering(reply("302 Found", b"", f"Location: {location}")))
    with measured_standstill() as standstill:
        outcome = http(server.url).send(b"x")
    assert "redirects are not followed" in outcome.reason
    assert len(outcome.reason) < 400
    assert standstill.seconds < LONGEST_STANDSTILL


FLOODS = {
    "a phrase": b"HTTP/1.1 500 " + filled("?key", 60_000) + b"\r\nContent-Length: 0\r\n\r\n",
    "no HTTP": filled("?key", 60_000) + b"\r\n",
    "a header that goes on": (
        b"HTTP/1.1 500 No\r\nx: y\r\n" + b" z\n" * 20_000 + b"Content-Length: 0\r\n\r\n"
    ),
    "a length of many digits": (
        b"HTTP/1.1 500 No\r\nContent-Length: " + b"9" * 60_000 + b"\r\n\r\n" + b"x" * KIB_64
    ),
    "chunks of one byte": (
        b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"1\r\n<\r\n" * KIB_64
        + b"0\r\n\r\n"
    ),
    "a delay": (
        b"HTTP/1.1 500 No\r\nContent-Length: 0\r\nRetry-After: " + b"1" * 60_000 + b"\r\n\r\n"
    ),
    "a date": (
        b"HTTP/1.1 500 No\r\nContent-Length: 0\r\nRetry-After: "
        + filled("Wed, 21 ", 60_000)
        + b"\r\n\r\n"
    ),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood(serve: Any, http: Any, flood: str) -> None:
    server = serve(answering(FLOODS[flood]))
    with measured_standstill() as standstill:
        outcome = http(server.url, timeout=10.0).send(b"x")
    expected = FailureKind.PROTOCOL if flood == "no HTTP" else FailureKind.STATUS
    assert outcome.kind is expected
    assert len(outcome.reason) < 400
    assert standstill.seconds < LONGEST_STANDSTILL


def test_a_flood_of_interim_responses_is_not_read_to_the_deadline(serve: Any, http: Any) -> None:
    def flood(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        while True:
            connection.sendall(b"HTTP/1.1 102 Processing\r\n\r\n" * 1000)

    outcome = http(serve(flood).url, timeout=30).send(b"x")
    assert (outcome.kind, outcome.attempts) == (FailureKind.PROTOCOL, 1)
    assert "interim responses" in outcome.reason
    assert outcome.elapsed < 15


HELLO_REQUESTS = b"\x16\x03\x03\x00\x04\x00\x00\x00\x00" * 1000


def flood_with_hello_requests(connection: socket.socket) -> None:
    connection.recv(1 << 16)
    while True:
        connection.sendall(HELLO_REQUESTS)


def test_a_flood_inside_tls_ends_at_the_deadline(serve: Any, http: Any) -> None:
    url = serve(flood_with_hello_requests).url.replace("http", "https")
    outcome = http(url, timeout=1).send(b"x")
    assert (outcome.kind, outcome.detail) == (FailureKind.TIMEOUT, FailureDetail.HANDSHAKE)
    assert outcome.elapsed < 5


def test_closing_ends_a_flood_inside_tls(serve: Any, http: Any) -> None:
    transport = http(serve(flood_with_hello_requests).url.replace("http", "https"), timeout=30)
    threading.Timer(0.3, transport.close).start()
    outcome = transport.send(b"x")
    assert outcome.kind is FailureKind.CLOSED
    assert outcome.elapsed < 15


def test_a_flood_inside_tls_with_the_server_behind_a_proxy_ends_at_the_deadline(
    serve: Any, http: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tunnel(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        flood_with_hello_requests(connection)

    transport = http("https://collector.test", timeout=1)
    monkeypatch.setenv("https_proxy", serve(tunnel).url)
    outcome = transport.send(b"x")
    assert (outcome.kind, outcome.detail) == (FailureKind.TIMEOUT, FailureDetail.HANDSHAKE)
    assert outcome.elapsed < 5


def test_a_flood_inside_tls_after_the_handshake_ends_at_the_deadline(
    serve: Any, http: Any, certificates: Any
) -> None:
    context = certificates.server_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    def flood(connection: ssl.SSLSocket) -> None:
        connection.recv(1 << 16)
        with socket.socket(fileno=os.dup(connection.fileno())) as plain:
            plain.settimeout(10)
            # Records that are not encrypted end the connection, or are skipped; none is data.
            while True:
                plain.sendall(b"\x17\x03\x03\x00\x00" * 1000)

    url = serve(flood, context=context).url.replace("127.0.0.1", "localhost")
    started = time.monotonic()
    outcome = http(url, timeout=1, tls=TLSConfig(ca_file=certificates.ca_file)).send(b"x")
    assert not outcome.ok
    assert time.monotonic() - started < 5
