from __future__ import annotations

import http.client
import io
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentotrace.transport._http_answer import (
    BODY_LIMIT,
    Answer,
    AnswerReader,
    NotHTTPError,
)


def reader_of(*pieces: bytes) -> AnswerReader:
    """A reader to which the pieces come one after the other, and then the end."""
    waiting = list(pieces)

    def receive(size: int) -> bytes:
        if not waiting:
            return b""
        piece = waiting.pop(0)
        if len(piece) > size:
            waiting.insert(0, piece[size:])
        return piece[:size]

    return AnswerReader(receive)


def read(*pieces: bytes) -> Answer:
    reader = reader_of(*pieces)
    return reader.read_body(reader.read_head())


def bytewise(text: bytes) -> Iterable[bytes]:
    return (text[index : index + 1] for index in range(len(text)))


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
        (b"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc", b"abc", True, False),
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
@pytest.mark.parametrize("pieces", [lambda text: [text], bytewise], ids=["at once", "bytewise"])
def test_an_answer_is_read_to_its_end(
    pieces: Any, text: bytes, body: bytes, whole: bool, reusable: bool
) -> None:
    answer = read(*pieces(text))
    assert (answer.body, answer.whole, answer.reusable) == (body, whole, reusable)


def test_a_connection_on_which_more_came_than_the_answer_is_not_used_again() -> None:
    answer = read(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1")
    assert (answer.body, answer.whole, answer.reusable) == (b"abc", True, False)


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
        (b"3\r\nabc\r\n0\r\n", b"abc", True, False),
        (b"3\r\nabc\r\n", b"abc", False, False),
        (b"3\r\nab", b"ab", False, False),
        (b"3\r\nabcd\r\n0\r\n\r\n", b"abc", False, False),
        (b"x\r\nabc\r\n0\r\n\r\n", b"", False, False),
        (b"-3\r\nabc\r\n0\r\n\r\n", b"", False, False),
        (b"", b"", False, False),
    ],
)
@pytest.mark.parametrize("coding", [b"chunked", b"Chunked", b"gzip, chunked"])
def test_a_chunked_answer_is_read_to_its_end(
    coding: bytes, chunks: bytes, body: bytes, whole: bool, reusable: bool
) -> None:
    for pieces in ([CHUNKED % coding + chunks], bytewise(CHUNKED % coding + chunks)):
        answer = read(*pieces)
        assert (answer.body, answer.whole, answer.reusable) == (body, whole, reusable)


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
def test_a_body_is_cut_at_the_limit_and_the_connection_goes_with_the_rest(text: bytes) -> None:
    answer = read(text)
    assert answer.body == b"x" * BODY_LIMIT
    assert answer.whole
    assert not answer.reusable


def test_names_of_headers_are_in_lower_case_and_the_first_of_several_counts() -> None:
    head = reader_of(
        b"HTTP/1.1 503 Slow  Down\r\nRETRY-AFTER:  7 \r\nRetry-After: 9\r\nno header\r\n"
        b"X-Long: a\r\n b\r\n\tc\r\nX-Empty:\r\nX-Umlaut: \xfc\r\n\r\n"
    ).read_head()
    assert (head.status, head.phrase) == (503, "Slow  Down")
    assert head.headers == {
        "retry-after": "7",
        "x-long": "a b c",
        "x-empty": "",
        "x-umlaut": "\xfc",
    }


def test_a_status_line_may_end_without_a_phrase() -> None:
    for line in (b"HTTP/1.1 200\r\n\r\n", b"HTTP/1.1 200 \r\n\r\n"):
        head = reader_of(line).read_head()
        assert (head.status, head.phrase, head.whole) == (200, "", True)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"SSH-2.0-OpenSSH_9\r\n", "SSH-2.0-OpenSSH_9"),
        (b"HTTP/2 200\r\n\r\n", "HTTP/2 200"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 2000 OK"),
        (b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n", "HTTP/1.1 \xb2\xb2\xb2 OK"),
        (b"HTTP/1.1 099 OK\r\n\r\n", "HTTP/1.1 099 OK"),
        (b"\r\nHTTP/1.1 200 OK\r\n\r\n", "an empty line"),
        (b"HTTP/1.1 " + b"2" * 70_000, "got more than 65536 bytes in a line"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000, "got more than 65536 bytes of headers"),
    ],
)
def test_what_is_no_answer_is_told(text: bytes, problem: str) -> None:
    with pytest.raises(NotHTTPError) as caught:
        read(text)
    assert str(caught.value) == problem


def test_a_binary_protocol_is_told_without_waiting_for_a_line_s_end() -> None:
    def receive(_: int) -> bytes:
        assert not given
        given.append(b"\0\0\x06\x04\0\0\0\0\0\0\x05\0\0\x40\0")
        return given[0]

    given: list[bytes] = []
    with pytest.raises(NotHTTPError) as caught:
        AnswerReader(receive).read_head()
    assert caught.value.start == given[0].decode("latin-1")


def test_a_connection_that_ends_before_the_answer_was_reset() -> None:
    with pytest.raises(ConnectionResetError):
        reader_of().read_head()


names = st.text("abcXYZ-", min_size=1, max_size=8).filter(
    lambda name: name.lower() not in ("connection", "content-length", "transfer-encoding")
)
values = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=12)
bodies = st.binary(max_size=60)


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """A valid answer, with its body in one of the three ways."""
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


@given(answers(), st.data())
def test_answers_are_read_as_the_standard_library_reads_them(
    text: bytes, data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    answer = read(*filter(None, pieces))
    theirs = http.client.HTTPResponse(_Socket(text), method="POST")  # type: ignore[arg-type]
    theirs.begin()
    body = theirs.read()
    assert (answer.status, answer.phrase, answer.body) == (theirs.status, theirs.reason, body)
    assert answer.whole
    assert answer.reusable is not theirs.will_close
    for name in theirs.headers:
        assert answer.headers[name.lower()] == theirs.headers[name]


@given(answers(), st.data())
def test_an_answer_that_is_cut_is_never_taken_for_whole(text: bytes, data: st.DataObject) -> None:
    head, _, _ = text.partition(b"\r\n\r\n")
    lower = head.lower()
    if b"content-length:" not in lower and b"transfer-encoding:" not in lower:
        text = head + b"\r\n\r\n"
    # The last chunk is told by its size; what may follow it is empty here.
    end = text.rindex(b"0\r\n\r\n") if b"transfer-encoding:" in lower else len(text) - 1
    try:
        answer = read(text[: data.draw(st.integers(1, max(1, end)))])
    except NotHTTPError:
        return
    assert not answer.whole
    assert not answer.reusable
