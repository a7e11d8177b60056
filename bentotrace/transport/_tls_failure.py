"""What an error of TLS means."""

from __future__ import annotations

import ssl

from bentotrace.redaction import Redaction
from bentotrace.transport.outcome import FailureDetail

__all__ = ["detail_of", "reason_of"]

# Source: OpenSSL, x509_vfy.h.
_DETAILS_OF_VERIFY_CODES = {
    9: FailureDetail.CERTIFICATE_TIME,
    10: FailureDetail.CERTIFICATE_TIME,
    **dict.fromkeys((2, 18, 19, 20, 21), FailureDetail.CERTIFICATE_AUTHORITY),
    62: FailureDetail.CERTIFICATE_NAME,
    64: FailureDetail.CERTIFICATE_NAME,
}
_PLAINTEXT = ("WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")


def detail_of(error: ssl.SSLError) -> FailureDetail | None:
    """Return which failure of TLS it is."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _DETAILS_OF_VERIFY_CODES.get(error.verify_code)
    code = (error.reason or "").upper()
    if code in _PLAINTEXT:
        return FailureDetail.NO_TLS
    return FailureDetail.CLIENT_CERTIFICATE if "CERTIFICATE_REQUIRED" in code else None


def reason_of(error: ssl.SSLError, detail: FailureDetail | None, redaction: Redaction) -> str:
    """Return it in words, with its detail's advice."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = f"the server's certificate is not trusted: {error.verify_message}"
        if detail is FailureDetail.CERTIFICATE_AUTHORITY:
            reason += "; name its authority's certificate file"
        return redaction.line(reason)
    if detail is FailureDetail.NO_TLS:
        return "the server does not speak TLS on this port; an http:// endpoint may be meant"
    if detail is FailureDetail.CLIENT_CERTIFICATE:
        return "the server asks for a client certificate"
    told = redaction.line((error.reason or str(error)).replace("_", " "))
    return f"TLS failed: {told.lower()}"
