"""Which language a port speaks, asked when the exporter was not understood there."""

from __future__ import annotations

import contextlib
import socket
import ssl

from attrs import frozen

from bentotrace.doctor.place import Place
from bentotrace.transport.outcome import FailureDetail

__all__ = ["detail_of_language"]

_TIMEOUT = 1.5

# Source: RFC 9113, section 3.4, and an empty SETTINGS frame.
_HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"
_SETTINGS = 4


@frozen
class _Language:
    """What was heard.

    Attributes:
        tls: whether TLS is spoken.
        http: 1 or 2; None when nothing was said, or something else.
        asks_certificate: whether the server ended the connection for want of a certificate.
    """

    tls: bool
    http: int | None
    asks_certificate: bool = False


def detail_of_language(place: Place) -> FailureDetail | None:
    """Tell what the port speaks that the exporter does not; None when that is not the matter."""
    try:
        language = _listen(place.address)
    except OSError:
        return None
    if language.tls != (place.tls is not None):
        spoken = language.tls or language.http is not None
        if not spoken:
            return None
        return FailureDetail.NEEDS_TLS if language.tls else FailureDetail.NO_TLS
    if language.asks_certificate:
        return FailureDetail.CLIENT_CERTIFICATE
    if place.transport == "http" and language.http == 2:
        return FailureDetail.NEEDS_GRPC
    if place.transport == "grpc" and language.http == 1:
        return FailureDetail.NEEDS_HTTP
    return None


def _listen(address: tuple[str, int]) -> _Language:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        contextlib.suppress(OSError),
        socket.create_connection(address, _TIMEOUT) as sock,
        context.wrap_socket(sock, server_hostname=address[0]) as tls,
    ):
        return _after_handshake(tls)
    with socket.create_connection(address, _TIMEOUT) as sock:
        return _Language(tls=False, http=_greet(sock))


def _after_handshake(tls: ssl.SSLSocket) -> _Language:
    try:
        http = _greet(tls)
    except ssl.SSLError as error:
        return _Language(True, None, "CERTIFICATE_REQUIRED" in (error.reason or "").upper())
    except OSError:
        http = None
    return _Language(True, http or (2 if tls.selected_alpn_protocol() == "h2" else None))


def _greet(sock: socket.socket) -> int | None:
    """Begin HTTP/2 and tell the version of the answer."""
    sock.sendall(_HTTP2_PREFACE)
    answer = b""
    while len(answer) < 5:
        received = sock.recv(64)
        if not received:
            break
        answer += received
    if answer.startswith(b"HTTP/") or answer.lstrip().startswith(b"<"):
        return 1
    return 2 if answer[3:4] == bytes((_SETTINGS,)) else None
