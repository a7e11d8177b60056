"""The wordings of gRPC's core that were seen, from its releases 1.63 and 1.85."""

from __future__ import annotations

import pytest

from bentotrace.transport._grpc_failure import Failure, attempt_from_failure
from bentotrace.transport.outcome import FailureDetail, FailureKind
from bentotrace.transport.retry import Attempt

from ...golden import Golden

FAILED = "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:4317: "
UNVERIFIED = (
    FAILED + "Tls handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: error:1000007d:"
    "SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: "
)


def diagnose(code: str, details: str = "", *, secure: bool = False) -> Attempt:
    return attempt_from_failure(
        Failure(code, details), target="host:4317", service="a.B", secure=secure, timeout=2
    )


@pytest.mark.parametrize(
    ("details", "kind", "retryable", "said"),
    [
        (
            FAILED + "Failed to connect to remote host: Connection refused",
            FailureKind.REFUSED,
            True,
            "connection refused: nothing listens on host:4317",
        ),
        (
            "failed to connect to all addresses; last error: UNKNOWN: unix:/tmp/otlp.sock: "
            "connect failed: addr: unix:/tmp/otlp.sock error: No such file or directory",
            FailureKind.REFUSED,
            True,
            "connection refused: nothing listens on host:4317",
        ),
        (
            FAILED + "Failed to connect to remote host: No route to host",
            FailureKind.UNREACHABLE,
            True,
            "cannot reach host:4317: Failed to connect to remote host: No route to host",
        ),
        (
            FAILED + "HTTP proxy returned response code 407",
            FailureKind.PROXY,
            False,
            "the proxy refused the tunnel to host:4317: 407",
        ),
        (
            FAILED + "HTTP proxy returned response code 503",
            FailureKind.PROXY,
            True,
            "the proxy refused the tunnel to host:4317: 503",
        ),
        (
            FAILED + "tcp handshaker shutdown",
            FailureKind.TIMEOUT,
            True,
            "no connection to host:4317 was made in time (tcp handshaker shutdown)",
        ),
        (
            FAILED + "Failed to connect to remote host: FD Shutdown",
            FailureKind.TIMEOUT,
            True,
            "no connection to host:4317 was made in time",
        ),
        (
            FAILED + "Failed to connect to remote host: connect() timed out",
            FailureKind.TIMEOUT,
            True,
            "no connection to host:4317 was made in time",
        ),
        (
            "Stream removed (recvmsg:Connection reset by peer (104))",
            FailureKind.DISCONNECTED,
            True,
            "the connection to host:4317 was lost (Stream removed (recvmsg:Connection reset",
        ),
        (
            "DNS resolution failed for host:4317: C-ares status is not ARES_SUCCESS",
            FailureKind.NAME_RESOLUTION,
            True,
            "cannot resolve the host name host: DNS resolution failed for host:4317",
        ),
        (
            "errors resolving host:4317: [field:hostname lookup error:address lookup failed]",
            FailureKind.NAME_RESOLUTION,
            True,
            "cannot resolve the host name host: errors resolving",
        ),
        (
            FAILED + "Ssl handshake failed: SSL_ERROR_SSL: error:1000007d:SSL routines:"
            "OPENSSL_internal:CERTIFICATE_VERIFY_FAILED",
            FailureKind.TLS,
            False,
            "the server's certificate is not trusted; name its authority's file (Ssl handshake",
        ),
        (
            UNVERIFIED + "unable to get local issuer certificate: OK",
            FailureKind.TLS,
            False,
            "the server's certificate is not trusted: unable to get local issuer certificate; name",
        ),
        (
            UNVERIFIED + "certificate has expired: OK",
            FailureKind.TLS,
            False,
            "the server's certificate is not trusted: certificate has expired",
        ),
        (
            FAILED + "Tls handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: error:100000f7:"
            "SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER: Invalid certificate verification",
            FailureKind.TLS,
            False,
            "the server at host:4317 does not speak TLS; try a plaintext connection",
        ),
        (
            FAILED + "Custom verification check failed with error: UNAUTHENTICATED: "
            "Hostname Verification Check failed.",
            FailureKind.TLS,
            False,
            "the server's certificate is not for the host of host:4317",
        ),
        (
            FAILED + "Peer name host is not in peer certificate",
            FailureKind.TLS,
            False,
            "the server's certificate is not for the host of host:4317",
        ),
        (
            FAILED + "Failed to create security handshaker.",
            FailureKind.TLS,
            False,
            "TLS failed: gRPC cannot use the configured certificates",
        ),
        (
            FAILED + "Ssl handshake failed: TSI_PROTOCOL_FAILURE",
            FailureKind.TLS,
            True,
            "TLS failed: Ssl handshake failed",
        ),
        (
            FAILED + "Trying to connect an http1.x server",
            FailureKind.PROTOCOL,
            False,
            "the server at host:4317 does not speak gRPC; it may be an HTTP port",
        ),
        (
            FAILED + "Failed parsing HTTP/2 (Expected SETTINGS frame as the first frame)",
            FailureKind.PROTOCOL,
            False,
            "the server at host:4317 does not speak gRPC; it may be an HTTP port",
        ),
        (
            FAILED + "Cannot check peer: missing selected ALPN property.",
            FailureKind.PROTOCOL,
            False,
            "the server at host:4317 does not speak gRPC; it may be an HTTP port",
        ),
        (
            FAILED + "connection attempt timed out before receiving SETTINGS frame",
            FailureKind.TIMEOUT,
            True,
            "the server at host:4317 accepted the connection but did not respond in time (connection",
        ),
        (
            FAILED + "Handshake read failed (Endpoint closing)",
            FailureKind.TIMEOUT,
            True,
            "the server at host:4317 accepted the connection but did not respond in time (Handshake",
        ),
        (
            FAILED + "Socket closed",
            FailureKind.DISCONNECTED,
            True,
            "the server at host:4317 closed the connection before it was used (Socket closed)",
        ),
        (
            "Socket closed",
            FailureKind.DISCONNECTED,
            True,
            "the connection to host:4317 was lost (Socket closed)",
        ),
        (
            "upstream connect error: Connection refused",
            FailureKind.STATUS,
            True,
            "UNAVAILABLE: upstream connect error: Connection refused",
        ),
    ],
)
def test_unavailable_is_taken_apart(
    details: str, kind: FailureKind, retryable: bool, said: str
) -> None:
    attempt = diagnose("UNAVAILABLE", details)
    assert attempt.kind is kind
    assert attempt.retryable is retryable
    assert attempt.reason.startswith(said)
    assert attempt.status == "UNAVAILABLE"


