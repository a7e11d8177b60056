"""A server's certificate, as far as a person needs it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from attrs import frozen

__all__ = ["Certificate", "certificate_of", "fetch_certificate"]

# Source: OpenSSL, x509_vfy.h: X509_V_FLAG_NO_CHECK_TIME, for which ``ssl`` has no name.
_NO_CHECK_TIME = 0x200000


@frozen
class Certificate:
    """What a certificate says.

    Attributes:
        hosts: the names and addresses that it is for.
        issuer: who issued it.
        begins: from when on it is valid.
        ends: until when it is valid.
    """

    hosts: tuple[str, ...]
    issuer: str
    begins: datetime
    ends: datetime


def certificate_of(found: Mapping[str, Any] | None) -> Certificate | None:
    """Read what :meth:`ssl.SSLSocket.getpeercert` gives; None when that is nothing."""
    if not found:
        return None
    issuer = {name: value for part in found.get("issuer", ()) for name, value in part}
    words = ("commonName", "organizationName", "organizationalUnitName")
    return Certificate(
        tuple(value for _, value in found.get("subjectAltName", ())),
        next((issuer[word] for word in words if word in issuer), "an issuer without a name"),
        _time(found["notBefore"]),
        _time(found["notAfter"]),
    )


def fetch_certificate(host: str, port: int, timeout: float) -> Certificate | None:
    """Read the certificate of a server that is not trusted; None when that cannot be done.

    ``ssl`` takes only a certificate apart that it has verified, so it is fetched first, and
    verified by itself then.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        encoded = _peer_certificate(context, host, port, timeout)[0]
        if encoded is None:
            return None
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
        context.load_verify_locations(cadata=encoded)
        return certificate_of(_peer_certificate(context, host, port, timeout)[1])
    except (OSError, ValueError):
        return None


def _peer_certificate(
    context: ssl.SSLContext, host: str, port: int, timeout: float
) -> tuple[bytes | None, Mapping[str, Any] | None]:
    with (
        socket.create_connection((host, port), timeout) as sock,
        context.wrap_socket(sock, server_hostname=host) as tls,
    ):
        return tls.getpeercert(binary_form=True), tls.getpeercert()


def _time(text: str) -> datetime:
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(text), timezone.utc)
