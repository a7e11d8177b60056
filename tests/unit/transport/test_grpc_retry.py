"""What gRPC tries again, how long it waits, and when it ends."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from bentotrace.transport.outcome import FailureKind
from bentotrace.transport.retry import Backoff

from ...golden import Golden
from ...messages import length_delimited, varint
from .grpc_receiver import Receiver

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (extra: grpc)")


def retry_info(seconds: float) -> bytes:
    """Return a serialized google.rpc.Status with a RetryInfo."""
    nanos = varint(int(seconds % 1 * 1e9))
    info = length_delimited(1, b"\x08" + varint(int(seconds) % (1 << 64)) + b"\x10" + nanos)
    detail = length_delimited(1, b"type.googleapis.com/google.rpc.RetryInfo")
    return length_delimited(3, detail + length_delimited(2, info))


@pytest.mark.parametrize(
    "code",
    ["CANCELLED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS", "DEADLINE_EXCEEDED"],
)
def test_retryable_codes_are_retried(serve_grpc: Any, transport: Any, code: str) -> None:
    busy = (grpc.StatusCode[code], "later")
    receiver = Receiver([busy, busy, b"answer"])
    outcome = transport(serve_grpc(receiver)).send(b"x")
    assert outcome.ok
    assert outcome.attempts == 3
    assert receiver.bodies == [b"x"] * 3


@pytest.mark.parametrize(
    "code",
    [
        "INVALID_ARGUMENT",
        "UNAUTHENTICATED",
        "PERMISSION_DENIED",
        "INTERNAL",
        "UNKNOWN",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
    ],
)
def test_other_codes_are_not_retried(serve_grpc: Any, transport: Any, code: str) -> None:
    receiver = Receiver([(grpc.StatusCode[code], "because\nof that")])
    outcome = transport(serve_grpc(receiver)).send(b"x")
    assert (outcome.ok, outcome.status, outcome.attempts) == (False, code, 1)
    assert outcome.reason == f"{code}: because of that"
    assert len(receiver.bodies) == 1


@pytest.mark.parametrize("code", ["INTERNAL", "RESOURCE_EXHAUSTED", "UNAUTHENTICATED"])
def test_the_plugin_says_which_codes_are_retried(
    serve_grpc: Any, transport: Any, code: str
) -> None:
    receiver = Receiver([(grpc.StatusCode[code], "later"), b"answer"])
    outcome = transport(serve_grpc(receiver), retried_statuses=[code]).send(b"x")
    assert (outcome.ok, outcome.attempts) == (True, 2)

    receiver = Receiver([(grpc.StatusCode.UNAVAILABLE, "later"), b"answer"])
    outcome = transport(serve_grpc(receiver), retried_statuses=[code]).send(b"x")
    assert (outcome.status, outcome.attempts) == ("UNAVAILABLE", 1)


def test_a_connection_that_fails_is_retried_whatever_the_plugin_says(
    transport: Any, free_port: int, twice: Any
) -> None:
    outcome = transport(free_port, retried_statuses=[], **twice).send(b"x")
    assert outcome.attempts == 2


def test_a_code_that_gRPC_does_not_have_is_refused(transport: Any) -> None:  # noqa: N802
    with pytest.raises(ValueError, match="retried_statuses has 'BUSY', not a code"):
        transport(1, retried_statuses=["BUSY"])


def test_the_metadata_of_a_response_is_in_the_outcome(serve_grpc: Any, transport: Any) -> None:
    class Quoting(Receiver):
        def take(self, body: bytes, call: Any) -> bytes:
            call.send_initial_metadata((("x-request-id", "abc"),))
            call.set_trailing_metadata((("x-quota", "7"), ("x-raw-bin", b"\x00")))
            return super().take(body, call)

    good = transport(serve_grpc(Quoting())).send(b"x")
    assert (good.headers["x-request-id"], good.headers["X-Quota"]) == ("abc", "7")
    assert "x-raw-bin" not in good.headers

    trailers = (("x-quota", "0"), ("x-quoted", "s3cr3t-marker"))
    receiver = Receiver([(grpc.StatusCode.INTERNAL, "no", *trailers)])
    bad = transport(serve_grpc(receiver), headers={"x-token": "s3cr3t-marker"}).send(b"x")
    assert (bad.headers["x-quota"], bad.headers["x-quoted"]) == ("0", "***")


@pytest.mark.parametrize("code", ["RESOURCE_EXHAUSTED", "UNAVAILABLE"])
def test_a_retry_info_is_waited_for(serve_grpc: Any, transport: Any, code: str) -> None:
    trailer = ("grpc-status-details-bin", retry_info(0.4))
    receiver = Receiver([(grpc.StatusCode[code], "slow down", trailer), b"answer"])
    outcome = transport(serve_grpc(receiver)).send(b"x")
    assert outcome.ok
    first, second = receiver.times
    # Without it, the waits of these tests are below 0.15 s; the timeout is 3 s.
    assert second - first >= 0.4


@pytest.mark.parametrize("seconds", [1e-9, 0.0, -5.0])
def test_a_retry_info_of_nothing_makes_no_storm(
    serve_grpc: Any, transport: Any, seconds: float
) -> None:
    trailer = ("grpc-status-details-bin", retry_info(seconds))
    busy = (grpc.StatusCode.UNAVAILABLE, "slow down", trailer)
    receiver = Receiver([busy, busy, busy, b"answer"])
    outcome = transport(serve_grpc(receiver), backoff=Backoff()).send(b"x", timeout=10)
    assert (outcome.ok, outcome.attempts, len(receiver.bodies)) == (True, 4, 4)
    # 25, 50 and 100 ms at least, up to a fifth shorter.
    assert receiver.times[-1] - receiver.times[0] >= 0.14


@pytest.mark.parametrize("compression", [None, grpc.Compression.Gzip], ids=["plain", "gzip"])
def test_a_response_that_is_too_large_is_not_a_request_that_is(
    serve_grpc: Any, transport: Any, compression: Any
) -> None:
    class Large(Receiver):
        def take(self, body: bytes, call: Any) -> bytes:
            call.set_compression(compression or grpc.Compression.NoCompression)
            return super().take(body, call)

    receiver = Large([bytes(6 * 1024 * 1024)])
    outcome = transport(serve_grpc(receiver)).send(b"x")
    assert (outcome.kind, outcome.attempts) == (FailureKind.PROTOCOL, 1)
    assert "is too large; it is not from a receiver" in outcome.reason


def test_a_retry_info_past_the_timeout_ends_the_call_at_once(
    serve_grpc: Any, transport: Any, golden: Golden
) -> None:
    trailer = ("grpc-status-details-bin", retry_info(60))
    receiver = Receiver([(grpc.StatusCode.RESOURCE_EXHAUSTED, "slow down", trailer)])
    outcome = transport(serve_grpc(receiver)).send(b"x")
    assert outcome.attempts == len(receiver.bodies) == 1
    golden(outcome.reason)


def test_a_server_that_takes_too_long_ends_at_the_deadline(serve_grpc: Any, transport: Any) -> None:
    outcome = transport(serve_grpc(Receiver([30.0])), timeout=1).send(b"x")
    assert outcome.kind is FailureKind.TIMEOUT
    assert outcome.status == "DEADLINE_EXCEEDED"
    assert outcome.reason == "no response within the 1 s timeout"
    assert 1 <= outcome.elapsed < 5
    assert outcome.attempts == 1


def test_a_server_that_accepts_and_hangs_ends_at_the_deadline(
    serve: Any, hang: Any, transport: Any
) -> None:
    outcome = transport(serve(hang).port, timeout=30).send(b"x", timeout=0.3)
    assert outcome.kind is FailureKind.TIMEOUT
    assert 0.3 <= outcome.elapsed < 5


def test_a_refused_connection_is_retried_until_the_time_is_over(
    transport: Any, free_port: int
) -> None:
    # The third wait would end after the timeout.
    backoff = Backoff(first=0.02, longest=60, factor=25, jitter=0)
    outcome = transport(free_port, timeout=10, backoff=backoff).send(b"x")
    assert outcome.kind is FailureKind.REFUSED
    assert outcome.attempts == 3
    assert outcome.elapsed < 10
    assert outcome.reason.startswith(
        f"connection refused: nothing listens on 127.0.0.1:{free_port}; no time"
    )


def test_a_server_that_comes_back_is_found_soon(
    serve_grpc: Any, transport: Any, free_port: int
) -> None:
    sender = transport(free_port, timeout=0.3)
    for _ in range(2):
        # gRPC may give up an attempt before it has heard of the refusal.
        assert sender.send(b"x").kind in {FailureKind.REFUSED, FailureKind.TIMEOUT}
    starter = threading.Timer(0.3, serve_grpc, args=(Receiver(),), kwargs={"port": free_port})
    starter.start()
    # gRPC's own wait for the next connection is up to 2 minutes.
    outcome = sender.send(b"x", timeout=20)
    starter.join()
    assert outcome.ok
    assert outcome.elapsed < 5
