"""Reading a response in HTTP/1.1 with h11, with limits on head and body."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

import h11

__all__ = ["BODY_LIMIT", "NotHTTPError", "Response", "ResponseReader"]

BODY_LIMIT = 64 * 1024
"""The maximum number of bytes of a body that are read."""

_HEAD_LIMIT = 64 * 1024
_MOST_INTERIM_RESPONSES = 100
_FIRST_FAILURE = 300
_RECEIVED_AT_ONCE = 16 * 1024
# h11 parses a response only after a request; the transport writes the real one.
_REQUEST = h11.Request(method="POST", target="/", headers=[("Host", "")])
_END = h11.EndOfMessage()


class NotHTTPError(Exception):
    """The bytes received are not a response in HTTP/1.1.

    Attributes:
        start: the first bytes received, as Latin-1; "" for headers that are too long.
    """

    def __init__(self, problem: str, start: str = "") -> None:
        super().__init__(problem)
        self.start = start


class Response(NamedTuple):
    """A server's response.

    Attributes:
        status: from 101 to 999.
        phrase: the reason phrase, "" without one.
        headers: by name in lower case, the first of each name.
        body: its first :data:`BODY_LIMIT` bytes.
        whole: whether it was received up to its end or the limit.
        reusable: whether the connection can carry another request.
    """

    status: int
    phrase: str
    headers: Mapping[str, str]
    body: bytes = b""
    whole: bool = True
    reusable: bool = False

    def content(self) -> bytes:
        """Return the body without its ``Content-Encoding``; the body itself if that fails."""
        encoding = self.headers.get("content-encoding", "").strip().lower()
        if encoding not in ("gzip", "x-gzip", "deflate"):
            return self.body
        decompressor = zlib.decompressobj(zlib.MAX_WBITS | 32)
        try:
            return decompressor.decompress(self.body, BODY_LIMIT)
        except zlib.error:
            return self.body


class ResponseReader:
    """Reads the response to one request.

    A response whose headers h11 rejects keeps its status, which is the receiver's decision.

    Args:
        receive: returns at most this number of bytes, none at the end of the connection.
    """

    def __init__(self, receive: Callable[[int], bytes]) -> None:
        self._receive = receive
        self._parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_LIMIT)
        self._parser.send(_REQUEST)
        self._parser.send(_END)
        self._start = bytearray()
        self._is_http = False
        self._at_end = False

    def read_head(self) -> Response:
        """Read the status line and the headers; skip interim responses.

        Raises:
            NotHTTPError: it is not a response.
            ConnectionResetError: the connection ended before the first byte.
        """
        interim_responses = 0
        while True:
            try:
                event = self._parser.next_event()
            except (h11.RemoteProtocolError, ValueError) as error:
                # Older releases of h11 raise ValueError for a length of thousands of digits.
                too_long = getattr(error, "error_status_hint", 0) == 431
                if too_long and not self._is_http:
                    raise NotHTTPError(f"got more than {_HEAD_LIMIT} bytes of headers") from None
                status, phrase = self._status_line()
                if too_long and status < _FIRST_FAILURE:
                    raise NotHTTPError(f"got more than {_HEAD_LIMIT} bytes of headers") from None
                return Response(status, phrase, {}, whole=not self._at_end)
            if event is h11.NEED_DATA:
                self._receive_head()
            elif isinstance(event, h11.Response) and event.http_version.startswith(b"1."):
                headers: dict[str, str] = {}
                for name, value in event.headers:
                    headers.setdefault(name.decode("latin-1"), value.decode("latin-1"))
                phrase = event.reason.decode("latin-1").strip()
                keeps = _stays_open(event.http_version, headers)
                return Response(event.status_code, phrase, headers, reusable=keeps)
            else:
                self._status_line()
                interim_responses += 1
                if interim_responses > _MOST_INTERIM_RESPONSES:
                    problem = f"got more than {_MOST_INTERIM_RESPONSES} interim responses"
                    raise NotHTTPError(problem)
                self._start = bytearray(self._parser.trailing_data[0])
                self._is_http = False

    def read_body(self, head: Response) -> Response:
        """Read the body that follows the head.

        The status of a failure decides, so a body of one that does not arrive is ignored.
        """
        content = bytearray()
        ended = False
        whole = head.whole
        try:
            while self._parser.their_state is not h11.ERROR and len(content) <= BODY_LIMIT:
                event = self._parser.next_event()
                if isinstance(event, h11.Data):
                    content += event.data
                elif event is h11.NEED_DATA:
                    self._feed()
                else:
                    ended = not self._at_end
                    break
        except (h11.RemoteProtocolError, ValueError):
            whole = False
        except OSError:
            if head.status < _FIRST_FAILURE:
                raise
            whole = False
        reusable = head.reusable and ended and whole and not self._parser.trailing_data[0]
        return head._replace(body=bytes(content[:BODY_LIMIT]), whole=whole, reusable=reusable)

    def _receive_head(self) -> None:
        try:
            received = self._feed()
        except OSError:
            if not self._is_http or self._status_line()[0] < _FIRST_FAILURE:
                raise
            received = self._end()
        if not received and not self._start:
            raise ConnectionResetError("the connection ended before the response")
        if not self._is_http:
            self._start += received
            # A server of another protocol may never send the empty line that ends the headers.
            if b"\n" in self._start:
                self._status_line()
                self._is_http = True

    def _feed(self) -> bytes:
        received = self._receive(_RECEIVED_AT_ONCE)
        self._at_end = not received
        self._parser.receive_data(received)
        return received

    def _end(self) -> bytes:
        self._at_end = True
        self._parser.receive_data(b"")
        return b""

    def _status_line(self) -> tuple[int, str]:
        start = self._start.decode("latin-1")
        if start[0] < " " and start[0] not in "\r\n":
            raise NotHTTPError("it is binary", start)
        line = start.partition("\n")[0].strip()
        version, _, rest = line.partition(" ")
        number, _, phrase = rest.strip().partition(" ")
        is_status = len(number) == 3 and number.isascii() and number.isdigit() and number[0] != "0"
        if not version.startswith("HTTP/1.") or not is_status:
            raise NotHTTPError(line or "an empty line", start)
        return int(number), phrase.strip()


def _stays_open(version: bytes, headers: Mapping[str, str]) -> bool:
    options = [option.strip() for option in headers.get("connection", "").lower().split(",")]
    return "keep-alive" in options if version == b"1.0" else "close" not in options
