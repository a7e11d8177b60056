"""The verdicts on TLS, over HTTP and gRPC, with real certificates."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from bentotrace.doctor.verdict import StepName, Verdict

from .diagnoses import (
    AFTER_RETRIES,
    Diagnose,
    examine_over,
    failed,
    http,
    told,
)


@pytest.mark.parametrize("protocol", ["http", "grpc"])
class TestTLS:
    @pytest.fixture
    def secure(self, serve: Any, receiver: Any, protocol: str, request: Any) -> Any:
        """Serves the protocol with certificates; return the port."""

        def start(certificates: Any) -> int:
            if protocol == "http":
                return int(serve(receiver(), context=certificates.server_context()).port)
            return int(request.getfixturevalue("serve_grpc")(certificates))

        return start

    def test_a_trusted_certificate_is_described(
        self, secure: Any, certificates: Any, diagnose: Diagnose, protocol: str
    ) -> None:
        url = f"https://localhost:{secure(certificates)}"
        section = {"certificate_file": certificates.ca_file}

        found = examine_over(protocol, diagnose, url, section=section)

        assert found.verdict is Verdict.GOOD
        assert "certificate for localhost from trustme" in told(found, StepName.TLS)
        assert "valid until " in told(found, StepName.TLS)

    def test_an_unknown_authority(
        self,
        secure: Any,
        certificates: Any,
        other_certificates: Any,
        diagnose: Diagnose,
        protocol: str,
    ) -> None:
        url = f"https://localhost:{secure(certificates)}"
        section = {"certificate_file": other_certificates.ca_file}

        wrong = examine_over(protocol, diagnose, url, section=section)
        missing = examine_over(protocol, diagnose, url)

        assert wrong.verdict is missing.verdict is Verdict.CERTIFICATE_AUTHORITY
        assert failed(wrong) is StepName.TLS
        assert f"The file in otlp.{protocol}.certificate_file" in wrong.fix
        assert "(issuer: trustme" in wrong.fix
        assert missing.fix.endswith(f"in otlp.{protocol}.certificate_file.")

    def test_an_expired_certificate(
        self, secure: Any, expired_certificates: Any, diagnose: Diagnose, protocol: str
    ) -> None:
        url = f"https://localhost:{secure(expired_certificates)}"
        section = {"certificate_file": expired_certificates.ca_file}

        found = examine_over(protocol, diagnose, url, section=section)

        assert found.verdict is Verdict.CERTIFICATE_TIME
        assert found.fix.startswith("It expired on ")

    def test_a_certificate_for_another_host(
        self, secure: Any, certificates: Any, diagnose: Diagnose, protocol: str
    ) -> None:
        url = f"https://127.0.0.1:{secure(certificates)}"
        section = {"certificate_file": certificates.ca_file}

        found = examine_over(protocol, diagnose, url, section=section)

        assert found.verdict is Verdict.CERTIFICATE_NAME
        assert found.fix.startswith("It is for localhost: write that host in otlp.endpoint")

    def test_plaintext_to_a_tls_port(
        self, secure: Any, certificates: Any, diagnose: Diagnose, protocol: str
    ) -> None:
        url = f"http://localhost:{secure(certificates)}"
        found = examine_over(protocol, diagnose, url, timeout=AFTER_RETRIES)

        assert found.verdict is Verdict.PLAINTEXT_TO_TLS
        assert failed(found) is StepName.TLS
        assert "Write https:// in otlp.endpoint" in found.fix

    def test_tls_to_a_plaintext_port(
        self, serve: Any, receiver: Any, diagnose: Diagnose, protocol: str, request: Any
    ) -> None:
        if protocol == "http":
            port = serve(receiver()).port
        else:
            port = request.getfixturevalue("serve_grpc")(None)

        # A server that waits for the end of a line hangs instead of refusing.
        url = f"https://localhost:{port}"
        found = examine_over(protocol, diagnose, url, timeout=AFTER_RETRIES)

        assert found.verdict is Verdict.TLS_TO_PLAINTEXT
        assert failed(found) is StepName.TLS
        assert "Write http:// in otlp.endpoint" in found.fix


def test_a_server_that_asks_for_a_client_certificate(
    serve: Any, receiver: Any, certificates: Any, diagnose: Diagnose
) -> None:
    port = serve(receiver(), context=certificates.server_context(ask_client=True)).port
    files = {"certificate_file": certificates.ca_file}

    over_otlp = diagnose("otlp", http(f"https://localhost:{port}", **files))
    over_zipkin = diagnose("zipkin", {"endpoint": f"https://localhost:{port}", **files})

    assert over_otlp.verdict is over_zipkin.verdict is Verdict.CLIENT_CERTIFICATE
    assert "otlp.http.client_certificate_file and otlp.http.client_key_file" in over_otlp.fix
    assert "The exporter zipkin cannot send one" in over_zipkin.fix


def test_a_server_that_does_not_trust_the_client_certificate(
    serve: Any, receiver: Any, certificates: Any, other_certificates: Any, diagnose: Diagnose
) -> None:
    context = certificates.server_context(ask_client=True)
    # Within TLS 1.3 the client is told only after its request, and a reset may come before that.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    port = serve(receiver(), context=context).port
    files = {
        "certificate_file": certificates.ca_file,
        "client_certificate_file": other_certificates.client_cert_file,
        "client_key_file": other_certificates.client_key_file,
    }

    found = diagnose("otlp", http(f"https://localhost:{port}", **files))

    assert found.verdict is Verdict.TLS
    assert "trusts the client certificate in otlp.http.client_certificate_file (" in found.fix
