"""HTTP through a proxy, forwarded or in a tunnel, and what is told when that fails."""

from __future__ import annotations

import os
import select
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bentotrace.transport.outcome import FailureKind
from bentotrace.transport.tls import TLSConfig


@pytest.fixture
def authority_directory(tmp_path: Path) -> Callable[[str], str]:
    """A function that returns a directory in which OpenSSL finds a certificate."""

    def make(ca_file: str) -> str:
        folder = tmp_path / "authorities"
        folder.mkdir()
        done = ["openssl", "x509", "-hash", "-noout", "-in", ca_file]
        name = subprocess.check_output(done, text=True).strip()
        (folder / f"{name}.0").symlink_to(ca_file)
        return str(folder)

    return make


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

    @pytest.fixture
    def _without_urllib3(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == "urllib3"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "urllib3", None)

    @pytest.mark.usefixtures("_without_urllib3")
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

    @pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"])
    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_a_proxy_with_tls_is_verified_with_the_authorities_of_the_environment(
        self,
        serve: Any,
        receiver: Any,
        http: Any,
        certificates: Any,
        other_certificates: Any,
        authority_directory: Any,
        tunnel: Any,
        monkeypatch: pytest.MonkeyPatch,
        scheme: str,
        variable: str,
    ) -> None:
        server = serve(receiver(), context=certificates.server_context())
        handler = tunnel if scheme == "https" else receiver()
        proxy = serve(handler, context=other_certificates.server_context())
        monkeypatch.setenv(f"{scheme}_proxy", f"https://localhost:{proxy.port}")
        tls = TLSConfig(ca_file=certificates.ca_file) if scheme == "https" else None
        transport = http(f"{scheme}://localhost:{server.port}/", tls=tls)
        refused = transport.send(b"x")
        assert (refused.kind, refused.detail) == (FailureKind.PROXY, None)
        assert refused.attempts == 1
        assert refused.reason == (
            f"proxy https://localhost:{proxy.port}: the server's certificate is not trusted: "
            "unable to get local issuer certificate; name its authority's certificate file in "
            "SSL_CERT_FILE"
        )
        trusted = other_certificates.ca_file
        if variable == "SSL_CERT_DIR":
            trusted = authority_directory(trusted)
        monkeypatch.setenv(variable, trusted)
        assert transport.send(b"x").ok

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
    @pytest.mark.parametrize(
        "variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"]
    )
    def test_a_pipe_among_the_authorities_of_a_proxy_is_not_waited_for(
        self,
        serve: Any,
        receiver: Any,
        certificates: Any,
        authority_directory: Any,
        tmp_path: Path,
        variable: str,
    ) -> None:
        """In a process of its own, which can be ended while OpenSSL waits."""
        proxy = serve(receiver(), context=certificates.server_context())
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        named = str(pipe)
        if variable == "SSL_CERT_DIR":
            named = authority_directory(certificates.ca_file)
            (hashed,) = Path(named).iterdir()
            hashed.unlink()
            os.mkfifo(hashed)
        script = (
            "from bentotrace.transport.http import HTTPTransport\n"
            "outcome = HTTPTransport('http://collector.test/', timeout=30, content_type='a/b',\n"
            "    user_agent='tests').send(b'x')\n"
            "print(outcome.kind, outcome.reason)\n"
        )
        names = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "no_proxy", "NO_PROXY")
        others = {name: value for name, value in os.environ.items() if name not in names}
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**others, "http_proxy": f"https://localhost:{proxy.port}", variable: named},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert "certificate is not trusted" in done.stdout
        assert f"from {named}" in done.stderr or f"to {named}" in done.stderr

    def test_a_proxy_without_tls_on_its_port_is_told(
        self, serve: Any, reply: Any, http: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(connection: Any) -> None:
            connection.recv(1)
            connection.sendall(reply("400 Bad Request"))

        proxy = serve(refuse)
        monkeypatch.setenv("https_proxy", f"https://{proxy.netloc}")
        outcome = http("https://collector.test/").send(b"x")
        assert outcome.kind is FailureKind.PROXY
        assert outcome.reason == (
            f"proxy https://{proxy.netloc}: the server does not speak TLS on this port; "
            "try an http:// proxy"
        )

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
        self, http: Any, free_port: int, twice: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("http_proxy", f"http://user:secret@127.0.0.1:{free_port}")
        outcome = http("http://collector.test/", **twice).send(b"x")
        assert outcome.kind is FailureKind.PROXY
        assert outcome.reason.startswith(f"proxy http://127.0.0.1:{free_port}: connection refused")
        assert outcome.attempts == 2
        assert "secret" not in str(outcome)

    def test_a_proxy_that_hangs_ends_at_the_deadline(
        self, serve: Any, hang: Any, http: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("https_proxy", serve(hang).url)
        outcome = http("https://collector.test/", timeout=1).send(b"x")
        assert outcome.kind is FailureKind.TIMEOUT
        assert "the proxy did not open a tunnel within the 1 s timeout" in outcome.reason
        assert outcome.elapsed < 6

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
