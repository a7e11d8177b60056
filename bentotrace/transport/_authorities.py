"""The authorities that are trusted without a file in the configuration.

They are those in the variables ``REQUESTS_CA_BUNDLE``, ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``, else
the system's: over HTTP, over gRPC, and for an https proxy.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from bentotrace._files import open_regular
from bentotrace.interruptions import log_safely

if TYPE_CHECKING:
    import ssl

__all__ = ["make_context", "named", "new_context", "read"]

_logger = logging.getLogger("bentotrace.transport.tls")

_CERTIFICATE = re.compile(
    rb"-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----"  # base64 has no dash
)
# OpenSSL finds certificates in a directory by these names.
_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.[0-9]+")


def named() -> list[str]:
    """Return the files and directories of authorities that the environment names."""
    files = [os.environ.get(name, "").strip() for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")]
    directories = os.environ.get("SSL_CERT_DIR", "").split(os.pathsep)
    return list(dict.fromkeys(filter(None, (*files, *directories))))


def read() -> bytes | None:
    """Return the certificates for gRPC; None for its built-in ones."""
    # gRPC would wait for a pipe.
    grpc_file = os.environ.get("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "").strip()
    blocks = _read(named()) or _read(filter(None, [grpc_file])) or _read(_system())
    if not blocks:
        import ssl

        # On Windows they are not in files.
        context = new_context()
        _trust_system(context)
        found = context.get_ca_certs(True)
        blocks = {ssl.DER_cert_to_PEM_cert(certificate).encode(): None for certificate in found}
    return b"\n".join(blocks) or None


def make_context() -> ssl.SSLContext:
    """Return a context that trusts them; log a file that cannot be read."""
    context = new_context()
    found = False
    for path in _files(named()):
        try:
            # OpenSSL would wait for a pipe, and in a directory too.
            open_regular(path).close()
            context.load_verify_locations(path)
            found = True
        except OSError as error:  # ssl.SSLError too
            log_safely(
                _logger,
                logging.WARNING,
                "no authorities for TLS are read from %s: %s",
                path,
                error.strerror or error,
            )
    if not found:
        _trust_system(context)
    return context


def new_context() -> ssl.SSLContext:
    """Return a context that verifies servers, and trusts no authority yet.

    :func:`ssl.create_default_context` would open what ``SSLKEYLOGFILE`` names, a pipe too.
    """
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if sys.version_info >= (3, 13):
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    log = os.environ.get("SSLKEYLOGFILE", "")
    if log and not sys.flags.ignore_environment:
        try:
            if os.path.exists(log):
                open_regular(log).close()
            context.keylog_filename = log
        except OSError as error:
            log_safely(
                _logger,
                logging.WARNING,
                "no keys of TLS are logged to %s (SSLKEYLOGFILE): %s",
                log,
                error.strerror or error,
            )
    return context


def _files(paths: Iterable[str]) -> Iterator[str]:
    """Yield the files, and those in the directories by which OpenSSL finds certificates."""
    for path in paths:
        if os.path.isdir(path):
            with contextlib.suppress(OSError):
                names = filter(_HASHED_NAME.fullmatch, os.listdir(path))
                yield from [os.path.join(path, name) for name in sorted(names)]
        else:
            yield path


def _read(paths: Iterable[str]) -> dict[bytes, None]:
    blocks: dict[bytes, None] = {}
    for path in _files(paths):
        with contextlib.suppress(OSError), open_regular(path) as file:
            blocks |= dict.fromkeys(_CERTIFICATE.findall(file.read()))
    return blocks


def _trust_system(context: ssl.SSLContext) -> None:
    if sys.platform == "win32":
        context.load_default_certs()
        return
    # Not the default ones, for which OpenSSL reads the variables too.
    file, directory = _system()
    file_or_none = file if os.path.isfile(file) else None
    context.load_verify_locations(file_or_none, directory)


def _system() -> tuple[str, str]:
    """Return OpenSSL's own file and directory of authorities."""
    import ssl

    paths = ssl.get_default_verify_paths()
    return paths.openssl_cafile, paths.openssl_capath
