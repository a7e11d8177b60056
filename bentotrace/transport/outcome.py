"""What came of a send, in a form that logs, status tables and diagnoses are built on."""

from __future__ import annotations

import enum

from attrs import field, frozen

from bentotrace.redaction import without_credentials

__all__ = ["FailureDetail", "FailureKind", "Outcome"]


class FailureKind(enum.Enum):
    """Why a send failed, as far as the sender can tell.

    The first group never reached the receiver, the second reached something that is not the
    receiver, the third was answered by it.
    """

    NAME_RESOLUTION = "name_resolution"
    """The host name has no address, or the name server did not answer."""
    REFUSED = "refused"
    """Nothing listens on that port."""
    UNREACHABLE = "unreachable"
    """There is no way to that address."""
    DISCONNECTED = "disconnected"
    """The connection broke off before there was an answer."""
    TIMEOUT = "timeout"
    """The timeout passed; ``reason`` says during what."""
    CLOSED = "closed"
    """The transport was closed before or during the send."""
    UNEXPECTED = "unexpected"
    """Something else went wrong on this side."""

    TLS = "tls"
    """No TLS connection could be made: certificates, or no TLS on that port."""
    PROXY = "proxy"
    """The proxy could not be used, or refused."""
    PROTOCOL = "protocol"
    """The answer was not in the protocol that was spoken."""

    UNAUTHORIZED = "unauthorized"
    """The credentials are missing or not accepted (401, 403, UNAUTHENTICATED, ...)."""
    NOT_SERVED = "not_served"
    """That path or method does not exist there (404, 405, UNIMPLEMENTED)."""
    TOO_LARGE = "too_large"
    """The message is larger than the receiver, or the protocol, takes."""
    STATUS = "status"
    """Any other status that is no success."""
    PARTIAL = "partial"
    """The receiver took the message and refused some of the spans in it."""


class FailureDetail(enum.Enum):
    """Which of the failures of its kind it was, where the sender can tell."""

    RESOLVING = "resolving"
    """The timeout passed before the host name had an address."""
    CONNECTING = "connecting"
    """The timeout passed before there was a connection."""
    HANDSHAKE = "handshake"
    """The timeout passed during the TLS handshake."""

    NO_TLS = "no_tls"
    """TLS was spoken to a server that speaks plaintext."""
    NEEDS_TLS = "needs_tls"
    """Plaintext was spoken to a server that speaks TLS."""
    CERTIFICATE_TIME = "certificate_time"
    """The server's certificate has expired, or is not valid yet."""
    CERTIFICATE_AUTHORITY = "certificate_authority"
    """The server's certificate is from an authority that is not trusted."""
    CERTIFICATE_NAME = "certificate_name"
    """The server's certificate is for other hosts."""
    CLIENT_CERTIFICATE = "client_certificate"
    """The server asks for a client certificate."""

    NEEDS_GRPC = "needs_grpc"
    """HTTP/1.1 was spoken to a server that speaks HTTP/2, as gRPC does."""
    NEEDS_HTTP = "needs_http"
    """gRPC was spoken to a server that speaks HTTP/1.1."""


@frozen
class Outcome:
    """What came of one ``send``, retries included.

    Attributes:
        ok: whether the receiver took everything.
        endpoint: where it was sent; never with credentials.
        kind: why it failed; None when it did not.
        detail: which failure of that kind it was; None where that is not known.
        status: the protocol's own word (``"503"``, ``"UNAVAILABLE"``), None when there was none.
        reason: one line that a person can act on, with the receiver's own message if it sent one.
        attempts: how often it was tried; 0 when there was not even time for the first.
        elapsed: seconds from the call to its end, waiting included.
        rejected: spans that the receiver refused of a message it took.
        body: the receiver's answer, at most its first 64 KiB.
    """

    ok: bool
    endpoint: str = field(converter=without_credentials)
    kind: FailureKind | None = None
    status: str | None = None
    reason: str = ""
    attempts: int = 1
    elapsed: float = 0.0
    rejected: int = 0
    detail: FailureDetail | None = None
    body: bytes = field(default=b"", repr=False)

    @property
    def retried(self) -> bool:
        """Whether it took, or had, more than one attempt."""
        return self.attempts > 1

    def __str__(self) -> str:
        attempts = "1 attempt" if self.attempts == 1 else f"{self.attempts} attempts"
        effort = f"({attempts}, {self.elapsed:.3g} s)"
        return f"{self.endpoint}: {self.reason or ('sent' if self.ok else 'failed')} {effort}"
