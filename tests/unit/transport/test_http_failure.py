from __future__ import annotations

import errno
import gzip
import json
import socket
import struct
import time
import zlib
from email.utils import formatdate
from typing import Any

import pytest

from bentotrace.transport._http_failure import attempt_from_error, parse_retry_after
from bentotrace.transport._http_response import BODY_LIMIT
from bentotrace.transport.outcome import FailureDetail, FailureKind
from bentotrace.transport.retry import Backoff

from ...servers import answering


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("1.5", 1.5),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("", None),
        ("Fri, 99 Foo 2020", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
    ],
)
def test_retry_after_is_read(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value) == seconds


@pytest.mark.parametrize("value", ["0.000001", "1e-320", "0", "-1", "nan", "", "x"])
def test_a_retry_after_of_almost_nothing_makes_no_storm(
    serve: Any, receiver: Any, reply: Any, http: Any, value: str
) -> None:
    busy = reply("503 Busy", b"", f"Retry-After: {value}")
    handler = receiver([busy, busy, busy, reply("200 OK")])
    outcome = http(serve(handler).url, timeout=10, backoff=Backoff()).send(b"x")
    assert (outcome.ok, outcome.attempts, len(handler.requests)) == (True, 4, 4)
    # 25, 50 and 100 ms at least, up to a fifth shorter.
    assert handler.requests[-1].at - handler.requests[0].at >= 0.14


def test_retry_after_as_a_date_counts_from_now() -> None:
    seconds = parse_retry_after(formatdate(time.time() + 30, usegmt=True))
    assert seconds is not None
    assert 28 < seconds <= 30


@pytest.mark.parametrize(
    ("content_type", "body", "message"),
    [
        ("text/plain", b"  over\nloaded ", "over loaded"),
        ("text/html; charset=utf-8", b"<head>x</head><h1>Bad</h1> a &amp; b", "Bad a & b"),
        ("application/json", b'{"message": "no tenant", "code": 3}', "no tenant"),
        ("application/json", b'{"error": "no tenant"}', "no tenant"),
        ("application/json", b'{"errors": [1]}', '{"errors": [1]}'),
        ("application/json", b"{broken", "{broken"),
        ("application/problem+json", b'{"title": 1}', '{"title": 1}'),
        ("application/x-protobuf", b"\x12\x03bad", "bad"),
        ("application/x-protobuf", b"\x12\xff", ""),
        ("application/octet-stream", b"\x00\x01", ""),
        ("text/plain", b"\xff\xfe bad \x1b[31m", "\ufffd\ufffd bad [31m"),
        ("text/plain", b"", ""),
    ],
)
def test_the_server_s_message_is_found(
    serve: Any, receiver: Any, reply: Any, http: Any, content_type: str, body: bytes, message: str
) -> None:
    handler = receiver([reply("400 Bad Request", body, f"Content-Type: {content_type}")])
    reason = http(serve(handler).url).send(b"x").reason
    assert reason == (f"400 Bad Request: {message}" if message else "400 Bad Request")


WORDS = b"http: request body too large"
STATUS = b"\x08\x03\x12" + bytes([len(WORDS)]) + WORDS  # google.rpc.Status
FORMS = {
    "protobuf": ("application/x-protobuf", STATUS),
    "JSON": ("application/json; charset=utf-8", json.dumps({"message": WORDS.decode()}).encode()),
    "nested JSON": ("application/json", json.dumps({"error": {"why": WORDS.decode()}}).encode()),
    "text": ("text/plain", WORDS),
    "HTML": ("text/html", b"<html><title>400</title><h1>" + WORDS + b"</h1></html>"),
}
ENCODINGS = {"identity": bytes, "gzip": gzip.compress, "deflate": zlib.compress}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("status", ["400 Bad Request", "422 No", "500 Internal Server Error"])
def test_a_request_that_is_too_large_is_recognized_in_each_form(
    serve: Any, receiver: Any, reply: Any, http: Any, status: str, form: str, encoding: str
) -> None:
    kind, body = FORMS[form]
    headers = (f"Content-Type: {kind}", f"Content-Encoding: {encoding}")
    handler = receiver([reply(status, ENCODINGS[encoding](body), *headers)])
    outcome = http(serve(handler).url).send(b"x")
    assert (outcome.kind, outcome.attempts) == (FailureKind.TOO_LARGE, 1)
    assert WORDS.decode() in outcome.reason


