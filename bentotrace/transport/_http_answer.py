"""An answer in HTTP/1.1, read as its bytes come.

The standard library's client reads answers, too, but importing it brings ``ssl`` and ``email``, a
tenth of a start, and it takes a connection that ends among the headers for the headers' end.
Source: RFC 9112.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

__all__ = ["BODY_LIMIT", "Answer", "AnswerReader", "Head", "NotHTTPError"]

BODY_LIMIT = 64 * 1024
"""The bytes of an answer's body that are read; the rest goes with the connection."""

_HEAD_LIMIT = 64 * 1024
_RECEIVED_AT_ONCE = 16 * 1024
_ENDS = (b"\r\n", b"\n")
# Python refuses to read a number of thousands of digits.
_MOST_DIGITS = 18


class NotHTTPError(Exception):
    """What came is no answer in HTTP/1.1.

    Attributes:
        start: what it begins with, as Latin-1; "" where that does not matter.
    """

    def __init__(self, problem: str, start: str = "") -> None:
        super().__init__(problem)
        self.start = start


class Head(NamedTuple):
    """Status line and headers.

    Attributes:
        status: from 100 to 999.
        phrase: the server's words for it, which may be missing.
        headers: by name in lower case, the first where there are several.
        whole: whether the connection lasted to their end.
        keeps: whether the server keeps the connection.
    """

    status: int
    phrase: str
    headers: Mapping[str, str]
    whole: bool
    keeps: bool


class Answer(NamedTuple):
    """A server's answer.

    Attributes:
        status: from 200 to 999.
        phrase: the server's words for it, which may be missing.
        headers: by name in lower case.
        body: its first :data:`BODY_LIMIT` bytes.
        whole: whether the body ended where the header said it would, or was cut at the limit.
        reusable: whether the connection can carry another request.
    """

    status: int
    phrase: str
    headers: Mapping[str, str]
    body: bytes
    whole: bool
    reusable: bool


class _Body(NamedTuple):
    """As much of a body as is kept, whether that is what it should be, and whether it was all."""

    content: bytes
    whole: bool
    ended: bool


class AnswerReader:
    """Reads the answer to one request.

    Args:
        receive: gives at most so many bytes, none at the connection's end.
    """

    def __init__(self, receive: Callable[[int], bytes]) -> None:
        self._receive = receive
        self._buffer = bytearray()

    def read_head(self) -> Head:
        """Read the status line and the headers, past those of interim answers.

        Raises:
            NotHTTPError: it is none.
            ConnectionResetError: the connection ended before it began.
        """
        while True:
            line = self._read_status_line()
            version, status, phrase = _parse_status_line(line)
            headers, whole = self._read_headers()
            # 101 switches to another protocol, which nobody asked for.
            if status >= 200 or status == 101 or not whole:
                whole = whole and line.endswith(b"\n")
                return Head(status, phrase, headers, whole, _keeps(version, headers))

    def read_body(self, head: Head) -> Answer:
        """Read the body that belongs to a head."""
        body = self._read_body(head)
        reusable = body.whole and body.ended and head.keeps and not self._buffer
        return Answer(head.status, head.phrase, head.headers, body.content, body.whole, reusable)

    def _read_status_line(self) -> bytes:
        if not self._buffer and not self._fill():
            raise ConnectionResetError("the connection ended before the answer")
        # A binary protocol may never end a line.
        if self._buffer[0] < 0x20 and self._buffer[0] not in b"\r\n":
            raise NotHTTPError("it is binary", self._buffer.decode("latin-1"))
        return self._read_line()

    def _read_headers(self) -> tuple[dict[str, str], bool]:
        headers: dict[str, list[str]] = {}
        name = ""
        size = 0
        whole = True
        while (line := self._read_line()) not in _ENDS:
            if not line.endswith(b"\n"):
                whole = False
                break
            size += len(line)
            if size > _HEAD_LIMIT:
                raise NotHTTPError(f"got more than {_HEAD_LIMIT} bytes of headers")
            text = line.decode("latin-1")
            if text[0] in " \t":
                # The line before goes on.
                if name in headers:
                    headers[name].append(text.strip())
                continue
            name, colon, value = text.partition(":")
            name = name.strip().lower()
            if not colon or name in headers:
                name = ""
                continue
            headers[name] = [value.strip()]
        return {name: " ".join(filter(None, lines)) for name, lines in headers.items()}, whole

    def _read_body(self, head: Head) -> _Body:
        if not head.whole:
            return _Body(b"", whole=False, ended=False)
        if head.status in (204, 304):
            return _Body(b"", whole=True, ended=True)
        coding = head.headers.get("transfer-encoding", "")
        if coding.rpartition(",")[2].strip().lower() == "chunked":
            return self._read_chunks()
        digits = head.headers.get("content-length", "")
        if not (digits.isascii() and digits.isdigit()):
            # The connection's end is the body's.
            return _Body(self._read(BODY_LIMIT), whole=True, ended=False)
        digits = digits.lstrip("0") or "0"
        length = int(digits) if len(digits) <= _MOST_DIGITS else BODY_LIMIT + 1
        wanted = min(length, BODY_LIMIT)
        content = self._read(wanted)
        return _Body(content, whole=len(content) == wanted, ended=wanted == length)

    def _read_chunks(self) -> _Body:
        content = bytearray()
        while True:
            size_text = self._read_line().partition(b";")[0].strip()
            try:
                size = int(size_text, 16)
            except ValueError:
                size = -1
            if size < 0:
                return _Body(bytes(content), whole=False, ended=False)
            if not size:
                _, whole = self._read_headers()
                return _Body(bytes(content), whole=True, ended=whole)
            wanted = min(size, BODY_LIMIT - len(content))
            chunk = self._read(wanted)
            content += chunk
            if len(chunk) < wanted:
                return _Body(bytes(content), whole=False, ended=False)
            if wanted < size:
                return _Body(bytes(content), whole=True, ended=False)
            if self._read_line() not in _ENDS:
                return _Body(bytes(content), whole=False, ended=False)

    def _read_line(self) -> bytes:
        """Read to the next line's end, or the connection's."""
        searched = 0
        while (end := self._buffer.find(b"\n", searched) + 1) == 0:
            searched = len(self._buffer)
            if searched > _HEAD_LIMIT:
                raise NotHTTPError(f"got more than {_HEAD_LIMIT} bytes in a line")
            if not self._fill():
                end = len(self._buffer)
                break
        return self._take(end)

    def _read(self, size: int) -> bytes:
        """Read so many bytes, fewer where the connection ends."""
        while len(self._buffer) < size and self._fill():
            pass
        return self._take(size)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _fill(self) -> bool:
        received = self._receive(_RECEIVED_AT_ONCE)
        self._buffer += received
        return bool(received)


def _parse_status_line(line: bytes) -> tuple[str, int, str]:
    text = line.decode("latin-1")
    version, _, rest = text.strip().partition(" ")
    number, _, phrase = rest.strip().partition(" ")
    is_status = len(number) == 3 and number.isascii() and number.isdigit() and number[0] != "0"
    if not version.startswith("HTTP/1.") or not is_status:
        raise NotHTTPError(text.strip() or "an empty line", text)
    return version, int(number), phrase.strip()


def _keeps(version: str, headers: Mapping[str, str]) -> bool:
    options = [option.strip() for option in headers.get("connection", "").lower().split(",")]
    return "keep-alive" in options if version == "HTTP/1.0" else "close" not in options
