"""Whom gRPC over TLS trusts, and what is told when it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bentotrace.transport.outcome import FailureDetail, FailureKind
from bentotrace.transport.tls import TLSConfig, TLSFileError

from .grpc_receiver import METHOD, Receiver, credentials

pytest.importorskip("grpc", reason="grpcio is not installed (extra: grpc)")

from bentotrace.transport.grpc import GRPCTransport


class TestTLS:
    def test_a_server_of_the_named_authority_is_trusted(
        self, serve_grpc: Any, transport: Any, certificates: Any
    ) -> None:
        port = serve_grpc(Receiver(), credentials=credentials(certificates))
        tls = TLSConfig(ca_file=certificates.ca_file)
        assert transport(port, host="localhost", tls=tls).send(b"x").ok

    def test_a_relative_path_begins_where_the_transport_was_created(
        self,
        serve_grpc: Any,
        transport: Any,
        certificates: Any,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(Path(certificates.ca_file).parent)
        port = serve_grpc(Receiver(), credentials=credentials(certificates))
        tls = TLSConfig(ca_file=Path(certificates.ca_file).name)
        created = transport(port, host="localhost", tls=tls)

        monkeypatch.chdir(tmp_path)

        assert created.send(b"x").ok

    def test_an_unknown_authority_is_not_trusted_and_not_retried(
        self, serve_grpc: Any, transport: Any, certificates: Any, other_certificates: Any
    ) -> None:
        port = serve_grpc(Receiver(), credentials=credentials(certificates))
        tls = TLSConfig(ca_file=other_certificates.ca_file)
        outcome = transport(port, host="localhost", tls=tls).send(b"x")
        assert outcome.kind is FailureKind.TLS
        assert outcome.reason.startswith("the server's certificate is not trusted")
        assert outcome.attempts == 1

    def test_an_expired_certificate_is_not_trusted(
        self, serve_grpc: Any, transport: Any, expired_certificates: Any
    ) -> None:
        port = serve_grpc(Receiver(), credentials=credentials(expired_certificates))
        tls = TLSConfig(ca_file=expired_certificates.ca_file)
        outcome = transport(port, host="localhost", tls=tls).send(b"x")
        assert (outcome.kind, outcome.attempts) == (FailureKind.TLS, 1)
        # Older cores do not tell.
        assert outcome.detail in {FailureDetail.CERTIFICATE_TIME, None}

    def test_a_certificate_for_another_host_is_not_trusted(
        self, serve_grpc: Any, transport: Any, certificates: Any
    ) -> None:
        port = serve_grpc(Receiver(), credentials=credentials(certificates))
        outcome = transport(port, tls=TLSConfig(ca_file=certificates.ca_file)).send(b"x")
        assert outcome.kind is FailureKind.TLS
        assert "not for the host of 127.0.0.1" in outcome.reason
        assert outcome.detail is FailureDetail.CERTIFICATE_NAME
        assert outcome.attempts == 1

    def test_a_client_certificate_is_shown(
        self, serve_grpc: Any, transport: Any, certificates: Any, twice: Any
    ) -> None:
        port = serve_grpc(Receiver(), credentials=credentials(certificates, ask_client=True))
        tls = TLSConfig(
            certificates.ca_file, certificates.client_cert_file, certificates.client_key_file
        )
        assert transport(port, host="localhost", tls=tls).send(b"x").ok
        without = TLSConfig(certificates.ca_file)
        outcome = transport(port, host="localhost", tls=without, **twice).send(b"x")
        assert not outcome.ok
        assert "client certificate" in outcome.reason

    def test_plaintext_and_tls_do_not_mix(
        self, serve_grpc: Any, transport: Any, certificates: Any, twice: Any
    ) -> None:
        secure = serve_grpc(Receiver(), credentials=credentials(certificates))
        outcome = transport(secure, **twice).send(b"x")
        assert outcome.kind is FailureKind.DISCONNECTED
        assert "it may expect TLS" in outcome.reason
        plain = serve_grpc(Receiver())
        outcome = transport(plain, tls=TLSConfig(ca_file=certificates.ca_file)).send(b"x")
        assert outcome.kind is FailureKind.TLS
        assert "does not speak TLS" in outcome.reason
        assert outcome.detail is FailureDetail.NO_TLS
        assert outcome.attempts == 1

    def test_a_file_that_has_gone_is_told(
        self, transport: Any, certificates: Any, tmp_path: Path
    ) -> None:
        ca_file = tmp_path / "ca.pem"
        ca_file.write_bytes(Path(certificates.ca_file).read_bytes())
        sender = transport(1, tls=TLSConfig(ca_file=ca_file))
        ca_file.unlink()
        outcome = sender.send(b"x")
        assert outcome.kind is FailureKind.TLS
        assert f"{ca_file} (ca_file): cannot be read" in outcome.reason

    def test_the_error_of_a_file_says_which_option_it_is(self) -> None:
        with pytest.raises(TLSFileError) as caught:
            GRPCTransport(
                "h:1", METHOD, timeout=1, user_agent="x", tls=TLSConfig(cert_file="/nowhere")
            )
        assert caught.value.option == "cert_file"