def test_a_header_that_is_too_large_is_not_the_body(
    serve: Any, receiver: Any, reply: Any, http: Any
) -> None:
    page = b"<html><title>400 Request Header Or Cookie Too Large</title></html>"
    handler = receiver([reply("400 Bad Request", page, "Content-Type: text/html")])
    assert http(serve(handler).url).send(b"x").kind is FailureKind.STATUS


PAGES = [
    b"<!doctype html><title>Dashboard</title>",
    b"\xef\xbb\xbf\r\n\n<HTML>",
    b'<?xml version="1.0"?><a/>',
    "<html>".encode("utf-16"),
]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("status", ["200 OK", "202 Accepted"])
def test_a_web_page_is_no_success(
    serve: Any, receiver: Any, reply: Any, http: Any, status: str, page: bytes, encoding: str
) -> None:
    body = ENCODINGS[encoding](page)
    handler = receiver([reply(status, body, f"Content-Encoding: {encoding}")])
    outcome = http(serve(handler).url).send(b"x")
    assert (outcome.ok, outcome.kind, outcome.attempts) == (False, FailureKind.PROTOCOL, 1)
    assert outcome.reason.startswith("the response is a web page")


def test_a_page_in_an_unknown_encoding_is_known_by_its_type(
    serve: Any, receiver: Any, reply: Any, http: Any
) -> None:
    headers = ("Content-Type: text/html", "Content-Encoding: br")
    handler = receiver([reply("200 OK", b"\x8b" * 300, *headers)])
    assert http(serve(handler).url).send(b"x").kind is FailureKind.PROTOCOL


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/html", b"ok"),
        ("text/html", b""),
        ("text/plain", b"1 < 2"),
        ("application/json", b"{}"),
        ("application/x-protobuf", b"\x0a\x3c\x12\x3a" + b"a" * 58),
    ],
)
def test_a_response_that_is_no_page_is_a_success(
    serve: Any, receiver: Any, reply: Any, http: Any, kind: str, body: bytes
) -> None:
    handler = receiver([reply("200 OK", body, f"Content-Type: {kind}")])
    outcome = http(serve(handler).url).send(b"x")
    assert (outcome.ok, outcome.body) == (True, body)


@pytest.mark.parametrize("body", [b"\x1f\x8bno", b"\x1f\x8b\x08" + b"\0" * 30, b""])
def test_a_damaged_compression_leaves_the_status(
    serve: Any, receiver: Any, reply: Any, http: Any, body: bytes
) -> None:
    handler = receiver([reply("404 Not Found", body, "Content-Encoding: gzip")])
    outcome = http(serve(handler).url).send(b"x")
    assert (outcome.kind, outcome.status) == (FailureKind.NOT_SERVED, "404")


def test_a_compressed_body_is_read_to_a_limit(
    serve: Any, receiver: Any, reply: Any, http: Any
) -> None:
    bomb = gzip.compress(b"x" * 50_000_000, 9)
    handler = receiver([reply("200 OK", bomb, "Content-Encoding: gzip")])
    assert http(serve(handler).url).send(b"x").body == b"x" * BODY_LIMIT


def hang_up(connection: socket.socket) -> None:
    # Closing with unread bytes in the buffer sends a reset.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def keep_silent(connection: socket.socket) -> None:
    connection.recv(1)


