"""The outcome of a send, for logs, status and diagnoses."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

import attrs
from attrs import field

from bentotrace.redaction import without_credentials
from bentotrace.transport.headers import ResponseHeaders
from bentotrace.values import frozen

__all__ = ["FailureDetail", "FailureKind", "Outcome"]


class FailureKind(enum.Enum):
    """Why a send failed.

    In the first group it never reached the receiver, in the second it reached something else, in
    the third the receiver responded.
    """

    NAME_RESOLUTION = "name_resolution"
    """The host name has no address, or the name server did not respond."""
    REFUSED = "refused"
    """Nothing listens on that port."""
    UNREACHABLE = "unreachable"
    """No route to that address."""
    DISCONNECTED = "disconnected"
    """The connection ended before a response."""
    TIMEOUT = "timeout"
    """The timeout passed; ``reason`` has the step."""
    CLOSED = "closed"
    """The transport was closed before or during the send."""
    UNEXPECTED = "unexpected"
    """Another error on this side."""

    TLS = "tls"
    """TLS failed: a certificate, or plaintext on that port."""
    PROXY = "proxy"
    """The proxy failed or refused."""
    PROTOCOL = "protocol"
    """The response was not in the protocol of the request."""

    UNAUTHORIZED = "unauthorized"
    """The credentials are missing or rejected (401, 403, UNAUTHENTICATED, ...)."""
    NOT_SERVED = "not_served"
    """The path or method does not exist there (404, 405, UNIMPLEMENTED)."""
    TOO_LARGE = "too_large"
    """The message is larger than the receiver or the protocol allows."""
    STATUS = "status"
    """Any other status that is not a success."""
    PARTIAL = "partial"
    """The receiver accepted the message and rejected some of its spans."""


class FailureDetail(enum.Enum):
    """The cause within a :class:`FailureKind`, where it is known."""

    RESOLVING = "resolving"
    """The timeout passed during name resolution."""
    CONNECTING = "connecting"
    """The timeout passed while connecting."""
    HANDSHAKE = "handshake"
    """The timeout passed during the TLS handshake."""

    NO_TLS = "no_tls"
    """TLS was sent to a plaintext port."""
    NEEDS_TLS = "needs_tls"
    """Plaintext was sent to a TLS port."""
    CERTIFICATE_TIME = "certificate_time"
    """The server's certificate has expired, or is not valid yet."""
    CERTIFICATE_AUTHORITY = "certificate_authority"
    """The server's certificate is from an authority that is not trusted."""
    CERTIFICATE_NAME = "certificate_name"
    """The server's certificate is for other hosts."""
    CLIENT_CERTIFICATE = "client_certificate"
    """The server requires a client certificate."""

    NEEDS_GRPC = "needs_grpc"
    """HTTP/1.1 was sent to an HTTP/2 port, as gRPC uses it."""
    NEEDS_HTTP = "needs_http"
    """gRPC was sent to an HTTP/1.1 port."""

    MAYBE_TOO_LARGE = "maybe_too_large"
    """The receiver rejected the message without a reason; it may be too large."""


def _endpoint(value: str) -> str:
    return without_credentials(value) if isinstance(value, str) else value


def _check_type(_outcome: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """Raise TypeError for a value from a plugin that counts and messages cannot use."""
    expected, name = _TYPES[attribute.name]
    if not isinstance(value, expected):
        raise TypeError(
            f"the {attribute.name} of an Outcome must be {name}, not {type(value).__name__}"
        )


_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "endpoint": ((str,), "text"),
    "kind": ((FailureKind, type(None)), "a FailureKind or None"),
    "status": ((str, type(None)), "text or None"),
    "reason": ((str, type(None)), "text"),
    "attempts": ((int,), "a whole number"),
    "elapsed": ((int, float), "a number of seconds"),
    "rejected": ((int,), "a whole number"),
    "detail": ((FailureDetail, type(None)), "a FailureDetail or None"),
}


@frozen
class Outcome:
    """The outcome of one ``send``, retries included.

    Attributes:
        ok: whether the receiver accepted everything.
        endpoint: where it was sent, without credentials.
        kind: why it failed; None on success.
        detail: the cause within that kind, None if unknown.
        status: the protocol's status (``"503"``, ``"UNAVAILABLE"``), None without a response.
        reason: one line that a person can act on, with the receiver's message if it sent one.
        attempts: their number; 0 without time for the first.
        elapsed: seconds of the call, waiting included.
        rejected: spans that the receiver rejected of a message that it accepted.
        body: the first 64 KiB of the response's body; it may quote secrets.
        headers: the headers of the response, over gRPC its metadata; without secrets.
        retryable: whether another attempt may succeed.
    """

    ok: bool
    endpoint: str = field(converter=_endpoint, validator=_check_type)
    kind: FailureKind | None = field(default=None, validator=_check_type)
    status: str | None = field(default=None, validator=_check_type)
    reason: str = field(default="", validator=_check_type)
    attempts: int = field(default=1, validator=_check_type)
    elapsed: float = field(default=0.0, validator=_check_type)
    rejected: int = field(default=0, validator=_check_type)
    detail: FailureDetail | None = field(default=None, validator=_check_type)
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(factory=ResponseHeaders, repr=False, eq=False)
    retryable: bool = field(default=False, repr=False)

    def __str__(self) -> str:
        attempts = "1 attempt" if self.attempts == 1 else f"{self.attempts} attempts"
        effort = f"({attempts}, {self.elapsed:.3g} s)"
        return f"{self.endpoint}: {self.reason or ('sent' if self.ok else 'failed')} {effort}"
