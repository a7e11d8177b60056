"""Promises about TLS: the authorities that are trusted, and replaced certificates."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
import trustme
from attrs import define

from ..servers import Certificates, make_certificates
from .promises import AUTHORITIES, SENDERS, receive_tls, url
from .transports import Transport


class TestTLS:
    def test_only_the_named_authority_is_trusted(
        self,
        transport: Transport,
        service: Any,
        relay: Any,
        certificates: Certificates,
        tmp_path: Path,
    ) -> None:
        others = make_certificates(tmp_path, "localhost")
        with receive_tls(transport, certificates) as receiver:
            between = relay(receiver.port)
            endpoint = url(between.port, "https", "localhost")
            assert service(endpoint, certificate_file=certificates.ca_file).send()
            sender = service(endpoint, certificate_file=others.ca_file)
            assert not sender.send()
            assert sender.kind == "tls"
            assert between.connections == 2

    @pytest.mark.parametrize("variable", AUTHORITIES)
    def test_the_authorities_of_the_environment_are_trusted(
        self,
        transport: Transport,
        service: Any,
        certificates: Certificates,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        variable: str,
    ) -> None:
        named = certificates.ca_file
        if variable == "SSL_CERT_DIR":
            named = str(tmp_path)
            hashed = subprocess.check_output(
                ["openssl", "x509", "-hash", "-noout", "-in", certificates.ca_file], text=True
            )
            (tmp_path / f"{hashed.strip()}.0").symlink_to(certificates.ca_file)
        with receive_tls(transport, certificates) as receiver:
            endpoint = url(receiver.port, "https", "localhost")
            without = service(endpoint)
            assert not without.send()
            monkeypatch.setenv(variable, named)
            assert service(endpoint).send()
            # A service that runs uses it for its next connection.
            assert without.send()
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
            assert service(endpoint).send() is (variable != "REQUESTS_CA_BUNDLE")

    def test_a_replaced_authority_is_used(
        self, transport: Transport, service: Any, certificates: Certificates, tmp_path: Path
    ) -> None:
        ca_file = tmp_path / "ca.pem"
        ca_file.write_text(Path(make_certificates(tmp_path, "localhost").ca_file).read_text())
        with receive_tls(transport, certificates) as receiver:
            endpoint = url(receiver.port, "https", "localhost")
            sender = service(endpoint, certificate_file=str(ca_file))
            assert not sender.send()
            replace(ca_file, Path(certificates.ca_file).read_bytes())
            assert sender.send()

    def test_a_file_that_is_missing_for_a_moment_loses_nothing(
        self, transport: Transport, service: Any, certificates: Certificates, tmp_path: Path
    ) -> None:
        ca_file = tmp_path / "ca.pem"
        content = Path(certificates.ca_file).read_bytes()
        replace(ca_file, content)
        with receive_tls(transport, certificates) as receiver:
            endpoint = url(receiver.port, "https", "localhost")
            sender = service(endpoint, certificate_file=str(ca_file))
            assert sender.send()
        for damaged in (None, b"", content[:100]):
            ca_file.unlink() if damaged is None else replace(ca_file, damaged)
            with receive_tls(transport, certificates, receiver.port):
                assert sender.send()
        assert sender.status.failed == 0


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return Client(tmp_path)


@define(eq=False)
class Client:
    """The files of a client's certificate."""

    folder: Path

    def issue(self, authority: trustme.CA, *, only_certificate: bool = False) -> Any:
        """Write a new certificate, and its key; return the certificate."""
        issued = authority.issue_cert("client.example")
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        replace(self.folder / "client.pem", chain)
        if not only_certificate:
            self.write_key(issued)
        return issued

    def write_key(self, issued: Any) -> None:
        replace(self.folder / "client.key", issued.private_key_pem.bytes())

    def trust(self, authority: trustme.CA) -> str:
        path = self.folder / "clients.pem"
        replace(path, authority.cert_pem.bytes())
        return str(path)

    @property
    def options(self) -> dict[str, str]:
        return {
            "client_certificate_file": str(self.folder / "client.pem"),
            "client_key_file": str(self.folder / "client.key"),
        }


@pytest.mark.parametrize("transport", SENDERS[:2], indirect=True, ids=lambda found: found.name)
class TestClientCertificates:
    """Only OTLP has options for them."""

    def test_a_replaced_client_certificate_is_used(
        self, transport: Transport, service: Any, certificates: Certificates, client: Client
    ) -> None:
        old, new = trustme.CA(), trustme.CA()
        client.issue(old)
        with receive_tls(transport, certificates, client_ca=client.trust(old)) as receiver:
            endpoint = url(receiver.port, "https", "localhost")
            sender = service(endpoint, certificate_file=certificates.ca_file, **client.options)
            assert sender.send()
        client.issue(new)
        with receive_tls(transport, certificates, receiver.port, client.trust(new)):
            assert sender.send()
        assert sender.status.failed == 0

    def test_a_new_certificate_with_the_old_key_loses_nothing(
        self, transport: Transport, service: Any, certificates: Certificates, client: Client
    ) -> None:
        old, new = trustme.CA(), trustme.CA()
        client.issue(old)
        with receive_tls(transport, certificates, client_ca=client.trust(old)) as receiver:
            endpoint = url(receiver.port, "https", "localhost")
            sender = service(endpoint, certificate_file=certificates.ca_file, **client.options)
            assert sender.send()
        issued = client.issue(new, only_certificate=True)
        with receive_tls(transport, certificates, receiver.port, client.trust(old)):
            assert sender.send()  # the former pair
        with receive_tls(transport, certificates, receiver.port, client.trust(new)):
            later = threading.Timer(0.5, client.write_key, [issued])
            later.start()
            assert sender.send()  # another attempt, with the new pair
            later.join()
        assert sender.status.failed == 0

    def test_a_service_may_start_between_certificate_and_key(
        self, transport: Transport, service: Any, certificates: Certificates, client: Client
    ) -> None:
        authority = trustme.CA()
        client.issue(authority)
        issued = client.issue(authority, only_certificate=True)
        with receive_tls(transport, certificates, client_ca=client.trust(authority)) as receiver:
            endpoint = url(receiver.port, "https", "localhost")
            sender = service(endpoint, certificate_file=certificates.ca_file, **client.options)
            later = threading.Timer(0.5, client.write_key, [issued])
            later.start()
            assert sender.send()
            later.join()


def replace(path: Path, content: bytes) -> None:
    """Replace a file in one step."""
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(content)
    new.replace(path)