@pytest.mark.parametrize("end", [hang_up, keep_silent], ids=["a reset", "silence"])
@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 413 Too Large\r\nContent-Length: 50\r\n\r\nyour",
        b"HTTP/1.1 413 Too Large\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nyo",
    ],
    ids=["length", "chunked"],
)
def test_the_status_of_a_failure_decides_although_its_body_does_not_arrive(
    serve: Any, http: Any, start: bytes, end: Any
) -> None:
    def handle(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(start)
        time.sleep(0.2)
        end(connection)
        connection.close()

    outcome = http(serve(handle).url, timeout=10).send(b"x")
    assert (outcome.kind, outcome.status, outcome.attempts) == (FailureKind.TOO_LARGE, "413", 1)
    assert outcome.elapsed < 5


@pytest.mark.parametrize(
    ("answer", "reason", "detail"),
    [
        (b"SSH-2.0-OpenSSH_9\r\n", "the response is not HTTP: SSH-2.0-OpenSSH_9", None),
        (
            b"\x15\x03\x01\x00\x02\x02\x46",
            "the response is TLS, not HTTP; try an https:// endpoint",
            FailureDetail.NEEDS_TLS,
        ),
        (
            b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x40\x00",
            "the response is HTTP/2, not HTTP/1.1; this may be a gRPC port",
            FailureDetail.NEEDS_GRPC,
        ),
        (b"HTTP/1.1 abc\r\n\r\n", "the response is not HTTP: HTTP/1.1 abc", None),
        (
            b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
            "the response is not HTTP: got more",
            None,
        ),
    ],
)
def test_an_answer_that_is_not_http_is_told_and_not_retried(
    serve: Any, http: Any, answer: bytes, reason: str, detail: FailureDetail | None
) -> None:
    outcome = http(serve(answering(answer)).url).send(b"x")
    assert outcome.kind is FailureKind.PROTOCOL
    assert outcome.detail is detail
    assert outcome.reason.startswith(reason)
    assert outcome.attempts == 1


@pytest.mark.parametrize(
    "body",
    [
        b"Client sent an HTTP request to an HTTPS server.\n",
        b"<html><h1>400 Bad Request</h1> The plain HTTP request was sent to HTTPS port</html>",
    ],
    ids=["go", "nginx"],
)
def test_a_tls_server_that_answers_in_plaintext_is_known(
    serve: Any, receiver: Any, reply: Any, http: Any, body: bytes
) -> None:
    kind = "text/html" if body.startswith(b"<") else "text/plain"
    handler = receiver([reply("400 Bad Request", body, f"Content-Type: {kind}")])
    outcome = http(serve(handler).url).send(b"x")
    assert outcome.kind is FailureKind.STATUS
    assert outcome.detail is FailureDetail.NEEDS_TLS


def test_what_a_timeout_passed_during_is_told_apart() -> None:
    details = [
        attempt_from_error(
            TimeoutError(), phase=phase, peer="host:80", through_proxy=False, timeout=1
        ).detail
        for phase in ("resolving", "connecting", "handshake", "answer")
    ]
    assert details == [
        FailureDetail.RESOLVING,
        FailureDetail.CONNECTING,
        FailureDetail.HANDSHAKE,
        None,
    ]


def test_a_status_without_a_phrase_gets_the_usual_one(serve: Any, http: Any) -> None:
    server = serve(answering(b"HTTP/1.1 500\r\nContent-Length: 0\r\n\r\n"))
    assert http(server.url).send(b"x").reason == "500 Internal Server Error"
    server = serve(answering(b"HTTP/1.1 599\r\nContent-Length: 0\r\n\r\n"))
    assert http(server.url).send(b"x").reason == "599"


def test_a_server_that_resets_is_retried_and_reported(serve: Any, http: Any, twice: Any) -> None:
    def reset(connection: socket.socket) -> None:
        connection.recv(10)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()

    outcome = http(serve(reset).url, **twice).send(b"x" * 100_000)
    assert outcome.kind is FailureKind.DISCONNECTED
    assert outcome.attempts == 2


@pytest.mark.parametrize("number", ["EHOSTUNREACH", "ENETUNREACH"])
def test_an_unreachable_host_is_told_and_retried(number: str) -> None:
    error = OSError(getattr(errno, number), "No route to host")
    attempt = attempt_from_error(
        error, phase="connecting", peer="host:80", through_proxy=False, timeout=1
    )
    assert attempt.kind is FailureKind.UNREACHABLE
    assert attempt.reason == "cannot reach host:80: No route to host"
    assert attempt.retryable


def test_an_own_failure_is_not_retried() -> None:
    error = OSError(errno.EMFILE, "Too many open files")
    attempt = attempt_from_error(
        error, phase="connecting", peer="host:80", through_proxy=False, timeout=1
    )
    assert attempt.kind is FailureKind.UNEXPECTED
    assert attempt.reason == "OSError: Too many open files"
    assert not attempt.retryable
