"""Responses that are made to take long to read, from a real server: no thread stands still."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bentotrace.transport.outcome import FailureKind

from ...servers import answering, reply

KIB_64 = 64 * 1024
LONGEST_STANDSTILL = 1.0


class Standstill:
    """The longest time for which another thread of the process could not run."""

    seconds = 0.0


@contextmanager
def measured_standstill() -> Iterator[Standstill]:
    found = Standstill()
    ended = threading.Event()

    def tick() -> None:
        last = time.perf_counter()
        while not ended.wait(0.001):
            now = time.perf_counter()
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
