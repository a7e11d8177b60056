from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bentotrace import ConfigError, build, load_config
from bentotrace._files import absolute, open_regular
from bentotrace.transport import TLSConfig, TLSFileError
from bentotrace.transport.tls import make_ssl_context

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def link(folder: Path) -> Path:
    (folder / "link").symlink_to(pipe(folder))
    return folder / "link"


def bound(folder: Path) -> Path:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(folder / "socket"))
    sock.close()
    return folder / "socket"


NO_FILES: dict[str, Callable[[Path], Path]] = {
    "a pipe": pipe,
    "a link to a pipe": link,
    "a device": lambda _: Path("/dev/zero"),
    "a directory": lambda folder: folder,
    "a socket": bound,
}


@pytest.fixture(params=NO_FILES)
def no_file(request: Any, tmp_path_factory: Any) -> str:
    return str(NO_FILES[request.param](tmp_path_factory.mktemp("files")))


def test_a_file_is_opened_and_so_is_a_link_to_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"text")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for name in ("file", "link"):
        with open_regular(tmp_path / name) as file:
            assert file.read() == b"text"


def test_what_is_no_file_is_refused(no_file: str) -> None:
    with pytest.raises(OSError, match=r"not a regular file|Is a directory"):
        open_regular(no_file)


def test_what_comes_from_another_command_is_read() -> None:
    code = "from bentotrace._files import absolute, open_regular\nprint(open_regular('/dev/stdin').read())\n"
    done = subprocess.run(
        [sys.executable, "-c", code], input=b"text", capture_output=True, timeout=60
    )
    assert done.stdout.strip() == b"b'text'"


def test_a_configuration_that_is_no_file_is_refused(no_file: str) -> None:
    with pytest.raises(ConfigError, match=r"directory|cannot be read: it is a"):
        load_config(no_file)


def test_a_secret_that_is_no_file_is_refused(no_file: str) -> None:
    headers = {"authorization": {"file": no_file}}
    otlp = {"protocol": "http", "http": {"headers": headers}}
    with pytest.raises(ConfigError, match="cannot be read: "):
        load_config({"exporter_type": "otlp", "otlp": otlp})


@pytest.mark.parametrize(
    "option", ["certificate_file", "client_certificate_file", "client_key_file"]
)
@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_certificate_that_is_no_file_is_refused(no_file: str, option: str, protocol: str) -> None:
    section = {option: no_file}
    otlp = {"protocol": protocol, "endpoint": "https://h", protocol: section}
    with pytest.raises(ConfigError):
        build({"exporter_type": "otlp", "otlp": otlp})


def test_a_certificate_that_is_replaced_by_no_file_is_refused(no_file: str) -> None:
    with pytest.raises(TLSFileError, match="cannot be read"):
        make_ssl_context(TLSConfig(ca_file=no_file))


@pytest.mark.few_pythons
@pytest.mark.parametrize(
    "variable",
    [
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
        "SSLKEYLOGFILE",
    ],
)
def test_what_is_no_file_is_not_waited_for_in_variables_of_tls(no_file: str, variable: str) -> None:
    script = (
        "import logging, sys\n"
        "logging.basicConfig(format='%(message)s', stream=sys.stdout)\n"
        "from bentotrace.transport.tls import TLSConfig, make_ssl_context, read_authorities\n"
        "print(make_ssl_context(TLSConfig()).verify_mode.name)\n"
        "read_authorities(TLSConfig())\n"
    )
    names = {"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"}
    others = {name: value for name, value in os.environ.items() if name not in names}

    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**others, variable: no_file},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")
    *warnings, verify = done.stdout.splitlines()
    assert verify == "CERT_REQUIRED"
    expected = variable in names and not os.path.isdir(no_file)
    expected = expected or variable == "SSLKEYLOGFILE"
    assert [no_file in warning for warning in warnings] == [True] * expected


def test_a_relative_path_is_completed_without_leaving_out_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert absolute("link/../ca.pem") == f"{tmp_path}/link/../ca.pem"
    assert [absolute(path) for path in ("/run/ca.pem", "")] == ["/run/ca.pem", ""]


def test_a_relative_path_stays_where_the_directory_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()

    assert absolute("ca.pem") == "ca.pem"
