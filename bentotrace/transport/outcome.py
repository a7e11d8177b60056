"""What came of a send, in a form that logs, status tables and diagnoses are built on."""

from __future__ import annotations

import enum
import re

from attrs import field, frozen

__all__ = [
    "FailureDetail",
    "FailureKind",
    "Outcome",
    "one_line",
    "secret_parameters",
    "without_any_credentials",
    "without_credentials",
]

# Of slashes there may be too few or too many.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/+|/+")
_USERINFO = re.compile(r"(?<=://)[^/\s@]*@")
_HOST_AND_PORT = re.compile(r"(?:\[[^\]]*\]|[^:]+)(?::[0-9]*)?")
_MESSAGE_LENGTH = 200
# A parameter of a URL whose name says that its value is nobody's business.
_SECRET_PARAMETER = (
    r"([?&][^=&#\s]*(?:key|token|secret|passw|pwd|auth|credential|sig)[^=&#\s]*=)([^&#\s]+)"
)


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


def without_credentials(url: str) -> str:
    """Return the URL, or ``host:port``, without its ``user:password@`` and keys in its query.

    Args:
        url: an endpoint as a person wrote it; it need not be valid.
    """
    scheme = _SCHEME.match(url)
    start = scheme.end() if scheme else 0
    authority = re.split("[/?#]", url[start:], maxsplit=1)[0]
    # An unquoted slash in a password ends the authority early, and leaves half the password in it;
    # so does one behind a scheme without its colon.
    broken = scheme is None or _HOST_AND_PORT.fullmatch(authority) is None
    broken = broken and "@" not in authority
    userinfo = (url[start:] if broken else authority).rpartition("@")[0]
    return _without_keys(url[:start] + url[start + len(userinfo) :].removeprefix("@"))


def without_any_credentials(text: str) -> str:
    """Return a text without the ``user:password@`` of the URLs in it, and keys in their queries."""
    return _without_keys(_USERINFO.sub("", text))


def secret_parameters(url: str) -> tuple[str, ...]:
    """Return the values in a URL's query that must not be shown."""
    found = re.findall(_SECRET_PARAMETER, url, re.IGNORECASE) if "?" in url else []
    return tuple(value for _, value in found)


def _without_keys(text: str) -> str:
    return re.sub(_SECRET_PARAMETER, r"\1***", text, flags=re.IGNORECASE) if "?" in text else text


def one_line(text: str, length: int = _MESSAGE_LENGTH) -> str:
    """Return printable text without line breaks, of at most ``length`` characters."""
    # A server may answer with megabytes; only what can be in the result is looked at.
    printable = "".join(c if c.isprintable() else " " for c in text[: 8 * length])
    line = " ".join(printable.split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


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
