"""The meaning of a response or an exception: kind of failure, reason, and whether to retry."""

from __future__ import annotations

import errno
import html
import json
import math
import re
import socket
import time
from collections.abc import Collection, Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from bentotrace.redaction import Redaction, without_credentials
from bentotrace.transport._http_connection import TunnelRefusedError, is_disconnection
from bentotrace.transport._http_response import NotHTTPError, Response
from bentotrace.transport._rpc_status import read_rpc_status
from bentotrace.transport._size_limits import blames_size
from bentotrace.transport.headers import ResponseHeaders
from bentotrace.transport.outcome import FailureDetail, FailureKind
from bentotrace.transport.retry import Attempt
from bentotrace.transport.tls import is_tls_error, tls_detail, tls_reason

__all__ = [
    "RETRIED_STATUSES",
    "attempt_from_error",
    "attempt_from_response",
    "parse_retry_after",
    "visible_text",
]

RETRIED_STATUSES = frozenset((429, 502, 503, 504))
"""The statuses of receivers and proxies that are busy."""

# The OpenTelemetry Collector and Django respond with 400 instead of 413, IIS with 500.
_MAY_BE_SIZE = frozenset((400, 422, 500))
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
    for name in (
        *("EHOSTUNREACH", "ENETUNREACH", "EHOSTDOWN", "ENETDOWN", "EADDRNOTAVAIL"),
        # Of a Unix socket: no permission, and a full queue of connections.
        *("EACCES", "EAGAIN"),
    )
    if hasattr(errno, name)
)
_PHASES = {
    "resolving": "the name resolution did not end",
    "connecting": "the connection was not accepted",
    "proxy": "the proxy did not open a tunnel",
    "proxy_handshake": "the TLS handshake did not end",
    "handshake": "the TLS handshake did not end",
    "sending": "the server did not read the request",
    "response": "the server did not respond",
    "body": "the response did not end",
}
_TIMEOUT_DETAILS = {
    "resolving": FailureDetail.RESOLVING,
    "connecting": FailureDetail.CONNECTING,
    "handshake": FailureDetail.HANDSHAKE,
}
# The plaintext responses of Go's servers and nginx to plaintext on a TLS port.
_TLS_EXPECTED = ("HTTP request to an HTTPS server", "plain HTTP request was sent to HTTPS port")
# The part of a body that is searched for a message: parsing holds the GIL, and 200 characters are
# shown. A proxy's page has its message after 2 to 8 KiB of head and styles.
_WORDS_LIMIT = 16 * 1024
_PROTOBUF = ("application/x-protobuf", "application/protobuf")
# An HTTP date has 29 characters.
_RETRY_AFTER_LIMIT = 64
_NO_SECRETS = Redaction()
# What may precede a page: blanks, and the marks and zeros of UTF-8 and UTF-16.
_BEFORE_PAGE = b" \t\r\n\f\0\xef\xbb\xbf\xff\xfe"
# Some receivers respond with a word, and the type that their framework sets by default.
_LONGEST_WORD = 256
# A tag, or an element that is not shown. Each alternative matches up to the end of the page where
# its own end is missing, so that nothing is scanned twice.
_HIDDEN = r"(?is)<(script|style|head)(?!\w).*?(?:</\1(?!\w)[^>]*(?:>|\Z)|\Z)|<[a-z/!?][^>]*(?:>|\Z)"


