from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from bentotrace.transport.tls import TLSConfig, TLSFileError, make_ssl_context

from ...permissions import obeyed_permissions


def test_without_files_the_system_s_authorities_are_trusted() -> None:
    config = TLSConfig()
    config.check()
    assert config.read_ca() is None
    assert config.read_client_certificate() is None
    context = make_ssl_context(config)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_ca_file_replaces_the_system_s_authorities(certificates: Any) -> None:
    context = make_ssl_context(TLSConfig(ca_file=Path(certificates.ca_file)))
    assert len(context.get_ca_certs()) == 1


def test_the_files_are_read(certificates: Any) -> None:
    config = TLSConfig(certificates.ca_file, certificates.cert_file, certificates.key_file)
    config.check()
    chain_and_key = config.read_client_certificate()
    assert chain_and_key is not None
    assert b"CERTIFICATE" in chain_and_key[0]
    assert b"PRIVATE KEY" in chain_and_key[1]
    make_ssl_context(config)


def test_the_key_may_be_in_the_certificate_s_file(certificates: Any, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(
        Path(certificates.cert_file).read_bytes() + Path(certificates.key_file).read_bytes()
    )
    config = TLSConfig(cert_file=both)

    make_ssl_context(config)
    chain_and_key = config.read_client_certificate()
    assert chain_and_key is not None
    assert b"PRIVATE KEY" in chain_and_key[1]


@pytest.mark.parametrize("option", ["ca_file", "cert_file"])
def test_a_missing_file_is_named(option: str) -> None:
    with pytest.raises(TLSFileError) as caught:
        TLSConfig(**{option: "/nowhere/x.pem"}).check()
    error = caught.value
    assert (error.option, error.path) == (option, "/nowhere/x.pem")
    assert str(error) == f"/nowhere/x.pem ({option}): cannot be read: No such file or directory"


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(TLSFileError, match="cannot be read: Is a directory"):
        TLSConfig(ca_file=tmp_path).check()


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.touch(0o000)
    with obeyed_permissions(), pytest.raises(TLSFileError, match=r"ca\.pem .*Permission denied"):
        TLSConfig(ca_file=file).check()


def test_a_file_that_is_not_pem_is_named(tmp_path: Path, certificates: Any) -> None:
    der = tmp_path / "ca.der"
    der.write_bytes(b"\x30\x82\x01\x02")
    with pytest.raises(TLSFileError, match=r"ca\.der \(ca_file\): contains no PEM certificate"):
        TLSConfig(ca_file=der).check()
    with pytest.raises(TLSFileError, match=r"ca\.der \(key_file\): contains no PEM private key"):
        TLSConfig(cert_file=certificates.cert_file, key_file=der).check()


def test_a_damaged_certificate_is_named(tmp_path: Path) -> None:
    damaged = tmp_path / "ca.pem"
    damaged.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(TLSFileError, match=r"ca\.pem \(ca_file\): .*cannot be read"):
        make_ssl_context(TLSConfig(ca_file=damaged))


def test_a_certificate_without_a_key_is_an_error(certificates: Any) -> None:
    with pytest.raises(TLSFileError, match="contains no private key; set key_file"):
        TLSConfig(cert_file=certificates.cert_file).check()


def test_a_key_without_a_certificate_is_an_error(certificates: Any) -> None:
    with pytest.raises(TLSFileError, match="needs a cert_file") as caught:
        TLSConfig(key_file=certificates.key_file).check()
    assert caught.value.option == "key_file"


def test_the_key_of_another_certificate_is_an_error(certificates: Any) -> None:
    config = TLSConfig(cert_file=certificates.cert_file, key_file=certificates.client_key_file)
    with pytest.raises(TLSFileError, match="is not the key of that certificate") as caught:
        make_ssl_context(config)
    assert caught.value.path == certificates.client_key_file


def test_an_encrypted_key_is_an_error_and_asks_nobody(certificates: Any, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n")
    with pytest.raises(TLSFileError, match=r"key\.pem \(key_file\): the key is encrypted"):
        make_ssl_context(TLSConfig(cert_file=certificates.cert_file, key_file=key))


def test_the_version_changes_when_a_file_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    config = TLSConfig(ca_file=file)
    missing = config.version()
    file.write_text("a")
    first = config.version()
    assert first == config.version()
    file.write_text("bc")
    assert len({missing, first, config.version()}) == 3
