"""Whom HTTP over TLS trusts, and what is told when it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bentotrace.transport.outcome import FailureDetail, FailureKind
from bentotrace.transport.tls import TLSConfig

from ...servers import answering


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

    def test_the_file_of_the_options_overrides_those_of_the_environment(
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
        assert outcome.reason == "the server requires a client certificate"

    def test_a_server_without_tls_is_told(self, serve: Any, receiver: Any, http: Any) -> None:
        server = serve(answering(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
        outcome = self.send(http, server.port)
        assert outcome.kind is FailureKind.TLS
        assert outcome.reason == (
            "the server does not speak TLS on this port; try an http:// endpoint"
        )
        assert outcome.detail is FailureDetail.NO_TLS
        assert outcome.attempts == 1

    def test_a_server_that_hangs_up_during_the_handshake_is_retried(
        self, serve: Any, http: Any, twice: Any
    ) -> None:
        outcome = self.send(http, serve(answering(b"")).port, **twice)
        assert outcome.kind is FailureKind.DISCONNECTED
        assert "during the TLS handshake" in outcome.reason
        assert outcome.attempts == 2

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

    def test_a_relative_path_begins_where_the_transport_was_created(
        self,
        serve: Any,
        receiver: Any,
        http: Any,
        certificates: Any,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        directory = Path(certificates.ca_file).parent
        monkeypatch.chdir(directory)
        server = serve(receiver(), context=certificates.server_context())
        tls = TLSConfig(ca_file=Path(certificates.ca_file).name)
        transport = http(f"https://localhost:{server.port}/", tls=tls)

        # As a program does that becomes a daemon.
        monkeypatch.chdir(tmp_path)

        assert transport.send(b"x").ok

    def test_a_missing_file_is_an_error_at_construction(self, http: Any) -> None:
        with pytest.raises(ValueError, match=r"/nowhere/ca\.pem \(ca_file\): cannot be read"):
            http("https://localhost/", tls=TLSConfig(ca_file="/nowhere/ca.pem"))
