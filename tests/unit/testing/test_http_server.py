from __future__ import annotations

import gzip
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from http.client import HTTPConnection
from types import SimpleNamespace
from typing import Any

import pytest
import urllib3

from bentotrace.testing import Receiver, ZipkinReceiver

BODY = json.dumps([{"traceId": "1" * 32, "id": "2" * 16, "name": "span"}]).encode()
PACKED = gzip.compress(BODY, mtime=0)
JSON = "application/json"


def connect(receiver: Receiver) -> socket.socket:
    return socket.create_connection((receiver.host, receiver.port), 5.0)


def closing_connection(receiver: Receiver) -> closing[HTTPConnection]:
    return closing(HTTPConnection(receiver.host, receiver.port, timeout=5.0))


def test_a_request_is_kept_with_its_headers_and_sizes(post: Callable[..., Any]) -> None:
    with ZipkinReceiver() as receiver:
        response = post(
            receiver.endpoint + "?a=b",
            PACKED,
            Content_Type="Application/JSON; charset=utf-8",
            Content_Encoding="gzip",
            X_Token="abc",
        )
        (request,) = receiver.requests
    assert response.status == 202
    assert request.path == "/api/v2/spans?a=b"
    assert request.headers["x-token"] == "abc"
    assert request.headers["content-type"] == "Application/JSON; charset=utf-8"
    assert (request.body_size, request.encoding) == (len(PACKED), "gzip")
    assert (request.span_count, request.status, request.body) == (1, 202, PACKED)
    assert "body=" not in repr(request)


def test_a_connection_is_kept_alive() -> None:
    with ZipkinReceiver() as receiver, closing_connection(receiver) as connection:
        for _ in range(3):
            connection.request("POST", "/api/v2/spans", body=BODY, headers={"content-type": JSON})
            assert connection.getresponse().read() == b""
            connection.auto_open = 0  # from here on, a lost connection is an error
        assert len(receiver.wait(3)) == 3


def test_a_keep_alive_answer_is_not_held_back(post: Callable[..., Any]) -> None:
    with ZipkinReceiver() as receiver:
        seconds = []
        for _ in range(60):
            started = time.monotonic()
            post(receiver.endpoint, BODY, content_type=JSON)
            seconds.append(time.monotonic() - started)
        # Header and body in two packets would wait 40 ms each for the client's acknowledgement,
        # apart from the first ones.
        assert min(seconds[30:]) < 0.035


@pytest.mark.parametrize(
    ("headers", "body", "status", "reason"),
    [
        ({"content_type": "text/plain"}, BODY, 415, "content type 'text/plain'"),
        ({"content_type": JSON, "content_encoding": "br"}, BODY, 415, "content encoding 'br'"),
        ({"content_type": JSON, "content_encoding": "gzip"}, BODY, 400, "not gzip"),
        (
            {"content_type": JSON, "content_encoding": "gzip"},
            PACKED[:-4],
            400,
            "ends early",
        ),
        (
            {"content_type": JSON, "content_encoding": "gzip"},
            PACKED + b"x",
            400,
            "1 bytes after",
        ),
        ({"content_type": JSON}, b"{", 400, "Expecting property name"),
    ],
    ids=["type", "encoding", "not gzip", "gzip cut", "gzip and more", "not JSON"],
)
def test_what_cannot_be_read_is_refused_and_kept(
    post: Callable[..., Any], headers: dict[str, str], body: bytes, status: int, reason: str
) -> None:
    with ZipkinReceiver() as receiver:
        response = post(receiver.endpoint, body, **headers)
    assert response.status == status
    assert reason in response.data.decode()
    assert receiver.spans == []
    (error,) = receiver.errors
    assert reason in error.reason
    assert (error.path, error.body) == ("/api/v2/spans", body)
    assert (receiver.requests[0].status, receiver.requests[0].span_count) == (status, 0)


def test_another_path_is_not_found(post: Callable[..., Any]) -> None:
    with ZipkinReceiver() as receiver:
        url = f"http://{receiver.address}/api/v1/spans"
        assert post(url, BODY, content_type=JSON).status == 404
    assert "send spans to /api/v2/spans" in receiver.errors[0].reason


def test_a_subclass_refuses_requests_by_query_and_headers(post: Callable[..., Any]) -> None:
    class Strict(ZipkinReceiver):
        def check_request(self, path: str, headers: Mapping[str, str]) -> None:
            if "?table=" not in path or "x-token" not in headers:
                raise ValueError("no table or token")

    with Strict() as receiver:
        statuses = [
            post(receiver.endpoint + query, BODY, Content_Type=JSON, **more).status
            for query, more in (
                ("", {"X_Token": "a"}),
                ("?table=t", {}),
                ("?table=t", {"X_Token": "a"}),
            )
        ]
    assert statuses == [400, 400, 202]
    assert [error.reason for error in receiver.errors] == ["no table or token"] * 2
    assert len(receiver.spans) == 1


def test_a_body_that_is_too_large_is_answered_413_and_its_connection_lives_on() -> None:
    statuses = []
    with (
        ZipkinReceiver(max_request_size=len(BODY)) as receiver,
        closing_connection(receiver) as connection,
    ):
        for body in (b" " * 3_000_000, BODY):
            connection.request("POST", "/api/v2/spans", body=body, headers={"content-type": JSON})
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
            connection.auto_open = 0  # from here on, a lost connection is an error
    assert statuses == [413, 202]
    assert [request.body_size for request in receiver.requests] == [3_000_000, len(BODY)]
    assert receiver.errors == []


