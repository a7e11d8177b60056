from __future__ import annotations

import errno
import select
import socket
import ssl
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from bentotrace.transport._http_failure import attempt_from_error, parse_retry_after
from bentotrace.transport.outcome import FailureDetail, FailureKind
from bentotrace.transport.retry import Backoff
from bentotrace.transport.tls import TLSConfig


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


def answering(answer: bytes) -> Any:
    def handle(connection: socket.socket) -> None:
        connection.recv(1 << 20)
        connection.sendall(answer)

    return handle


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


class TestTLS:
    def send(self, http: Any, port: int, host: str = "localhost", **options: Any) -> Any:
        return http(f"https://{host}:{port}/v1", **options).send(b"x")

    def test_a_server_of_the_named_authority_is_trusted(
        self, serve: Any, receiver: Any, http: Any, certificates: Any
    ) -> None:
        server = serve(receiver(), context=certificates.server_context())
        tls = TLSConfig(ca_file=certificates.ca_file)
        outcome = self.send(http, server.port, tls=tls)
        assert outcome.ok
        assert outcome.endpoint == f"https://localhost:{server.port}/v1"

    def test_environment_variables_of_other_libraries_do_not_matter(
        self,
        serve: Any,
        receiver: Any,
        http: Any,
        certificates: Any,
        other_certificates: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", other_certificates.ca_file)
        server = serve(receiver(), context=certificates.server_context())
        assert self.send(http, server.port, tls=TLSConfig(ca_file=certificates.ca_file)).ok

    @pytest.mark.parametrize("named", [False, True], ids=["system", "other authority"])
    def test_an_unknown_authority_is_not_trusted_and_not_retried(
        self,
        serve: Any,
        receiver: Any,
        http: Any,
        certificates: Any,
        other_certificates: Any,
        named: bool,
    ) -> None:
        server = serve(receiver(), context=certificates.server_context())
        tls = TLSConfig(ca_file=other_certificates.ca_file) if named else None
        outcome = self.send(http, server.port, tls=tls)
        assert outcome.kind is FailureKind.TLS
        assert outcome.attempts == 1
        assert outcome.reason.startswith("the server's certificate is not trusted: ")
        assert outcome.reason.endswith("; name its authority's certificate file")
        assert outcome.detail is FailureDetail.CERTIFICATE_AUTHORITY

    def test_an_expired_certificate_is_not_trusted(
        self, serve: Any, receiver: Any, http: Any, expired_certificates: Any
    ) -> None:
        server = serve(receiver(), context=expired_certificates.server_context())
        outcome = self.send(http, server.port, tls=TLSConfig(expired_certificates.ca_file))
        assert (outcome.kind, outcome.attempts) == (FailureKind.TLS, 1)
        assert outcome.detail is FailureDetail.CERTIFICATE_TIME
        assert outcome.reason.endswith("is not trusted: certificate has expired")

    def test_a_certificate_for_another_host_is_not_trusted(
        self, serve: Any, receiver: Any, http: Any, certificates: Any
    ) -> None:
        server = serve(receiver(), context=certificates.server_context())
        tls = TLSConfig(ca_file=certificates.ca_file)
        outcome = self.send(http, server.port, host="127.0.0.1", tls=tls)
        assert outcome.kind is FailureKind.TLS
        assert outcome.attempts == 1
        assert outcome.detail is FailureDetail.CERTIFICATE_NAME
        assert "IP address mismatch" in outcome.reason

    def test_a_client_certificate_is_shown(
        self, serve: Any, receiver: Any, http: Any, certificates: Any
    ) -> None:
        seen: list[Any] = []
        handler = receiver()

        def handle(connection: Any) -> None:
            seen.append(connection.getpeercert())
            handler(connection)

        server = serve(handle, context=certificates.server_context(ask_client=True))
        tls = TLSConfig(
            certificates.ca_file, certificates.client_cert_file, certificates.client_key_file
        )
        assert self.send(http, server.port, tls=tls).ok
        assert ("DNS", "client.example") in seen[0]["subjectAltName"]

    def test_a_missing_client_certificate_is_told(
        self, serve: Any, receiver: Any, http: Any, certificates: Any
    ) -> None:
        server = serve(receiver(), context=certificates.server_context(ask_client=True))
        tls = TLSConfig(ca_file=certificates.ca_file)
        outcome = self.send(http, server.port, tls=tls)
        assert outcome.kind is FailureKind.TLS
        assert outcome.detail is FailureDetail.CLIENT_CERTIFICATE
        assert outcome.reason == "the server asks for a client certificate"

    def test_a_server_without_tls_is_told(self, serve: Any, receiver: Any, http: Any) -> None:
        server = serve(answering(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
        outcome = self.send(http, server.port)
        assert outcome.kind is FailureKind.TLS
        assert outcome.reason == (
            "the server does not speak TLS on this port; an http:// endpoint may be meant"
        )
        assert outcome.detail is FailureDetail.NO_TLS
        assert outcome.attempts == 1

    def test_a_server_that_hangs_up_during_the_handshake_is_retried(
        self, serve: Any, http: Any, twice: Backoff
    ) -> None:
        outcome = self.send(http, serve(answering(b"")).port, backoff=twice)
        assert outcome.kind is FailureKind.DISCONNECTED
        assert "during the TLS handshake" in outcome.reason
        assert outcome.attempts > 1

    def test_a_replaced_file_is_read_again_by_the_next_connection(
        self,
        serve: Any,
        receiver: Any,
        reply: Any,
        http: Any,
        certificates: Any,
        other_certificates: Any,
        tmp_path: Any,
    ) -> None:
        ca_file = tmp_path / "ca.pem"
        ca_file.write_text(Path(other_certificates.ca_file).read_text())
        server = serve(receiver(), context=certificates.server_context())
        transport = http(f"https://localhost:{server.port}/", tls=TLSConfig(ca_file=ca_file))
        assert transport.send(b"x").kind is FailureKind.TLS
        ca_file.write_text(Path(certificates.ca_file).read_text() + "\n")
        assert transport.send(b"x").ok
        ca_file.unlink()
        transport._connections().drop_idle()
        outcome = transport.send(b"x")
        assert outcome.kind is FailureKind.TLS
        assert "cannot be read" in outcome.reason

    def test_a_missing_file_is_an_error_at_construction(self, http: Any) -> None:
        with pytest.raises(ValueError, match=r"/nowhere/ca\.pem \(ca_file\): cannot be read"):
            http("https://localhost/", tls=TLSConfig(ca_file="/nowhere/ca.pem"))


class TestProxy:
    @pytest.fixture
    def tunnels(self) -> list[str]:
        return []

    @pytest.fixture
    def tunnel(self, read_head: Any, tunnels: list[str]) -> Any:
        """A handler that is a proxy with CONNECT."""

        def handle(connection: Any) -> None:
            head, rest, _ = read_head(connection)
            assert rest == b""
            tunnels.append(head.decode())
            host, _, port = head.split()[1].decode().rpartition(":")
            with socket.create_connection((host.strip("[]"), int(port)), 5) as server:
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                relay(connection, server)

        return handle

    def test_http_is_forwarded_by_the_proxy(
        self, serve: Any, receiver: Any, http: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        handler = receiver()
        proxy = serve(handler)
        monkeypatch.setenv("http_proxy", f"http://user:p%40ss@{proxy.netloc}")
        outcome = http("http://collector.test:4318/v1?x=1", headers={"X-A": "b"}).send(b"x")
        assert outcome.ok
        assert outcome.endpoint == "http://collector.test:4318/v1?x=1"
        (request,) = handler.requests
        assert request.line == "POST http://collector.test:4318/v1?x=1 HTTP/1.1"
        assert request.headers["host"] == "collector.test:4318"
        assert request.headers["proxy-authorization"] == "Basic dXNlcjpwQHNz"
        assert request.headers["x-a"] == "b"

    def test_https_goes_through_a_tunnel(
        self,
        serve: Any,
        receiver: Any,
        http: Any,
        certificates: Any,
        tunnel: Any,
        tunnels: list[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        handler = receiver()
        server = serve(handler, context=certificates.server_context())
        proxy = serve(tunnel)
        monkeypatch.setenv("https_proxy", f"http://user:p%40ss@{proxy.netloc}")
        tls = TLSConfig(ca_file=certificates.ca_file)
        transport = http(f"https://localhost:{server.port}/v1", tls=tls)
        assert transport.send(b"x" * 5000).ok
        assert transport.send(b"y" * 5000).ok
        assert [request.line for request in handler.requests] == ["POST /v1 HTTP/1.1"] * 2
        assert handler.requests[0].first_read.endswith(b"x" * 5000)
        assert "proxy-authorization" not in handler.requests[0].headers
        (head,) = tunnels
        assert head.startswith(f"CONNECT localhost:{server.port} HTTP/1.")
        assert "Proxy-Authorization: Basic dXNlcjpwQHNz" in head

    def test_an_ipv6_address_goes_through_a_tunnel(
        self,
        serve: Any,
        receiver: Any,
        http: Any,
        certificates: Any,
        tunnel: Any,
        tunnels: list[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        server = serve(receiver(), context=certificates.server_context(), host="::1")
        monkeypatch.setenv("https_proxy", serve(tunnel).url)
        tls = TLSConfig(ca_file=certificates.ca_file)
        outcome = http(f"https://[::1]:{server.port}/", tls=tls).send(b"x")
        assert tunnels[0].startswith(f"CONNECT [::1]:{server.port} ")
        assert outcome.kind is FailureKind.TLS  # it got as far as the certificate's name
        assert "IP address mismatch" in outcome.reason

    def test_a_proxy_may_speak_tls_itself(
        self,
        serve: Any,
        receiver: Any,
        http: Any,
        certificates: Any,
        tunnel: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", certificates.ca_file)
        context = certificates.server_context()
        handler = receiver()
        server = serve(handler, context=context)
        proxy = serve(tunnel, context=context)
        monkeypatch.setenv("https_proxy", f"https://localhost:{proxy.port}")
        transport = http(
            f"https://localhost:{server.port}/v1", tls=TLSConfig(ca_file=certificates.ca_file)
        )
        assert transport.send(b"x").ok
        assert transport.send(b"x" * 100_000).ok
        forwarder = receiver()
        monkeypatch.setenv(
            "http_proxy", f"https://localhost:{serve(forwarder, context=context).port}"
        )
        assert http("http://collector.test/").send(b"x").ok
        assert forwarder.requests[0].line == "POST http://collector.test/ HTTP/1.1"

    def test_a_refusal_of_the_proxy_is_told(
        self, serve: Any, reply: Any, read_head: Any, http: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(connection: Any) -> None:
            read_head(connection)
            connection.sendall(reply("407 Proxy Authentication Required"))

        proxy = serve(refuse)
        monkeypatch.setenv("https_proxy", f"http://user:secret@{proxy.netloc}")
        outcome = http("https://collector.test/").send(b"x")
        assert outcome.kind is FailureKind.PROXY
        assert outcome.reason == (
            f"proxy http://{proxy.netloc}: it refused the tunnel: 407 Proxy Authentication Required"
        )
        assert outcome.attempts == 1

    def test_a_proxy_that_is_away_is_told_and_retried(
        self, http: Any, free_port: int, twice: Backoff, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("http_proxy", f"http://user:secret@127.0.0.1:{free_port}")
        outcome = http("http://collector.test/", backoff=twice).send(b"x")
        assert outcome.kind is FailureKind.PROXY
        assert outcome.reason.startswith(f"proxy http://127.0.0.1:{free_port}: connection refused")
        assert outcome.attempts > 1
        assert "secret" not in str(outcome)

    def test_a_proxy_that_hangs_ends_at_the_deadline(
        self, serve: Any, hang: Any, http: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("https_proxy", serve(hang).url)
        outcome = http("https://collector.test/", timeout=0.3).send(b"x")
        assert outcome.kind is FailureKind.TIMEOUT
        assert "the proxy did not open a tunnel within the 0.3 s timeout" in outcome.reason
        assert outcome.elapsed < 0.6

    def test_no_proxy_exempts_the_host(
        self, serve: Any, receiver: Any, http: Any, free_port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert http(serve(receiver()).url).send(b"x").ok

    def test_a_proxy_that_cannot_be_used_is_told(
        self, http: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("http_proxy", "socks5://user:secret@proxy:1080")
        outcome = http("http://collector.test/").send(b"x")
        assert outcome.kind is FailureKind.PROXY
        assert "names a socks5 proxy (socks5://proxy:1080)" in outcome.reason


def relay(one: Any, other: Any) -> None:
    """Copy bytes both ways until a side ends, in one thread: a TLS socket stands no two."""
    sides = {one: other, other: one}
    while True:
        # What a TLS socket has decrypted already makes it not readable.
        ready = [side for side in sides if isinstance(side, ssl.SSLSocket) and side.pending()]
        for side in ready or select.select(list(sides), [], [], 10)[0]:
            data = side.recv(1 << 16)
            if not data:
                return
            sides[side].sendall(data)
