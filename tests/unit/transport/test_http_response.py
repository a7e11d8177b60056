"""Responses as a connection reads them, from real servers that send every byte of each test."""

from __future__ import annotations

import http.client
import io
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bentotrace.transport._http_response as response_module
from bentotrace.deadline import Deadline
from bentotrace.transport._http_connection import Connection
from bentotrace.transport._http_response import BODY_LIMIT, NotHTTPError, Response


class Exchange:
    """Sends a request to a server that responds with these bytes, and hangs up or waits."""

    def __init__(self, serve: Any) -> None:
        self._waits = False
        self._text = b""
        self._read = threading.Event()
        self._port = serve(self._respond).port

    def _respond(self, connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(self._text)
        if self._waits:
            self._read.wait(10)

    def __call__(self, text: bytes, *, waits: bool = False) -> Response:
        self._text, self._waits = text, waits
        self._read.clear()
        connection = Connection("127.0.0.1", self._port)
        try:
            connection.open(Deadline.after(5))
            return connection.exchange(b"POST / HTTP/1.1\r\n\r\n", Deadline.after(5))
        finally:
            self._read.set()
            connection.close()


@pytest.fixture
def exchange(serve: Any) -> Exchange:
    return Exchange(serve)


@pytest.fixture(params=[16 * 1024, 1], ids=["at once", "bytewise"])
def _read_size(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Receive that many bytes at a time."""
    monkeypatch.setattr(response_module, "_RECEIVED_AT_ONCE", request.param)


@pytest.mark.parametrize(
    ("text", "body", "whole", "reusable"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc", True, True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"", True, True),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", b"", True, True),
        (b"HTTP/1.1 200 OK\nContent-Length: 3\n\nabc", b"abc", True, True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", b"abc", False, False),
        (b"HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n", b"", True, False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc", True, False),
        (
            b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc",
            b"abc",
            True,
            True,
        ),
        (b"HTTP/1.1 200 OK\r\n\r\nabc", b"abc", True, False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc", b"", True, False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3, 5\r\n\r\nabc", b"", True, False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nno header\r\n\r\nabc", b"", True, False),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\nabc", b"", True, False),
        (b"HTTP/1.1 200 OK\r\nContent-", b"", False, False),
        (b"HTTP/1.1 200 OK", b"", False, False),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
            b"x",
            True,
            True,
        ),
    ],
)
@pytest.mark.usefixtures("_read_size")
def test_a_response_is_read_to_its_end(
    exchange: Exchange, text: bytes, body: bytes, whole: bool, reusable: bool
) -> None:
    response = exchange(text)
    assert (response.body, response.whole, response.reusable) == (body, whole, reusable)


def test_a_connection_on_which_more_came_than_the_response_is_not_used_again(
    exchange: Exchange,
) -> None:
    response = exchange(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1")
    assert (response.body, response.whole, response.reusable) == (b"abc", True, False)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: %s\r\n\r\n"


@pytest.mark.parametrize(
    ("chunks", "body", "whole", "reusable"),
    [
        (b"3\r\nabc\r\n0\r\n\r\n", b"abc", True, True),
        (
            b"3;a=b\r\nabc\r\nA \r\n0123456789\r\n000\r\nTrailer: x\r\n\r\n",
            b"abc0123456789",
            True,
            True,
        ),
        (b"3\r\nabc\r\n0\r\n", b"abc", False, False),
        (b"3\r\nabc\r\n", b"abc", False, False),
        (b"3\r\nab", b"ab", False, False),
        (b"3\r\nabcd\r\n0\r\n\r\n", b"abc", False, False),
        (b"x\r\nabc\r\n0\r\n\r\n", b"", False, False),
        (b"-3\r\nabc\r\n0\r\n\r\n", b"", False, False),
        (b"", b"", False, False),
    ],
)
@pytest.mark.parametrize("coding", [b"chunked", b"Chunked"])
@pytest.mark.usefixtures("_read_size")
def test_a_chunked_response_is_read_to_its_end(
    exchange: Exchange, coding: bytes, chunks: bytes, body: bytes, whole: bool, reusable: bool
) -> None:
    response = exchange(CHUNKED % coding + chunks)
    assert (response.body, response.whole, response.reusable) == (body, whole, reusable)


def test_a_coding_that_was_not_asked_for_leaves_the_status(exchange: Exchange) -> None:
    response = exchange(CHUNKED % b"gzip, chunked" + b"3\r\nabc\r\n0\r\n\r\n", waits=True)
    assert (response.status, response.body, response.reusable) == (200, b"", False)


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000,
        CHUNKED % b"chunked"
        + b"4000\r\n"
        + b"x" * 0x4000
        + b"\r\nC000\r\n"
        + b"x" * 0xC000
        + b"\r\n5\r\n12345\r\n0\r\n\r\n",
    ],
    ids=["length", "end", "chunks"],
)
def test_a_body_is_cut_at_the_limit_and_the_connection_is_not_used_again(
    exchange: Exchange, text: bytes
) -> None:
    response = exchange(text)
    assert response.body == b"x" * BODY_LIMIT
    assert response.whole
    assert not response.reusable


def test_names_of_headers_are_in_lower_case_and_the_first_of_several_counts(
    exchange: Exchange,
) -> None:
    response = exchange(
        b"HTTP/1.1 503 Slow  Down\r\nRETRY-AFTER:  7 \r\nRetry-After: 9\r\n"
        b"X-Long: a\r\n b\r\n\tc\r\nX-Empty:\r\nX-Umlaut: \xfc\r\n\r\n"
    )
    assert (response.status, response.phrase) == (503, "Slow  Down")
    assert response.headers == {
        "retry-after": "7",
        "x-long": "a b c",
        "x-empty": "",
        "x-umlaut": "\xfc",
    }


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.usefixtures("_read_size")
def test_a_malformed_header_leaves_the_status_and_its_connection_is_not_used_again(
    exchange: Exchange, waits: bool
) -> None:
    response = exchange(b"HTTP/1.1 503 Slow  Down\r\nno header\r\n\r\n", waits=waits)
    assert (response.status, response.phrase, response.headers) == (503, "Slow  Down", {})
    assert (response.whole, response.reusable) == (True, False)


def test_a_status_line_may_end_without_a_phrase(exchange: Exchange) -> None:
    for line in (b"HTTP/1.1 200\r\n\r\n", b"HTTP/1.1 200 \r\n\r\n"):
        response = exchange(line)
        assert (response.status, response.phrase, response.whole) == (200, "", True)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"SSH-2.0-OpenSSH_9\r\n", "SSH-2.0-OpenSSH_9"),
        (b"HTTP/2 200\r\n\r\n", "HTTP/2 200"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 2000 OK"),
        (b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n", "HTTP/1.1 \xb2\xb2\xb2 OK"),
        (b"HTTP/1.1 099 OK\r\n\r\n", "HTTP/1.1 099 OK"),
        (b"HTTP/3.0 200 OK\r\n\r\n", "HTTP/3.0 200 OK"),
        (b"\r\nHTTP/1.1 200 OK\r\n\r\n", "an empty line"),
        (b"HTTP/1.1 " + b"2" * 70_000, "got more than 65536 bytes of headers"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000, "got more than 65536 bytes of headers"),
    ],
)
@pytest.mark.parametrize("waits", [True, False])
def test_what_is_not_a_response_is_reported_without_waiting_for_more(
    exchange: Exchange, text: bytes, problem: str, waits: bool
) -> None:
    with pytest.raises(NotHTTPError) as caught:
        exchange(text, waits=waits)
    assert str(caught.value) == problem


@pytest.mark.usefixtures("_read_size")
def test_a_binary_protocol_is_reported_without_waiting_for_a_line_s_end(
    exchange: Exchange,
) -> None:
    settings_frame = b"\0\0\x06\x04\0\0\0\0\0\0\x05\0\0\x40\0"
    with pytest.raises(NotHTTPError) as caught:
        exchange(settings_frame, waits=True)
    assert settings_frame.decode("latin-1").startswith(caught.value.start)
    assert caught.value.start


def test_a_connection_that_ends_before_the_response_was_reset(exchange: Exchange) -> None:
    with pytest.raises(ConnectionResetError):
        exchange(b"")


names = st.text("abcXYZ-", min_size=1, max_size=8).filter(
    lambda name: name.lower() not in ("connection", "content-length", "transfer-encoding")
)
values = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=12)
bodies = st.binary(max_size=60)


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    """A valid response, with its body in one of the three ways."""
    status = draw(st.integers(200, 599).filter(lambda status: status not in (204, 304)))
    version = draw(st.sampled_from(["HTTP/1.1", "HTTP/1.0"]))
    headers = draw(st.lists(st.tuples(names, values), max_size=4))
    headers += draw(
        st.sampled_from([[], [("Connection", "close")], [("Connection", "keep-alive")]])
    )
    body = draw(bodies)
    way = draw(st.sampled_from(["length", "chunks", "end"]))
    if way == "length":
        headers.append(("Content-Length", str(len(body))))
    elif way == "chunks":
        headers.append(("Transfer-Encoding", "chunked"))
        body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in _parts(body)) + b"0\r\n\r\n"
    lines = [f"{version} {status} {draw(values)}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join((*lines, "", "")).encode() + body


def _parts(body: bytes) -> Iterator[bytes]:
    return (body[start : start + 7] for start in range(0, len(body), 7))


class _Socket:
    def __init__(self, text: bytes) -> None:
        self._text = text

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._text)


quietly = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60
)


@quietly
@given(responses(), st.integers(1, 40))
def test_responses_are_read_as_the_standard_library_reads_them(
    exchange: Exchange, text: bytes, size: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(response_module, "_RECEIVED_AT_ONCE", size)
        response = exchange(text)
    theirs = http.client.HTTPResponse(_Socket(text), method="POST")  # type: ignore[arg-type]
    theirs.begin()
    body = theirs.read()
    assert (response.status, response.phrase, response.body) == (
        theirs.status,
        theirs.reason,
        body,
    )
    assert response.whole
    assert response.reusable is not theirs.will_close
    for name in theirs.headers:
        assert response.headers[name.lower()] == theirs.headers[name]


@quietly
@given(responses(), st.data())
def test_a_response_that_is_cut_is_never_taken_for_whole(
    exchange: Exchange, text: bytes, data: st.DataObject
) -> None:
    head, _, _ = text.partition(b"\r\n\r\n")
    lower = head.lower()
    if b"content-length:" not in lower and b"transfer-encoding:" not in lower:
        text = head + b"\r\n\r\n"
    cut = data.draw(st.integers(1, len(text) - 1))
    try:
        response = exchange(text[:cut])
    except NotHTTPError:
        return
    assert not response.whole
    assert not response.reusable
