from __future__ import annotations

import errno
import socket
import time
from email.utils import formatdate
from typing import Any

import pytest

from bentotrace.transport._http_failure import attempt_from_error, parse_retry_after
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


@pytest.mark.parametrize(
    ("answer", "reason", "detail"),
    [
        (b"SSH-2.0-OpenSSH_9\r\n", "the answer is not HTTP: SSH-2.0-OpenSSH_9", None),
        (
            b"\x15\x03\x01\x00\x02\x02\x46",
            "the answer is TLS, not HTTP; an https:// endpoint may be meant",
            FailureDetail.NEEDS_TLS,
        ),
        (
            b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x40\x00",
            "the answer is HTTP/2, not HTTP/1.1; this may be a gRPC port",
            FailureDetail.NEEDS_GRPC,
        ),
        (b"HTTP/1.1 abc\r\n\r\n", "the answer is not HTTP: HTTP/1.1 abc", None),
        (
            b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
            "the answer is not HTTP: got more",
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


def test_a_server_that_resets_is_retried_and_reported(
    serve: Any, http: Any, twice: Backoff
) -> None:
    def reset(connection: socket.socket) -> None:
        connection.recv(10)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()

    outcome = http(serve(reset).url, backoff=twice).send(b"x" * 100_000)
    assert outcome.kind is FailureKind.DISCONNECTED
    assert outcome.attempts > 1


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