def test_a_body_that_is_too_large_when_decompressed_is_answered_413(
    post: Callable[..., Any],
) -> None:
    with ZipkinReceiver(max_request_size=10_000) as receiver:
        bomb = gzip.compress(b" " * 1_000_000)
        response = post(receiver.endpoint, bomb, content_type=JSON, content_encoding="gzip")
    assert response.status == 413


def test_scripted_answers_are_used_once_each_and_refused_spans_are_not_kept(
    post: Callable[..., Any],
) -> None:
    with ZipkinReceiver() as receiver:
        receiver.respond_with(503, headers={"Retry-After": "1"}, body=b"later", times=2)
        receiver.respond_with(200, body=b"fine")
        responses = [post(receiver.endpoint, BODY, content_type=JSON) for _ in range(4)]
        assert [response.status for response in responses] == [503, 503, 200, 202]
        assert responses[0].headers["retry-after"] == "1"
        assert [response.data for response in responses[1:3]] == [b"later", b"fine"]
        assert len(receiver.spans) == 2
        assert [request.span_count for request in receiver.requests] == [1, 1, 1, 1]


def test_a_scripted_answer_is_given_to_what_cannot_be_read_too(post: Callable[..., Any]) -> None:
    with ZipkinReceiver() as receiver:
        receiver.respond_with(503)
        assert post(receiver.endpoint, b"?", content_type=JSON).status == 503
        assert len(receiver.errors) == 1


def test_an_answer_can_be_late(post: Callable[..., Any]) -> None:
    with ZipkinReceiver() as receiver:
        receiver.respond_with(202, delay=0.2)
        started = time.monotonic()
        post(receiver.endpoint, BODY, content_type=JSON)
        assert 0.2 <= time.monotonic() - started < 5.0


def test_close_does_not_wait_for_late_answers_or_idle_connections() -> None:
    before = set(threading.enumerate())
    with ZipkinReceiver() as receiver:
        receiver.respond_with(202, delay=60.0)
        with connect(receiver) as idle, connect(receiver) as late:
            head = f"POST /api/v2/spans HTTP/1.1\r\ncontent-length: {len(BODY)}\r\n\r\n"
            late.sendall(head.encode() + BODY)
            end = time.monotonic() + 5.0
            while len(set(threading.enumerate()) - before) < 3 and time.monotonic() < end:
                time.sleep(0.01)
            started = time.monotonic()
            receiver.close()
            assert time.monotonic() - started < 20.0
            assert set(threading.enumerate()) <= before
            assert idle.recv(1) == b""
    assert receiver.spans == []


def test_a_body_that_ends_early_is_an_error() -> None:
    with ZipkinReceiver() as receiver, connect(receiver) as client:
        client.sendall(b"POST /api/v2/spans HTTP/1.1\r\ncontent-length: 100\r\n\r\n[")
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    assert receiver.errors[0].reason == "the body ended before its 100 bytes"


@pytest.mark.parametrize("header", ["x: y", "content-length: -1", "content-length: ten"])
def test_a_request_without_a_length_is_refused(header: str) -> None:
    with ZipkinReceiver() as receiver, connect(receiver) as client:
        client.sendall(f"POST /api/v2/spans HTTP/1.1\r\n{header}\r\n\r\n".encode())
        with client.makefile("rb") as answers:
            answer = answers.read()
    assert answer.startswith(b"HTTP/1.1 411 ")
    assert "without a Content-Length" in receiver.errors[0].reason


def test_it_speaks_tls(certificates: SimpleNamespace) -> None:
    before = set(threading.enumerate())
    with ZipkinReceiver(ssl_context=certificates.server_context) as receiver:
        assert receiver.endpoint.startswith("https://127.0.0.1:")
        with urllib3.PoolManager(ca_certs=certificates.ca_file, retries=False) as pool:
            response = pool.request(
                "POST", receiver.endpoint, body=BODY, headers={"content-type": JSON}
            )
            assert response.status == 202
            assert len(receiver.wait(1)) == 1
            assert len(set(threading.enumerate()) - before) == 2
            receiver.close()
            assert set(threading.enumerate()) <= before


def test_a_failed_handshake_is_an_error(certificates: SimpleNamespace) -> None:
    with ZipkinReceiver(ssl_context=certificates.server_context) as receiver:
        with connect(receiver) as client:
            distrustful = ssl.create_default_context()
            with pytest.raises(ssl.SSLCertVerificationError):
                distrustful.wrap_socket(client, server_hostname="127.0.0.1")
        end = time.monotonic() + 5.0
        while not receiver.errors and time.monotonic() < end:
            time.sleep(0.01)
    assert "TLS handshake failed" in receiver.errors[0].reason
    assert receiver.errors[0].path == ""


def test_a_client_that_stalls_its_handshake_holds_nobody_up(
    certificates: SimpleNamespace,
) -> None:
    with (
        ZipkinReceiver(ssl_context=certificates.server_context) as receiver,
        connect(receiver),
        urllib3.PoolManager(ca_certs=certificates.ca_file, retries=False, timeout=5.0) as pool,
    ):
        pool.request("POST", receiver.endpoint, body=BODY, headers={"content-type": JSON})
        assert len(receiver.wait(1)) == 1
