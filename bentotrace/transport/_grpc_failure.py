"""The meaning of a gRPC error: kind of failure, reason, and whether to retry.

gRPC's core distinguishes most failures to connect by the text only. An unknown text is reported as
``DISCONNECTED`` or ``STATUS`` with gRPC's message.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from attrs import evolve

from bentotrace.redaction import Redaction, one_line
from bentotrace.transport._proxy import Proxy, bracketed
from bentotrace.transport._rpc_status import read_rpc_status
from bentotrace.transport._size_limits import blames_size
from bentotrace.transport.outcome import FailureDetail, FailureKind
from bentotrace.transport.retry import Attempt
from bentotrace.values import frozen

__all__ = ["RESPONSE_LIMIT", "RETRIED_STATUSES", "Failure", "attempt_from_failure"]

RESPONSE_LIMIT = 4 * 1024 * 1024 - 3
"""Bytes of a response; a number that no server has for its limit, which the same text names."""

# Source: the OTLP specification, "Failures" of OTLP/gRPC.
RETRIED_STATUSES = frozenset(
    ("CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS")
)
"""The codes of a receiver that may accept the same message later."""

_RETRYABLE_OF_PROXIES = frozenset((429, 502, 503, 504))
_KINDS = {
    "UNAUTHENTICATED": FailureKind.UNAUTHORIZED,
    "PERMISSION_DENIED": FailureKind.UNAUTHORIZED,
    "UNIMPLEMENTED": FailureKind.NOT_SERVED,
}
_RESPONSES = (FailureKind.STATUS, FailureKind.UNAUTHORIZED, FailureKind.NOT_SERVED)
_UNREACHED = (FailureKind.NAME_RESOLUTION, FailureKind.REFUSED, FailureKind.UNREACHABLE)
_DETAILS = "grpc-status-details-bin"
# An UNAVAILABLE from a server may quote "Connection refused" of another server behind it.
_CONNECTING = re.compile(
    r"(?:failed to connect to all addresses|connections to all backends failing)"
    r"(?:; last error: (?:[A-Z_]+: )?(?:(?:ipv[46]|unix)\S*: )?)?"
)
_RESOLVING = ("DNS resolution failed", "errors resolving", "empty address list")
# The core gave up before a response.
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
# The core closed a connection whose server sent nothing.
_SILENT = ("timed out before receiving SETTINGS", "Endpoint closing")
_TUNNEL_REFUSED = re.compile(r"HTTP proxy returned response code (\d{3})")
_UNVERIFIED = "CERTIFICATE_VERIFY_FAILED: "
# The core's messages have less than 2 KiB; of a server's, 200 characters are shown.
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
        details: the message of the server or of gRPC's core.
        trailers: the trailing metadata.
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
    compressed: bool = False,
    redaction: Redaction = _NO_SECRETS,
    proxy: Proxy | None = None,
    retried: Collection[str] = RETRIED_STATUSES,
) -> Attempt:
    """Return the attempt that a gRPC error makes, with secrets masked in its reason.

    Args:
        failure: the error.
        target: ``host:port``.
        service: the service that was called.
        secure: whether the connection has TLS.
        timeout: seconds of the call.
        compressed: whether the request was.
        redaction: masks secrets.
        proxy: what the connection goes through, None for a direct one.
        retried: the codes of a receiver that are retried.
    """
    failure = evolve(failure, details=redaction.redact(failure.details[:_DETAILS_LIMIT]))
    delay = _retry_delay(failure.trailers)
    if _is_oversized_response(failure, compressed):
        text = one_line(failure.details)
        kind, retryable = FailureKind.PROTOCOL, False
        reason = f"the response of {target} is too large; it is not from a receiver ({text})"
    else:
        kind, reason, retryable = _diagnose(failure, target, service, secure, timeout)
    if proxy is not None and kind in _UNREACHED:
        peer = f"{bracketed(proxy.host)}:{proxy.port}"
        _, reason, _ = _diagnose(failure, peer, service, secure, timeout)
        kind, reason = FailureKind.PROXY, f"proxy {proxy}: {reason}"
    detail = _detail(kind, failure.details)
    if kind in _RESPONSES:
        retryable = failure.code in retried
    if kind is FailureKind.STATUS and failure.code == "RESOURCE_EXHAUSTED":
        retryable = retryable or delay is not None
        if not retryable and blames_size(failure.details) is None:
            detail = FailureDetail.MAYBE_TOO_LARGE
    return Attempt(
        ok=False,
        kind=kind,
        status=failure.code,
        reason=reason,
        retryable=retryable,
        detail=detail,
        delay=delay,
    )


def _is_oversized_response(failure: Failure, compressed: bool) -> bool:
    """Return whether gRPC's core, not the server, found a message too large."""
    if failure.code != "RESOURCE_EXHAUSTED":
        return False
    if f"vs. {RESPONSE_LIMIT})" in failure.details:
        return True
    return failure.details == "Decompressed message larger than max" and not compressed


