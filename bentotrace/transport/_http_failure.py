"""What an answer or an exception means: which failure it is, in words, and whether to try again."""

from __future__ import annotations

import errno
import json
import math
import socket
import time

from bentotrace.redaction import Redaction, without_credentials
from bentotrace.transport._http_answer import Answer, NotHTTPError
from bentotrace.transport._http_connection import TunnelRefusedError, is_disconnection
from bentotrace.transport._page import visible_text
from bentotrace.transport.outcome import FailureDetail, FailureKind
from bentotrace.transport.retry import Attempt
from bentotrace.transport.rpc_status import read_rpc_status
from bentotrace.transport.tls import is_tls_error

__all__ = ["attempt_from_answer", "attempt_from_error", "parse_retry_after"]

_RETRYABLE = frozenset((429, 502, 503, 504))
_KINDS = {
    401: FailureKind.UNAUTHORIZED,
    403: FailureKind.UNAUTHORIZED,
    404: FailureKind.NOT_SERVED,
    405: FailureKind.NOT_SERVED,
    407: FailureKind.PROXY,
    413: FailureKind.TOO_LARGE,
}
_UNREACHABLE = frozenset(
    getattr(errno, name)
    for name in ("EHOSTUNREACH", "ENETUNREACH", "EHOSTDOWN", "ENETDOWN", "EADDRNOTAVAIL")
    if hasattr(errno, name)
)
_PHASES = {
    "resolving": "the name resolution did not end",
    "connecting": "the connection was not accepted",
    "proxy": "the proxy did not open a tunnel",
    "handshake": "the TLS handshake did not end",
    "sending": "the server did not read the request",
    "answer": "the server did not answer",
    "body": "the server's answer did not end",
}
_DETAILS_OF_PHASES = {
    "resolving": FailureDetail.RESOLVING,
    "connecting": FailureDetail.CONNECTING,
    "handshake": FailureDetail.HANDSHAKE,
}
# What Go's servers and nginx say, in plaintext, to who speaks plaintext to them.
_TLS_EXPECTED = ("HTTP request to an HTTPS server", "plain HTTP request was sent to HTTPS port")
# A receiver's words are looked at as far as this: reading them holds the GIL, and 200 characters of
# them are shown. A page of a proxy has its message behind 2 to 8 KiB of head and styles.
_WORDS_LIMIT = 16 * 1024
# An HTTP date has 29 characters.
_RETRY_AFTER_LIMIT = 64
_NO_SECRETS = Redaction()


def attempt_from_answer(answer: Answer, redaction: Redaction) -> Attempt:
    """Return what a server's answer means.

    Args:
        answer: the answer.
        redaction: masks what must not be quoted from it.
    """
    status = str(answer.status)
    phrase = answer.phrase or _phrase(answer.status)
    told = f"{status} {redaction.line(phrase)}".rstrip()
    if 200 <= answer.status < 300:
        if answer.whole:
            return Attempt(ok=True, status=status, reason=told, body=answer.body)
        return Attempt(
            ok=False,
            kind=FailureKind.PROTOCOL,
            status=status,
            reason=f"{told}, but the connection broke off inside the answer",
            body=answer.body,
        )
    if 300 <= answer.status < 400:
        location = redaction.redact(answer.headers.get("location", "nowhere")[:_WORDS_LIMIT])
        moved = redaction.line(without_credentials(location))
        reason = f"{told}: redirects are not followed; the endpoint moved to {moved}"
    else:
        message = redaction.line(_message(answer, redaction))
        reason = f"{told}: {message}" if message else told
    needs_tls = answer.status == 400 and any(words in reason for words in _TLS_EXPECTED)
    return Attempt(
        ok=False,
        detail=FailureDetail.NEEDS_TLS if needs_tls else None,
        kind=_KINDS.get(answer.status, FailureKind.STATUS),
        status=status,
        reason=reason,
        body=answer.body,
        retryable=answer.status in _RETRYABLE,
        delay=parse_retry_after(answer.headers.get("retry-after")),
    )


def attempt_from_error(
    error: Exception,
    *,
    phase: str,
    peer: str,
    through_proxy: bool,
    timeout: float,
    redaction: Redaction = _NO_SECRETS,
) -> Attempt:
    """Return what an exception means.

    Args:
        error: from connecting or exchanging.
        phase: the connection's phase when it happened.
        peer: ``host:port`` of the server, or the proxy's URL.
        through_proxy: whether the peer is a proxy.
        timeout: seconds that the call had.
        redaction: masks what must not be quoted from it.
    """
    detail = _detail(error, phase)
    kind, reason, retryable = _diagnose(error, detail, phase, peer, timeout, redaction)
    if through_proxy and phase in ("resolving", "connecting", "proxy"):
        if kind is not FailureKind.TIMEOUT:
            kind = FailureKind.PROXY
        reason = f"proxy {peer}: {reason}"
    return Attempt(ok=False, kind=kind, reason=reason, retryable=retryable, detail=detail)


