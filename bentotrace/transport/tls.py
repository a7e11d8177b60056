"""The files of a TLS connection, and the meaning of TLS errors."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import field

from bentotrace._files import absolute, open_regular
from bentotrace.redaction import Redaction
from bentotrace.transport import _authorities
from bentotrace.transport.outcome import FailureDetail
from bentotrace.values import frozen

if TYPE_CHECKING:
    import ssl
    from typing import TypeGuard

__all__ = [
    "TLSConfig",
    "TLSFileError",
    "TLSLayer",
    "is_end_of_tls",
    "is_tls_error",
    "make_ssl_context",
    "read_authorities",
    "tls_detail",
    "tls_reason",
]


_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_TRUSTED_CERTIFICATE = b"-----BEGIN TRUSTED CERTIFICATE-----"
_KEY = b"PRIVATE KEY-----"
_ENCRYPTED = (b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED")
# Source: OpenSSL, x509_vfy.h.
_DETAILS_OF_VERIFY_CODES = {
    9: FailureDetail.CERTIFICATE_TIME,
    10: FailureDetail.CERTIFICATE_TIME,
    **dict.fromkeys((2, 18, 19, 20, 21), FailureDetail.CERTIFICATE_AUTHORITY),
    62: FailureDetail.CERTIFICATE_NAME,
    64: FailureDetail.CERTIFICATE_NAME,
}
# A bundle of all public authorities has 0.2 MiB.
_FILE_LIMIT = 16 * 1024 * 1024
# A record has at most 16 KiB.
_RECEIVED_AT_ONCE = 16 * 1024
# A handshake takes fewer.
_MOST_AT_FULL_SPEED = 20
_PAUSE_SECONDS = 0.005
_SENT_AT_ONCE = 256 * 1024
_PLAINTEXT = ("WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")


class TLSFileError(ValueError):
    """A file of a TLS configuration cannot be used.

    Attributes:
        option: the field of :class:`TLSConfig`.
        path: the file.
        reason: the problem.
    """

    def __init__(self, option: str, path: str, reason: str) -> None:
        super().__init__(option, path, reason)
        self.option = option
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path} ({self.option}): {self.reason}"


def _as_path(path: str | os.PathLike[str] | None) -> str | None:
    return None if path is None else absolute(os.fspath(path))


@frozen
class TLSConfig:
    """The certificates to trust and to present; all files are PEM.

    A relative path begins in the directory of the process at this moment.

    Attributes:
        ca_file: certificates of the authorities to trust; without it, those of
            ``REQUESTS_CA_BUNDLE``, ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``, else the system's.
        cert_file: the client's certificate, with its chain.
        key_file: the client's unencrypted private key; may be in ``cert_file`` instead.
    """

    ca_file: str | None = field(default=None, converter=_as_path)
    cert_file: str | None = field(default=None, converter=_as_path)
    key_file: str | None = field(default=None, converter=_as_path)

    def check(self) -> None:
        """Check the content of the files.

        Raises:
            TLSFileError: one is missing, unreadable, or has other content.
        """
        self.read_ca()
        self.read_client_certificate()

    def read_ca(self) -> bytes | None:
        """Return the authorities' certificates, None without a file of them."""
        if self.ca_file is None:
            return None
        return _read(
            "ca_file", self.ca_file, (_CERTIFICATE, _TRUSTED_CERTIFICATE), "PEM certificate"
        )

    def read_client_certificate(self) -> tuple[bytes, bytes] | None:
        """Return the client's certificate chain and its key, None without them."""
        if self.cert_file is None:
            if self.key_file is not None:
                raise TLSFileError("key_file", self.key_file, "a key needs a cert_file")
            return None
        chain = _read("cert_file", self.cert_file, (_CERTIFICATE,), "PEM certificate")
        option, path = ("key_file", self.key_file or self.cert_file)
        if self.key_file is None and _KEY not in chain:
            raise TLSFileError("cert_file", path, "contains no private key; set key_file")
        key = _read(option, path, (_KEY,), "PEM private key")
        if any(mark in key for mark in _ENCRYPTED):
            raise TLSFileError(option, path, "the key is encrypted; store it without a passphrase")
        return chain, key

    def version(self) -> object:
        """Return a value that changes when one of the files is replaced."""
        paths = [self.ca_file, self.cert_file, self.key_file]
        if self.ca_file is None:
            paths += _authorities.named()
        return tuple((path, _stamp(path)) for path in paths)


def make_ssl_context(config: TLSConfig) -> ssl.SSLContext:
    """Return a context that verifies the server and presents the client's certificate.

    Raises:
        TLSFileError: a file cannot be used.
    """
    config.check()
    context = _trusting_context(config)
    if config.cert_file is not None:
        import ssl

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


def read_authorities(config: TLSConfig) -> bytes | None:
    """Return the certificates that gRPC trusts, as HTTP does; None for its built-in ones.

    Raises:
        TLSFileError: the ``ca_file`` cannot be used.
    """
    if config.ca_file is not None:
        return config.read_ca()
    return _authorities.read()