def _detail(kind: FailureKind, details: str) -> FailureDetail | None:
    if kind not in {FailureKind.TIMEOUT, FailureKind.TLS, FailureKind.PROTOCOL}:
        return None
    return next((detail for words, detail in _FAILURE_DETAILS if words.search(details)), None)


def _diagnose(
    failure: Failure, target: str, service: str, secure: bool, timeout: float
) -> tuple[FailureKind, str, bool]:
    """Return kind, reason, and whether another attempt may succeed."""
    code, details = failure.code, failure.details
    text = one_line(f"{code}: {details}" if details else code)
    if code == "UNAVAILABLE":
        diagnosis = _diagnose_connecting(details, target, secure)
        if diagnosis is not None:
            return diagnosis
    if code == "DEADLINE_EXCEEDED" and "deadline exceeded" in details.lower():
        return FailureKind.TIMEOUT, f"no response within the {timeout:.3g} s timeout", True
    if code == "UNIMPLEMENTED" or "http2 header with status: 404" in details:
        reason = f"{service} is not served at {target} ({text})"
        return FailureKind.NOT_SERVED, reason, False
    if "http2 header with status: 413" in details:
        return FailureKind.TOO_LARGE, text, False
    if code not in _KINDS and code != "UNAVAILABLE" and blames_size(details):
        return FailureKind.TOO_LARGE, text, False
    if "http2 header with status" in details or "Failed parsing HTTP/2" in details:
        reason = f"the server at {target} does not speak gRPC ({text})"
        return FailureKind.PROTOCOL, reason, code in RETRIED_STATUSES
    return _KINDS.get(code, FailureKind.STATUS), text, False


def _diagnose_connecting(
    details: str, target: str, secure: bool
) -> tuple[FailureKind, str, bool] | None:
    """Return the same for a connection that failed or ended, None for any other error."""
    connecting = _CONNECTING.match(details)
    text = one_line(details[connecting.end() :] if connecting else details)
    if details.startswith(_RESOLVING):
        host = target.rpartition(":")[0] or target
        return FailureKind.NAME_RESOLUTION, f"cannot resolve the host name {host}: {text}", True
    if not connecting:
        if details.startswith(_BROKEN_OFF):
            reason = f"the connection to {target} was lost ({text})"
            return FailureKind.DISCONNECTED, reason, True
        return None
    if "Connection refused" in text or "No such file or directory" in text:
        return FailureKind.REFUSED, f"connection refused: nothing listens on {target}", True
    if any(words in text for words in _SILENT):
        reason = (
            f"the server at {target} accepted the connection but did not respond in time ({text})"
        )
        return FailureKind.TIMEOUT, reason, True
    if any(words in text for words in _GIVEN_UP):
        return FailureKind.TIMEOUT, f"no connection to {target} was made in time ({text})", True
    refused = _TUNNEL_REFUSED.search(text)
    if refused:
        reason = f"the proxy refused the tunnel to {target}: {refused[1]}"
        return FailureKind.PROXY, reason, int(refused[1]) in _RETRYABLE_OF_PROXIES
    if any(words in text for words in ("No route to host", "unreachable", "Permission denied")):
        return FailureKind.UNREACHABLE, f"cannot reach {target}: {text}", True
    if "WRONG_VERSION_NUMBER" in text:
        reason = f"the server at {target} does not speak TLS; try a plaintext connection"
        return FailureKind.TLS, reason, False
    unverified = text.partition(_UNVERIFIED)[2]
    if unverified:
        why = unverified.removesuffix(": OK")
        reason = f"the server's certificate is not trusted: {why}"
        if _detail(FailureKind.TLS, text) is FailureDetail.CERTIFICATE_AUTHORITY:
            reason += "; name its authority's certificate file"
        return FailureKind.TLS, reason, False
    if "CERTIFICATE_VERIFY_FAILED" in text:
        reason = f"the server's certificate is not trusted; name its authority's file ({text})"
        return FailureKind.TLS, reason, False
    if "Hostname Verification" in text or "not in peer certificate" in text:
        reason = f"the server's certificate is not for the host of {target} ({text})"
        return FailureKind.TLS, reason, False
    if "security handshaker" in text:
        return FailureKind.TLS, "TLS failed: gRPC cannot use the configured certificates", False
    if "handshake failed" in text:
        return FailureKind.TLS, f"TLS failed: {text}", "SSL_ERROR_SSL" not in text
    if any(words in text for words in _NO_GRPC):
        reason = f"the server at {target} does not speak gRPC; it may be an HTTP port ({text})"
        return FailureKind.PROTOCOL, reason, False
    hint = "it may require a client certificate" if secure else "it may expect TLS"
    reason = f"the server at {target} closed the connection before it was used ({text}); {hint}"
    return FailureKind.DISCONNECTED, reason, True


def _retry_delay(trailers: Sequence[tuple[str, str | bytes]]) -> float | None:
    """Return the wait in seconds of a RetryInfo, None without one."""
    for key, value in trailers:
        if key == _DETAILS and isinstance(value, bytes):
            try:
                return read_rpc_status(value).retry_delay
            except ValueError:
                return None
    return None
