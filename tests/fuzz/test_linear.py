"""What reads a text from outside takes time in proportion to it, whatever the text is.

The cost is measured at growing sizes. At eight times the size, a linear cost is about eight times
as large and a quadratic one sixty-four times; the bound is between them. Costs below the floor say
nothing and are within it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from bentotrace_otlp.exporter import _partial_success

from bentotrace.config.yaml import resolve_scalar
from bentotrace.pipeline.urls import URLPatterns
from bentotrace.redaction import (
    Redaction,
    basic_credentials,
    one_line,
    url_secrets,
    without_any_credentials,
    without_credentials,
)
from bentotrace.schema.kinds import DURATION, PATTERNS
from bentotrace.transport._grpc_failure import Failure, attempt_from_failure
from bentotrace.transport._http_failure import (
    attempt_from_response,
    parse_retry_after,
    visible_text,
)
from bentotrace.transport._http_response import NotHTTPError, Response, ResponseReader
from bentotrace.transport._proxy import find_proxy
from bentotrace.transport._rpc_status import read_rpc_status
from bentotrace.transport.headers import GRPC, HTTP, checked_headers
from bentotrace.transport.options import HEADERS

from ..messages import length_delimited
from .hostile_texts import HOSTILE, OF_THE_USER
from .patterns import Use, find_uses

# Doubled each time, so that a cost out of proportion is found before it takes minutes.
_SIZES = tuple(500 << step for step in range(8))
_MOST_TIMES_SLOWER = 24
_FLOOR_SECONDS = 0.02
_LONGEST_START_SECONDS = 0.25

USES = [use for use in find_uses() if (use.source, use.pattern) not in OF_THE_USER]


def grows_linearly(make: Callable[[int], Any], read: Callable[[Any], object]) -> None:
    """Fail where the cost at a size is out of proportion to that of an eighth of it."""
    costs: dict[int, float] = {}
    for size in _SIZES:
        text = make(size)
        before = costs.get(size // 8, _LONGEST_START_SECONDS / _MOST_TIMES_SLOWER)
        allowed = max(_FLOOR_SECONDS, _MOST_TIMES_SLOWER * before)
        costs[size] = _cost(text, read)
        # A busy machine may have disturbed it.
        for _ in range(3):
            if allowed < costs[size] < 1:
                costs[size] = min(costs[size], _cost(text, read))
        assert costs[size] <= allowed, f"{size} characters took {costs[size]:.3f} s, not {allowed}"


def _cost(text: Any, read: Callable[[Any], object]) -> float:
    """Return the seconds of this thread that reading takes."""
    started = time.thread_time()
    read(text)
    return time.thread_time() - started


@pytest.mark.parametrize(
    ("use", "repeated", "tail"),
    [
        pytest.param(use, *hostile, id=f"{use.source}-{use.method}-{number}-{index}")
        for number, use in enumerate(USES)
        for index, hostile in enumerate(HOSTILE.get(use.pattern, ()))
    ],
)
def test_a_pattern_takes_linear_time(use: Use, repeated: str, tail: str) -> None:
    compiled = re.compile(use.pattern)
    how = getattr(compiled, use.method)
    read = (lambda text: how("", text)) if use.method.startswith("sub") else how

    grows_linearly(lambda size: repeated * (size // len(repeated)) + tail, read)


def test_every_pattern_of_the_package_is_tested() -> None:
    assert {use.pattern for use in USES} == set(HOSTILE)
    assert all(HOSTILE.values())


def test_the_patterns_made_of_a_users_text_are_those_that_are_known() -> None:
    assert {
        (use.source, use.pattern) for use in find_uses() if use.pattern.startswith("<")
    } == OF_THE_USER


@pytest.mark.parametrize(
    ("pattern", "first", "repeated"),
    [
        (r"(?s)<(script|style|head)\b.*?</\1\s*>|<[^>]*>", "", "<script>"),
        (r"([?&][^=&#\s]*(?:key|token|sig)[^=&#\s]*=)([^&#\s]+)", "", "?key"),
        (r"1\s*(ms|s|m|h)?\s*x", "1", " "),
    ],
)
def test_a_pattern_that_backtracks_is_found(pattern: str, first: str, repeated: str) -> None:
    compiled = re.compile(pattern)
    with pytest.raises(AssertionError, match="characters took"):
        grows_linearly(
            lambda size: first + repeated * (size // len(repeated)),
            lambda text: compiled.sub("", text),
        )


REDACTION = Redaction(
    [
        "aaaaaaaa",
        'p@ss/w"ö<&rd+1',
        "Bearer abcdef123",
        basic_credentials("somebody", "abababab"),
        *(f"secret-{number}" for number in range(20)),
    ]
)


def response(kind: str) -> Callable[[str], object]:
    def read(text: str) -> object:
        headers = {"content-type": kind, "location": text, "retry-after": text}
        return [
            attempt_from_response(
                Response(status, text, headers, text.encode(), True, False), REDACTION
            )
            for status in (200, 302, 401, 503)
        ]

    return read


def grpc_failure(text: str) -> object:
    return [
        attempt_from_failure(
            Failure(code, start + text),
            target="h:1",
            service="a.B",
            secure=True,
            timeout=1,
            redaction=REDACTION,
        )
        for code in ("UNAVAILABLE", "UNKNOWN", "DEADLINE_EXCEEDED")
        for start in ("", "failed to connect to all addresses; last error: ")
    ]


def reading(chunk: int) -> Callable[[bytes], object]:
    """Read a response that arrives in pieces of so many bytes."""

    def read(data: bytes) -> object:
        pieces = iter([data[at : at + chunk] for at in range(0, len(data), chunk)])
        reader = ResponseReader(lambda _size: next(pieces, b""))
        try:
            return reader.read_body(reader.read_head())
        except (NotHTTPError, OSError):
            return None

    return read


TEXTS = (
    *("<script>", "<head", "</", "<", ">", "<a", "<!--", "</script", "<style></", "&#", "&#9", "&"),
    *(
        "?key",
        "&key=",
        "://",
        "://a@",
        "@",
        "/",
        "a",
        "ab",
        "secret-",
        "…",
        "...",
        "[",
        '{"a":',
        "9",
    ),
    *(" ", "\t", "%", "CERTIFICATE_VERIFY_FAILED: ", "Wed, ", "+1", "1.", "\ufffd", "\x00", "ö"),
)
READERS: dict[str, Callable[[str], object]] = {
    "visible_text": visible_text,
    "redact": REDACTION.redact,
    "line": REDACTION.line,
    "one_line": one_line,
    "without_credentials": without_credentials,
    "without_any_credentials": without_any_credentials,
    "url_secrets": url_secrets,
    "parse_retry_after": parse_retry_after,
    "text/plain": response("text/plain"),
    "text/html": response("text/html"),
    "application/json": response("application/json"),
    "application/x-protobuf": response("application/x-protobuf"),
    "gRPC": grpc_failure,
    "excluded_urls": lambda text: URLPatterns(["/healthz", "live"]).find({"http.target": text}),
    "a header": lambda text: checked_headers(
        {"x-a": text.strip("\x00").replace("\ufffd", "")}, HTTP
    ),
    "a header's name": lambda text: checked_headers({text: "x"}, HTTP),
    "metadata": lambda text: checked_headers({"x-a": text}, GRPC),
}


@pytest.mark.parametrize("repeated", TEXTS, ids=ascii)
@pytest.mark.parametrize("reader", READERS)
def test_a_text_is_read_in_linear_time(reader: str, repeated: str) -> None:
    def read(text: str) -> object:
        try:
            return READERS[reader](text)
        except ValueError:
            return None

    grows_linearly(lambda size: repeated * (size // len(repeated)), read)
    grows_linearly(lambda size: repeated * (size // len(repeated)) + "\n x", read)


HEAD = b"HTTP/1.1 200 OK\r\n"
RESPONSES: dict[str, Callable[[int], bytes]] = {
    "a status line": lambda size: b"HTTP/1.1 200 " + b"x" * size,
    "a header that goes on": lambda size: HEAD + b"a: b\r\n" + b" c\n" * (size // 3) + b"\r\n",
    "headers": lambda size: HEAD + b"a:b\n" * (size // 4) + b"\r\n",
    "a long header": lambda size: HEAD + b"a: " + b"x" * size + b"\r\n\r\n",
    "a length of many digits": lambda size: HEAD + b"Content-Length: " + b"9" * size + b"\r\n\r\nx",
    "chunks of one byte": lambda size: (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * size + b"0\r\n\r\n"
    ),
    "a chunk's size": lambda size: HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * size,
    "interim responses": lambda size: b"HTTP/1.1 100 C\r\n\r\n" * (size // 18) + HEAD + b"\r\n",
}


@pytest.mark.parametrize("response", RESPONSES)
@pytest.mark.parametrize("chunk", [1, 16 * 1024])
def test_a_response_is_read_in_linear_time(response: str, chunk: int) -> None:
    grows_linearly(RESPONSES[response], reading(chunk))


MESSAGES: dict[str, Callable[[int], bytes]] = {
    "empty messages": lambda size: length_delimited(2, b"") * (size // 2),
    "messages": lambda size: length_delimited(2, b"x" * 50) * (size // 52),
    "details": lambda size: length_delimited(3, length_delimited(1, b"x")) * (size // 5),
    "one long detail": lambda size: length_delimited(3, length_delimited(2, b"x" * size)),
    "partial successes": lambda size: length_delimited(1, length_delimited(2, b"x")) * (size // 5),
    "a varint": lambda size: b"\x80" * size,
}


@pytest.mark.parametrize("message", MESSAGES)
@pytest.mark.parametrize("read", [read_rpc_status, _partial_success])
def test_a_protobuf_message_is_read_in_linear_time(message: str, read: Any) -> None:
    def tolerant(data: bytes) -> object:
        try:
            return read(data)
        except ValueError:
            return None

    grows_linearly(MESSAGES[message], tolerant)


VALUES: dict[str, Callable[[str], object]] = {
    "a duration": DURATION.convert,
    "a duration's variable": DURATION.parse,
    "headers": lambda text: HEADERS.convert(HEADERS.parse(f"a={text}")),
    "a scalar": resolve_scalar,
    "a proxy": lambda text: find_proxy("http", "h", 80, {"http_proxy": f"http://{text}"}),
    "no_proxy": lambda text: find_proxy(
        "http", "h", 80, {"http_proxy": "http://p", "no_proxy": text}
    ),
}


@pytest.mark.parametrize("repeated", ["1", "1.", " ", "a=", ",", "@", "[", ":", "%", "1 "])
@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_read_in_linear_time(value: str, repeated: str) -> None:
    def read(text: str) -> object:
        try:
            return VALUES[value](text)
        except ValueError:
            return None

    grows_linearly(lambda size: repeated * (size // len(repeated)) + "x", read)


def test_a_list_of_patterns_is_read_in_linear_time() -> None:
    grows_linearly(lambda size: "a," * (size // 200), PATTERNS.parse)


@pytest.mark.parametrize("status", [401, 404, 503])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"[" * 60_000),
        ("application/json", b'{"a":' * 10_000),
        ("application/json", b"9" * 60_000),
        ("application/json", b'{"message": ' + b"9" * 5_000 + b"}"),
        ("text/html", b"&#" + b"9" * 60_000 + b";"),
        ("text/html", b"&#x" + b"f" * 60_000 + b";"),
        ("application/x-protobuf", b"\xff" * 60_000),
        ("application/x-protobuf; charset=" + "x" * 60_000, b"\x12\x03bad"),
    ],
    ids=range(8),
)
def test_the_status_decides_whatever_the_words_are(kind: str, body: bytes, status: int) -> None:
    expected = attempt_from_response(Response(status, "X", {}, b"", True, False), REDACTION)
    headers = {"content-type": kind, "retry-after": "9" * 60_000}
    attempt = attempt_from_response(Response(status, "X", headers, body, True, False), REDACTION)
    assert (attempt.kind, attempt.retryable, attempt.delay) == (
        expected.kind,
        expected.retryable,
        None,
    )
    assert len(attempt.reason) < 300