def _trusting_context(config: TLSConfig) -> ssl.SSLContext:
    if config.ca_file is None:
        return _authorities.make_context()
    import ssl

    context = _authorities.new_context()
    try:
        context.load_verify_locations(config.ca_file)
    except ssl.SSLError as error:
        reason = f"contains a certificate that cannot be read: {error}"
        raise TLSFileError("ca_file", config.ca_file, reason) from error
    return context


class TLSLayer:
    """TLS over two functions that receive and send bytes; it has the methods of a socket used here.

    A call of :class:`ssl.SSLSocket` does not return while records arrive that carry no data, such
    as HelloRequests, so that a server can make it outlast every timeout. Here the function that
    receives decides how long to wait, before each record.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        host: str,
        receive: Callable[[int], bytes],
        send: Callable[[bytes], object],
    ) -> None:
        """Store the functions; ``receive`` returns no bytes at the end, ``send`` sends all."""
        import ssl

        self._receive = receive
        self._send = send
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        # Certificates have neither an address's zone nor the trailing dot of a name.
        # As bytes, since ssl imports encodings.idna for text.
        name = host.partition("%")[0].rstrip(".").encode("ascii")
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._want_read, self._end = ssl.SSLWantReadError, ssl.SSLEOFError

    @property
    def is_empty(self) -> bool:
        """Whether all received bytes have been read."""
        return not self._incoming.pending and not self.tls.pending()

    def handshake(self) -> None:
        """Do the handshake; raise :class:`ssl.SSLError` if it fails."""
        self._run(self.tls.do_handshake)

    def recv(self, size: int) -> bytes:
        """Receive at most ``size`` bytes, none at the end."""
        try:
            return bytes(self._run(self.tls.read, size))
        except self._end:
            return b""

    def sendall(self, data: bytes) -> None:
        """Send all bytes."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._run(self.tls.write, rest[:_SENT_AT_ONCE]) :]

    def _run(self, operation: Callable[..., Any], *arguments: Any) -> Any:
        rounds = 0
        while True:
            try:
                result = operation(*arguments)
            except self._want_read:
                self._flush()
                rounds += 1
                if rounds > _MOST_AT_FULL_SPEED:
                    # Records without data follow each other; other greenlets have to run too.
                    time.sleep(_PAUSE_SECONDS)
                data = self._receive(_RECEIVED_AT_ONCE)
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            except OSError:
                # An alert, which explains the end to the server.
                with contextlib.suppress(OSError):
                    self._flush()
                raise
            else:
                self._flush()
                return result

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._send(self._outgoing.read())


def is_tls_error(error: BaseException) -> TypeGuard[ssl.SSLError]:
    """Return whether TLS raised it."""
    return _is_of_ssl(error, "SSLError")


def is_end_of_tls(error: BaseException) -> bool:
    """Return whether the server ended TLS, or the connection."""
    return _is_of_ssl(error, "SSLEOFError", "SSLZeroReturnError")


def tls_detail(error: ssl.SSLError) -> FailureDetail | None:
    """Return the cause of an error of TLS, if known."""
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        return _DETAILS_OF_VERIFY_CODES.get(error.verify_code)
    code = (error.reason or "").upper()
    if code in _PLAINTEXT:
        return FailureDetail.NO_TLS
    return FailureDetail.CLIENT_CERTIFICATE if "CERTIFICATE_REQUIRED" in code else None


def tls_reason(
    error: ssl.SSLError,
    detail: FailureDetail | None,
    redaction: Redaction,
    *,
    of_proxy: bool = False,
) -> str:
    """Describe an error of TLS with a receiver or a proxy, with advice."""
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        reason = f"the server's certificate is not trusted: {error.verify_message}"
        if detail is FailureDetail.CERTIFICATE_AUTHORITY:
            reason += "; name its authority's certificate file"
            # The option certificate_file is for the receiver.
            reason += " in SSL_CERT_FILE" if of_proxy else ""
        return redaction.line(reason)
    if detail is FailureDetail.NO_TLS:
        instead = "proxy" if of_proxy else "endpoint"
        return f"the server does not speak TLS on this port; try an http:// {instead}"
    if detail is FailureDetail.CLIENT_CERTIFICATE:
        return "the server requires a client certificate"
    reason = redaction.line((error.reason or str(error)).replace("_", " "))
    return f"TLS failed: {reason.lower()}"


def _is_of_ssl(error: BaseException, *names: str) -> bool:
    # An error of ssl means that it is imported; a process without TLS need not load it.
    module = sys.modules.get("ssl")
    return module is not None and isinstance(error, tuple(getattr(module, name) for name in names))


def _read(option: str, path: str, marks: tuple[bytes, ...], what: str) -> bytes:
    try:
        with open_regular(path) as file:
            content = file.read(_FILE_LIMIT + 1)
    except OSError as error:
        raise TLSFileError(option, path, f"cannot be read: {error.strerror or error}") from error
    if len(content) > _FILE_LIMIT:
        raise TLSFileError(option, path, "is larger than 16 MiB, the limit for certificates")
    if not any(mark in content for mark in marks):
        raise TLSFileError(option, path, f"contains no {what}")
    return content


def _stamp(path: str | None) -> tuple[int, ...] | None:
    try:
        status = os.stat(path) if path is not None else None
    except OSError:
        return None
    return None if status is None else (status.st_ino, status.st_mtime_ns, status.st_size)