def attempt_from_response(
    response: Response, redaction: Redaction, retried: Collection[int] = RETRIED_STATUSES
) -> Attempt:
    """Return the attempt that a response makes, with secrets masked in its reason."""
    status = str(response.status)
    headers = ResponseHeaders(response.headers.items(), redaction)
    phrase = response.phrase or _phrase(response.status)
    shown = f"{status} {redaction.line(phrase)}".rstrip()
    body = response.content()
    if 200 <= response.status < 300:
        reason = ""
        if not response.whole:
            reason = f"{shown}, but the connection ended inside the response"
        elif _is_page(response.headers, body):
            reason = "the response is a web page, not from a receiver; check host, port and path"
        if reason:
            kind = FailureKind.PROTOCOL
            return Attempt(False, kind, status, reason, body, headers=headers)
        return Attempt(ok=True, status=status, reason=shown, body=body, headers=headers)
    message = ""
    if 300 <= response.status < 400:
        location = redaction.redact(response.headers.get("location", "nowhere")[:_WORDS_LIMIT])
        moved = redaction.line(without_credentials(location))
        reason = f"{shown}: redirects are not followed; the endpoint moved to {moved}"
    else:
        message = redaction.line(_message(response.headers, body, redaction))
        reason = f"{shown}: {message}" if message else shown
    needs_tls = response.status == 400 and any(words in reason for words in _TLS_EXPECTED)
    kind = _KINDS.get(response.status, FailureKind.STATUS)
    if response.status in _MAY_BE_SIZE and blames_size(message):
        kind = FailureKind.TOO_LARGE
    return Attempt(
        ok=False,
        detail=FailureDetail.NEEDS_TLS if needs_tls else None,
        kind=kind,
        status=status,
        reason=reason,
        body=body,
        retryable=response.status in retried,
        delay=parse_retry_after(response.headers.get("retry-after")),
        headers=headers,
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
    """Return the attempt that an exception makes.

    Args:
        error: from connecting or exchanging.
        phase: the connection's phase when it was raised.
        peer: ``host:port`` of the server, or the proxy's URL.
        through_proxy: whether the peer is a proxy.
        timeout: seconds of the call.
        redaction: masks secrets in the reason.
    """
    detail = _detail(error, phase)
    kind, reason, retryable = _diagnose(error, detail, phase, peer, timeout, redaction)
    if through_proxy and phase in ("resolving", "connecting", "proxy_handshake", "proxy"):
        if kind is not FailureKind.TIMEOUT:
            kind = FailureKind.PROXY
        reason = f"proxy {peer}: {reason}"
        if is_tls_error(error):
            detail = None  # it would say that of the receiver
    return Attempt(ok=False, kind=kind, reason=reason, retryable=retryable, detail=detail)


def _detail(error: Exception, phase: str) -> FailureDetail | None:
    if isinstance(error, TimeoutError):
        return _TIMEOUT_DETAILS.get(phase)
    if is_tls_error(error):
        return tls_detail(error)
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
    """Return kind, reason, and whether another attempt may succeed."""
    shown = redaction.line(getattr(error, "strerror", None) or str(error) or type(error).__name__)
    if is_tls_error(error) and not is_disconnection(error):
        reason = tls_reason(error, detail, redaction, of_proxy=phase == "proxy_handshake")
        return FailureKind.TLS, reason, False
    if isinstance(error, TimeoutError):
        reason = f"{_PHASES.get(phase, phase)} within the {timeout:.3g} s timeout"
        return FailureKind.TIMEOUT, reason, True
    if isinstance(error, socket.gaierror):
        host = peer.rpartition(":")[0]
        return FailureKind.NAME_RESOLUTION, f"cannot resolve the host name {host}: {shown}", True
    if isinstance(error, (ConnectionRefusedError, FileNotFoundError)) and phase == "connecting":
        return FailureKind.REFUSED, f"connection refused: nothing listens on {peer}", True
    if is_disconnection(error):
        if phase in ("handshake", "proxy_handshake"):
            reason = "the server closed the connection during the TLS handshake"
        elif phase == "body":
            reason = "the connection ended inside the response"
        else:
            reason = "the server closed the connection without a response"
        return FailureKind.DISCONNECTED, reason, True
    if isinstance(error, TunnelRefusedError):
        reason = f"it refused the tunnel: {error.status} {redaction.line(error.phrase)}".rstrip()
        return FailureKind.PROXY, reason, error.status in RETRIED_STATUSES
    if isinstance(error, OSError) and error.errno in _UNREACHABLE:
        return FailureKind.UNREACHABLE, f"cannot reach {peer}: {shown}", True
    if isinstance(error, NotHTTPError):
        return FailureKind.PROTOCOL, _protocol_reason(shown, detail), False
    return FailureKind.UNEXPECTED, f"{type(error).__name__}: {shown}", False


def _protocol_reason(shown: str, detail: FailureDetail | None) -> str:
    if detail is FailureDetail.NEEDS_TLS:
        return "the response is TLS, not HTTP; try an https:// endpoint"
    if detail is FailureDetail.NEEDS_GRPC:
        return "the response is HTTP/2, not HTTP/1.1; this may be a gRPC port"
    return f"the response is not HTTP: {shown}"


def _is_page(headers: Mapping[str, str], body: bytes) -> bool:
    """Return whether a body is a document in HTML or XML, as no receiver sends."""
    start = body.lstrip(_BEFORE_PAGE)[:3].replace(b"\0", b"")
    # A protobuf message may begin with a line feed and "<", but not with a letter after them.
    if start.startswith(b"<") and (start[1:2].isalpha() or start[1:2] in (b"!", b"?")):
        return True
    is_html = "html" in headers.get("content-type", "").lower()
    return is_html and len(body) > _LONGEST_WORD


def _message(headers: Mapping[str, str], body: bytes, redaction: Redaction) -> str:
    """Return the server's message; never raise, since the status decides on the outcome."""
    try:
        return _read_message(headers, body, redaction)
    except Exception:
        return ""


def _read_message(headers: Mapping[str, str], body: bytes, redaction: Redaction) -> str:
    kind = headers.get("content-type", "text/plain").partition(";")[0].strip().lower()
    if kind in _PROTOBUF:
        return read_rpc_status(body).message[:_WORDS_LIMIT]
    text = body[:_WORDS_LIMIT].decode("utf-8", "replace")
    if kind.endswith("json"):  # also the problem details of RFC 9457
        return _message_in_json(text)
    if kind == "text/html":
        # Masked before the tags are removed, which could cut a secret with a "<" in two.
        return visible_text(redaction.redact(text))
    return text if kind.startswith("text/") else ""


def visible_text(page: str) -> str:
    """Return the text of a web page, with a blank for each tag, and its entities decoded."""
    text = re.sub(_HIDDEN, " ", page)
    try:
        return html.unescape(text)
    except ValueError:
        # int() refuses a numeric entity of thousands of digits.
        return text


def _message_in_json(text: str) -> str:
    """Return the message of a JSON object; the text itself without one."""
    try:
        # Numbers stay text: parsing thousands of digits is slow, or an error.
        content = json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return text
    for key in ("message", "error", "detail"):
        if isinstance(content, dict) and isinstance(content.get(key), str):
            return str(content[key])
    return text


def parse_retry_after(value: str | None) -> float | None:
    """Return the seconds of a ``Retry-After`` (RFC 9110, section 10.2.3); None if not valid."""
    if value is None or len(value) > _RETRY_AFTER_LIMIT:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (IndexError, OSError, OverflowError, TypeError, ValueError):
            return None
        return max(0.0, seconds)
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