def _detail(error: Exception, phase: str) -> FailureDetail | None:
    """Return which failure of its kind it is."""
    if isinstance(error, TimeoutError):
        return _DETAILS_OF_PHASES.get(phase)
    if is_tls_error(error):
        from bentotrace.transport._tls_failure import detail_of

        return detail_of(error)
    if isinstance(error, NotHTTPError):
        if error.start.startswith("\x15\x03"):
            return FailureDetail.NEEDS_TLS
        # An HTTP/2 server begins with a SETTINGS frame: three bytes of length, then its type, 4.
        if error.start.startswith("\0") and error.start[3:4] == "\x04":
            return FailureDetail.NEEDS_GRPC
    return None


def _diagnose(
    error: Exception,
    detail: FailureDetail | None,
    phase: str,
    peer: str,
    timeout: float,
    redaction: Redaction,
) -> tuple[FailureKind, str, bool]:
    """Return kind, reason, and whether another attempt may fare better."""
    told = redaction.line(getattr(error, "strerror", None) or str(error) or type(error).__name__)
    if is_tls_error(error) and not is_disconnection(error):
        from bentotrace.transport._tls_failure import reason_of

        return FailureKind.TLS, reason_of(error, detail, redaction), False
    if isinstance(error, TimeoutError):
        reason = f"{_PHASES.get(phase, phase)} within the {timeout:.3g} s timeout"
        return FailureKind.TIMEOUT, reason, True
    if isinstance(error, socket.gaierror):
        host = peer.rpartition(":")[0]
        return FailureKind.NAME_RESOLUTION, f"cannot resolve the host name {host}: {told}", True
    if isinstance(error, ConnectionRefusedError):
        return FailureKind.REFUSED, f"connection refused: nothing listens on {peer}", True
    if is_disconnection(error):
        if phase == "handshake":
            reason = "the server closed the connection during the TLS handshake"
        elif phase == "body":
            reason = "the connection broke off inside the answer"
        else:
            reason = "the server closed the connection without an answer"
        return FailureKind.DISCONNECTED, reason, True
    if isinstance(error, TunnelRefusedError):
        reason = f"it refused the tunnel: {error.status} {redaction.line(error.phrase)}".rstrip()
        return FailureKind.PROXY, reason, error.status in _RETRYABLE
    if isinstance(error, OSError) and error.errno in _UNREACHABLE:
        return FailureKind.UNREACHABLE, f"cannot reach {peer}: {told}", True
    if isinstance(error, NotHTTPError):
        return FailureKind.PROTOCOL, _protocol_reason(told, detail), False
    return FailureKind.UNEXPECTED, f"{type(error).__name__}: {told}", False


def _protocol_reason(told: str, detail: FailureDetail | None) -> str:
    if detail is FailureDetail.NEEDS_TLS:
        return "the answer is TLS, not HTTP; an https:// endpoint may be meant"
    if detail is FailureDetail.NEEDS_GRPC:
        return "the answer is HTTP/2, not HTTP/1.1; this may be a gRPC port"
    return f"the answer is not HTTP: {told}"


def _message(answer: Answer, redaction: Redaction) -> str:
    """Return the server's own words, from whichever form it put them in.

    Whatever they are, the status decides what the answer means: nothing here may raise.
    """
    kind = answer.headers.get("content-type", "text/plain").partition(";")[0].strip().lower()
    if kind == "application/x-protobuf":
        try:
            return read_rpc_status(answer.body).message[:_WORDS_LIMIT]
        except ValueError:
            return ""
    text = answer.body[:_WORDS_LIMIT].decode("utf-8", "replace")
    if kind.endswith("json"):  # also the problem details of RFC 9457
        return _message_in_json(text)
    if kind == "text/html":
        # Its tags are removed, which may leave half of a secret with a "<" in it.
        return visible_text(redaction.redact(text))
    return text if kind.startswith("text/") or kind.endswith("json") else ""


def _message_in_json(text: str) -> str:
    """Return the message that a JSON object has; the text itself where it has none."""
    try:
        # Numbers stay text: reading one of thousands of digits takes long, or is an error.
        content = json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return text
    for key in ("message", "error", "detail"):
        if isinstance(content, dict) and isinstance(content.get(key), str):
            return str(content[key])
    return text


def parse_retry_after(value: str | None) -> float | None:
    """Return the seconds that a ``Retry-After`` asks to wait; None when it says nothing usable.

    Args:
        value: seconds or an HTTP date (RFC 9110, section 10.2.3).
    """
    if value is None or len(value) > _RETRY_AFTER_LIMIT:
        return None
    try:
        seconds = float(value)
    except ValueError:
        from email.utils import parsedate_to_datetime  # here, for hardly a server sends a date

        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (IndexError, OSError, OverflowError, TypeError, ValueError):
            return None
        return max(0.0, seconds)
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _phrase(status: int) -> str:
    from http import HTTPStatus  # here, for hardly a server leaves the phrase out

    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
