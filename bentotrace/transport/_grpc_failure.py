"""What a gRPC error means: which failure it is, in words, and whether to try again.

gRPC's core tells most failures to connect by its wording only. What is not recognised here is
still reported, as ``DISCONNECTED`` or ``STATUS`` with gRPC's own words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from attrs import evolve, frozen

from bentotrace.redaction import Redaction, one_line
from bentotrace.transport.outcome import FailureDetail, FailureKind
from bentotrace.transport.retry import Attempt
from bentotrace.transport.rpc_status import read_rpc_status

__all__ = ["Failure", "attempt_from_failure"]

# Source: the OTLP specification, "Failures" of OTLP/gRPC.
_RETRYABLE = frozenset(
    ("CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS")
)
_RETRYABLE_OF_PROXIES = frozenset((429, 502, 503, 504))
_KINDS = {
    "UNAUTHENTICATED": FailureKind.UNAUTHORIZED,
    "PERMISSION_DENIED": FailureKind.UNAUTHORIZED,
    "UNIMPLEMENTED": FailureKind.NOT_SERVED,
}
_DETAILS = "grpc-status-details-bin"
# A server's own UNAVAILABLE may well quote "Connection refused" of something behind it.
_CONNECTING = re.compile(
    r"(?:failed to connect to all addresses|connections to all backends failing)"
    r"(?:; last error: (?:[A-Z_]+: )?(?:(?:ipv[46]|unix)\S*: )?)?"
)
_RESOLVING = ("DNS resolution failed", "errors resolving", "empty address list")
# How cores call an attempt that they gave up before anybody answered.
_GIVEN_UP = ("handshaker shutdown", "FD Shutdown", "Timeout occurred", "timed out")
_BROKEN_OFF = (
    "Socket closed",
    "Stream removed",
    "Connection reset",
    "Broken pipe",
    "recvmsg:",
    "sendmsg:",
)
_NO_GRPC = ("http1.x server", "Failed parsing HTTP/2", "missing selected ALPN")
# How a core ends a connection of its own whose other side said nothing for too long.
_SILENT = ("timed out before receiving SETTINGS", "Endpoint closing")
_TUNNEL_REFUSED = re.compile(r"HTTP proxy returned response code (\d{3})")
_UNVERIFIED = "CERTIFICATE_VERIFY_FAILED: "
# The core's own words have less than 2 KiB, and a server's are shown as far as 200 characters.
_DETAILS_LIMIT = 8 * 1024
_NO_SECRETS = Redaction()
_FAILURE_DETAILS = (
    (
        re.compile("handshaker shutdown|FD Shutdown|Timeout occurred|timed out(?! before)"),
        FailureDetail.CONNECTING,
    ),
    (re.compile("Endpoint closing"), FailureDetail.HANDSHAKE),
    (re.compile("has expired|not yet valid"), FailureDetail.CERTIFICATE_TIME),
    (
        re.compile("issuer certificate|self.signed|verify the first certificate"),
        FailureDetail.CERTIFICATE_AUTHORITY,
    ),
    (re.compile("Hostname Verif|not in peer cert"), FailureDetail.CERTIFICATE_NAME),
    (re.compile("WRONG_VERSION_NUMBER"), FailureDetail.NO_TLS),
    # The types are letters of "HTTP/1.1 400" and "<!DOCTYPE".
    (
        re.compile("http1.x server|got frame type (?:79|80)|selected ALPN"),
        FailureDetail.NEEDS_HTTP,
    ),
)


@frozen
class Failure:
    """A gRPC error, without gRPC's types.

    Attributes:
        code: the status code's name.
        details: the server's message, or what gRPC's core says.
        trailers: the trailing metadata, None when there was no answer.
    """

    code: str
    details: str
    trailers: Sequence[tuple[str, str | bytes]] = ()


def attempt_from_failure(
    failure: Failure,
    *,
    target: str,
    service: str,
    secure: bool,
    timeout: float,
    redaction: Redaction = _NO_SECRETS,
) -> Attempt:
    """Return what a gRPC error means.

    Args:
        failure: the error.
        target: ``host:port``.
        service: the service that was called.
        secure: whether TLS was spoken.
        timeout: seconds that the call had.
        redaction: masks what must not be quoted from the error.
    """
    failure = evolve(failure, details=redaction.redact(failure.details[:_DETAILS_LIMIT]))
    delay = _retry_delay(failure.trailers)
    kind, reason, retryable = _diagnose(failure, target, service, secure, timeout)
    if kind is FailureKind.STATUS and failure.code == "RESOURCE_EXHAUSTED":
        retryable = delay is not None
    return Attempt(
        ok=False,
        kind=kind,
        status=failure.code,
        reason=reason,
        retryable=retryable,
        detail=_detail(kind, failure.details),
        delay=delay,
    )


def _detail(kind: FailureKind, details: str) -> FailureDetail | None:
    """Return which failure of its kind it is."""
    if kind not in {FailureKind.TIMEOUT, FailureKind.TLS, FailureKind.PROTOCOL}:
        return None
    return next((detail for words, detail in _FAILURE_DETAILS if words.search(details)), None)


def _diagnose(
    failure: Failure, target: str, service: str, secure: bool, timeout: float
) -> tuple[FailureKind, str, bool]:
    """Return kind, reason, and whether another attempt may fare better."""
    code, details = failure.code, failure.details
    told = one_line(f"{code}: {details}" if details else code)
    if code == "UNAVAILABLE":
        diagnosis = _diagnose_connecting(details, target, secure)
        if diagnosis is not None:
            return diagnosis
    if code == "DEADLINE_EXCEEDED" and "deadline exceeded" in details.lower():
        return FailureKind.TIMEOUT, f"no answer within the {timeout:.3g} s timeout", True
    if code == "UNIMPLEMENTED" or "http2 header with status: 404" in details:
        reason = f"{service} is not served at {target} ({told})"
        return FailureKind.NOT_SERVED, reason, False
    if code == "RESOURCE_EXHAUSTED" and "larger than max" in details:
        return FailureKind.TOO_LARGE, told, False
    if "http2 header with status" in details or "Failed parsing HTTP/2" in details:
        reason = f"the server at {target} does not speak gRPC ({told})"
        return FailureKind.PROTOCOL, reason, code in _RETRYABLE
    return _KINDS.get(code, FailureKind.STATUS), told, code in _RETRYABLE


def _diagnose_connecting(
    details: str, target: str, secure: bool
) -> tuple[FailureKind, str, bool] | None:
    """Return the same for a connection that could not be made or kept, None when that is not it."""
    connecting = _CONNECTING.match(details)
    told = one_line(details[connecting.end() :] if connecting else details)
    if details.startswith(_RESOLVING):
        host = target.rpartition(":")[0] or target
        return FailureKind.NAME_RESOLUTION, f"cannot resolve the host name {host}: {told}", True
    if not connecting:
        if details.startswith(_BROKEN_OFF):
            reason = f"the connection to {target} broke off ({told})"
            return FailureKind.DISCONNECTED, reason, True
        return None
    if "Connection refused" in told or "No such file or directory" in told:
        return FailureKind.REFUSED, f"connection refused: nothing listens on {target}", True
    if any(words in told for words in _SILENT):
        reason = f"the server at {target} was connected to and said nothing in time ({told})"
        return FailureKind.TIMEOUT, reason, True
    if any(words in told for words in _GIVEN_UP):
        return FailureKind.TIMEOUT, f"no connection to {target} was made in time ({told})", True
    refused = _TUNNEL_REFUSED.search(told)
    if refused:
        reason = f"the proxy refused the tunnel to {target}: {refused[1]}"
        return FailureKind.PROXY, reason, int(refused[1]) in _RETRYABLE_OF_PROXIES
    if "No route to host" in told or "unreachable" in told:
        return FailureKind.UNREACHABLE, f"cannot reach {target}: {told}", True
    if "WRONG_VERSION_NUMBER" in told:
        reason = f"the server at {target} does not speak TLS; a plaintext connection may be meant"
        return FailureKind.TLS, reason, False
    unverified = told.partition(_UNVERIFIED)[2]
    if unverified:
        why = unverified.removesuffix(": OK")
        reason = f"the server's certificate is not trusted: {why}"
        if _detail(FailureKind.TLS, told) is FailureDetail.CERTIFICATE_AUTHORITY:
            reason += "; name its authority's certificate file"
        return FailureKind.TLS, reason, False
    if "CERTIFICATE_VERIFY_FAILED" in told:
        reason = f"the server's certificate is not trusted; name its authority's file ({told})"
        return FailureKind.TLS, reason, False
    if "Hostname Verification" in told or "not in peer certificate" in told:
        reason = f"the server's certificate is not for the host of {target} ({told})"
        return FailureKind.TLS, reason, False
    if "security handshaker" in told:
        return FailureKind.TLS, "TLS failed: gRPC cannot use the certificates it was given", False
    if "handshake failed" in told:
        return FailureKind.TLS, f"TLS failed: {told}", "SSL_ERROR_SSL" not in told
    if any(words in told for words in _NO_GRPC):
        reason = f"the server at {target} does not speak gRPC; it may be an HTTP port ({told})"
        return FailureKind.PROTOCOL, reason, False
    hint = "it may ask for a client certificate" if secure else "it may expect TLS"
    reason = f"the server at {target} closed the connection before it was used ({told}); {hint}"
    return FailureKind.DISCONNECTED, reason, True


def _retry_delay(trailers: Sequence[tuple[str, str | bytes]]) -> float | None:
    """Return the seconds that a RetryInfo asks to wait, None when there is none."""
    for key, value in trailers:
        if key == _DETAILS and isinstance(value, bytes):
            try:
                return read_rpc_status(value).retry_delay
            except ValueError:
                return None
    return None