@pytest.mark.parametrize(
    ("details", "detail"),
    [
        (UNVERIFIED + "certificate has expired: OK", FailureDetail.CERTIFICATE_TIME),
        (UNVERIFIED + "certificate is not yet valid: OK", FailureDetail.CERTIFICATE_TIME),
        (
            UNVERIFIED + "unable to get local issuer certificate: OK",
            FailureDetail.CERTIFICATE_AUTHORITY,
        ),
        (UNVERIFIED + "self-signed certificate: OK", FailureDetail.CERTIFICATE_AUTHORITY),
        (FAILED + "Ssl handshake failed: CERTIFICATE_VERIFY_FAILED", None),
        (FAILED + "Hostname Verification Check failed.", FailureDetail.CERTIFICATE_NAME),
        (FAILED + "Peer name host is not in peer certificate", FailureDetail.CERTIFICATE_NAME),
        (FAILED + "Ssl handshake failed: WRONG_VERSION_NUMBER", FailureDetail.NO_TLS),
        (FAILED + "Trying to connect an http1.x server", FailureDetail.NEEDS_HTTP),
        (FAILED + "missing selected ALPN property.", FailureDetail.NEEDS_HTTP),
        (
            FAILED + "Failed parsing HTTP/2 (Expected SETTINGS frame, got frame type 80)",
            FailureDetail.NEEDS_HTTP,
        ),
        (FAILED + "Failed parsing HTTP/2 (Expected SETTINGS frame, got frame type 0)", None),
        (FAILED + "tcp handshaker shutdown", FailureDetail.CONNECTING),
        (FAILED + "Handshake read failed (Endpoint closing)", FailureDetail.HANDSHAKE),
        (FAILED + "Connection refused", None),
        ("behind me: certificate has expired", None),
    ],
)
def test_failures_of_one_kind_are_told_apart(details: str, detail: FailureDetail | None) -> None:
    assert diagnose("UNAVAILABLE", details).detail is detail


