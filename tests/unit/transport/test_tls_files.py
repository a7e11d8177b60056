from __future__ import annotations

from pathlib import Path

import pytest

from bentotrace.transport._tls_files import TLSFiles
from bentotrace.transport.tls import TLSConfig, TLSFileError


@pytest.fixture
def ca_file(certificates: object, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    path.write_bytes(Path(certificates.ca_file).read_bytes())  # type: ignore[attr-defined]
    return path


def content(config: TLSConfig) -> bytes | None:
    return config.read_ca()


def test_they_are_read_once_until_one_is_replaced(ca_file: Path) -> None:
    files = TLSFiles(TLSConfig(ca_file), content)
    first = files.current()
    assert files.current() is first
    assert not files.are_changing()
    ca_file.write_bytes(first + b"\n" if first else b"")
    assert files.are_changing()
    assert files.current() == (first or b"") + b"\n"
    assert not files.are_changing()


def test_the_former_ones_are_used_while_they_cannot_be_read(
    ca_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = TLSFiles(TLSConfig(ca_file), content)
    first = files.current()
    ca_file.write_bytes(b"")
    assert [files.current() for _ in range(3)] == [first] * 3
    assert files.are_changing()
    (record,) = caplog.records
    assert record.getMessage() == (
        f"the former TLS files are used, because {ca_file} (ca_file): contains no PEM certificate"
    )
    ca_file.write_bytes((first or b"") + b"\n")
    assert files.current() != first


def test_files_that_could_never_be_read_are_an_error(tmp_path: Path) -> None:
    files = TLSFiles(TLSConfig(tmp_path / "ca.pem"), content)
    for _ in range(2):
        with pytest.raises(TLSFileError, match="cannot be read"):
            files.current()
    assert files.are_changing()


def test_files_that_are_replaced_while_they_are_read_are_read_again(ca_file: Path) -> None:
    replacements = [b"\n", b"\n\n"]

    def make(config: TLSConfig) -> bytes | None:
        found = config.read_ca()
        if replacements:
            ca_file.write_bytes((found or b"") + replacements.pop())
        return found

    files = TLSFiles(TLSConfig(ca_file), make)
    for _ in range(2):
        with pytest.raises(TLSFileError, match="was just replaced"):
            files.current()
    assert files.current() == ca_file.read_bytes()
