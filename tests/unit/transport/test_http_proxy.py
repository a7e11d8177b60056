"""HTTP through a proxy, forwarded or in a tunnel, and what is told when that fails."""

from __future__ import annotations

import select
import socket
import ssl
from typing import Any

import pytest

from bentotrace.transport.outcome import FailureKind
from bentotrace.transport.retry import Backoff
from bentotrace.transport.tls import TLSConfig


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