def test_a_connection_that_ends_early_gets_a_hint() -> None:
    assert "expect TLS" in diagnose("UNAVAILABLE", FAILED + "Socket closed").reason
    secure = diagnose("UNAVAILABLE", FAILED + "Socket closed", secure=True)
    assert "require a client certificate" in secure.reason


@pytest.mark.parametrize(
    ("code", "details", "kind", "retryable"),
    [
        ("CANCELLED", "", FailureKind.STATUS, True),
        ("ABORTED", "try again", FailureKind.STATUS, True),
        ("OUT_OF_RANGE", "", FailureKind.STATUS, True),
        ("UNAVAILABLE", "draining", FailureKind.STATUS, True),
        ("DATA_LOSS", "", FailureKind.STATUS, True),
        ("DEADLINE_EXCEEDED", "behind the server", FailureKind.STATUS, True),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", FailureKind.TIMEOUT, True),
        ("INVALID_ARGUMENT", "bad", FailureKind.STATUS, False),
        ("INTERNAL", "", FailureKind.STATUS, False),
        ("UNKNOWN", "", FailureKind.STATUS, False),
        ("RESOURCE_EXHAUSTED", "slow down", FailureKind.STATUS, False),
        ("RESOURCE_EXHAUSTED", "message larger than max (5 vs. 4)", FailureKind.TOO_LARGE, False),
        ("OUT_OF_RANGE", "decoded message length too large", FailureKind.TOO_LARGE, False),
        ("UNKNOWN", "Received http2 header with status: 413", FailureKind.TOO_LARGE, False),
        ("UNAUTHENTICATED", "", FailureKind.UNAUTHORIZED, False),
        ("PERMISSION_DENIED", "", FailureKind.UNAUTHORIZED, False),
        ("UNIMPLEMENTED", "Method not found!", FailureKind.NOT_SERVED, False),
        ("UNKNOWN", "Received http2 header with status: 404", FailureKind.NOT_SERVED, False),
        ("UNKNOWN", "Received http2 header with status: 500", FailureKind.PROTOCOL, False),
        ("UNAVAILABLE", "Received http2 header with status: 503", FailureKind.PROTOCOL, True),
    ],
)
def test_every_code_has_its_meaning(
    code: str, details: str, kind: FailureKind, retryable: bool
) -> None:
    attempt = diagnose(code, details)
    assert (attempt.ok, attempt.kind, attempt.retryable) == (False, kind, retryable)
    assert attempt.reason


@pytest.mark.parametrize(
    ("code", "details", "detail"),
    [
        ("RESOURCE_EXHAUSTED", "", FailureDetail.MAYBE_TOO_LARGE),
        ("RESOURCE_EXHAUSTED", "slow down", FailureDetail.MAYBE_TOO_LARGE),
        ("RESOURCE_EXHAUSTED", "rate limit exceeded", None),
        ("RESOURCE_EXHAUSTED", "quota of requests", None),
        ("INVALID_ARGUMENT", "slow down", None),
    ],
)
def test_exhausted_resources_without_a_reason_may_be_a_size(
    code: str, details: str, detail: FailureDetail | None
) -> None:
    assert diagnose(code, details).detail is detail


def test_an_unimplemented_method_names_the_service(golden: Golden) -> None:
    reason = diagnose("UNIMPLEMENTED", "unknown service a.B").reason
    golden(reason)


def test_a_broken_trailer_is_no_delay() -> None:
    failure = Failure(
        "RESOURCE_EXHAUSTED", "slow", [("x", "y"), ("grpc-status-details-bin", b"\x1a\xff")]
    )
    attempt = attempt_from_failure(failure, target="h:1", service="a.B", secure=False, timeout=2)
    assert (attempt.retryable, attempt.delay) == (False, None)
