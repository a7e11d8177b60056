"""The files of a TLS connection, checked when they are named and read when they are needed."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from attrs import field, frozen

if TYPE_CHECKING:
    import ssl
    from typing import TypeGuard

__all__ = ["TLSConfig", "TLSFileError", "is_end_of_tls", "is_tls_error", "make_ssl_context"]

_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_TRUSTED_CERTIFICATE = b"-----BEGIN TRUSTED CERTIFICATE-----"
_KEY = b"PRIVATE KEY-----"
_ENCRYPTED = (b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED")


class TLSFileError(ValueError):
    """A file of a TLS configuration cannot be used.

    Attributes:
        option: the field of :class:`TLSConfig` that names it.
        path: the file.
        reason: what is wrong with it.
    """

    def __init__(self, option: str, path: str, reason: str) -> None:
        super().__init__(option, path, reason)
        self.option = option
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path} ({self.option}): {self.reason}"


def _as_path(path: str | os.PathLike[str] | None) -> str | None:
    return None if path is None else os.fspath(path)


@frozen
class TLSConfig:
    """Which certificates to trust and to show. All files are PEM.

    Attributes:
        ca_file: certificates of the authorities to trust instead of the system's.
        cert_file: the client's certificate, with its chain.
        key_file: the client's unencrypted private key; may be in ``cert_file`` instead.
    """

    ca_file: str | None = field(default=None, converter=_as_path)
    cert_file: str | None = field(default=None, converter=_as_path)
    key_file: str | None = field(default=None, converter=_as_path)

    def check(self) -> None:
        """Read the files and see that they hold what they should.

        Raises:
            TLSFileError: one is missing, unreadable, or holds something else.
        """
        self.read_ca()
        self.read_client_certificate()

    def read_ca(self) -> bytes | None:
        """Return the authorities' certificates, None for the system's.

        Raises:
            TLSFileError: see :meth:`check`.
        """
        if self.ca_file is None:
            return None
        return _read(
            "ca_file", self.ca_file, (_CERTIFICATE, _TRUSTED_CERTIFICATE), "PEM certificate"
        )

    def read_client_certificate(self) -> tuple[bytes, bytes] | None:
        """Return the client's certificate chain and its key, None when there are none.

        Raises:
            TLSFileError: see :meth:`check`.
        """
        if self.cert_file is None:
            if self.key_file is not None:
                raise TLSFileError("key_file", self.key_file, "a key needs a cert_file beside it")
            return None
        chain = _read("cert_file", self.cert_file, (_CERTIFICATE,), "PEM certificate")
        option, path = ("key_file", self.key_file or self.cert_file)
        if self.key_file is None and _KEY not in chain:
            raise TLSFileError(
                "cert_file", path, "holds no private key; name the key's file as key_file"
            )
        key = _read(option, path, (_KEY,), "PEM private key")
        if any(mark in key for mark in _ENCRYPTED):
            raise TLSFileError(option, path, "the key is encrypted; store it without a passphrase")
        return chain, key

    def version(self) -> tuple[tuple[int, int] | None, ...]:
        """Return a value that changes when one of the files is replaced."""
        return tuple(_stamp(path) for path in (self.ca_file, self.cert_file, self.key_file))


def make_ssl_context(config: TLSConfig) -> ssl.SSLContext:
    """Return a context that verifies the server and shows the client's certificate.

    Raises:
        TLSFileError: a file cannot be used.
    """
    import ssl

    config.check()
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
    except ssl.SSLError as error:
        raise TLSFileError(
            "ca_file", config.ca_file or "", f"holds a certificate that cannot be read: {error}"
        ) from error
    if config.cert_file is not None:
        try:
            context.load_cert_chain(config.cert_file, config.key_file)
        except ssl.SSLError as error:
            what = (
                "is not the key of that certificate"
                if error.reason == "KEY_VALUES_MISMATCH"
                else f"certificate or key cannot be read: {error}"
            )
            option = "cert_file" if config.key_file is None else "key_file"
            raise TLSFileError(option, config.key_file or config.cert_file, what) from error
    return context


def is_tls_error(error: BaseException) -> TypeGuard[ssl.SSLError]:
    """Tell whether TLS raised it."""
    return _is_of_ssl(error, "SSLError")


def is_end_of_tls(error: BaseException) -> bool:
    """Tell whether it says that the other side ended TLS, or the connection under it."""
    return _is_of_ssl(error, "SSLEOFError", "SSLZeroReturnError")


def _is_of_ssl(error: BaseException, *names: str) -> bool:
    # What raised it has imported ssl, which whoever speaks no TLS does without.
    module = sys.modules.get("ssl")
    return module is not None and isinstance(error, tuple(getattr(module, name) for name in names))


def _read(option: str, path: str, marks: tuple[bytes, ...], what: str) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise TLSFileError(option, path, f"cannot be read: {error.strerror or error}") from error
    if not any(mark in content for mark in marks):
        raise TLSFileError(option, path, f"holds no {what}")
    return content


def _stamp(path: str | None) -> tuple[int, int] | None:
    try:
        status = os.stat(path) if path is not None else None
    except OSError:
        return None
    return None if status is None else (status.st_mtime_ns, status.st_size)
