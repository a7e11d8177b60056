"""What gRPC tries again, how long it waits, and when it ends."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from bentotrace.transport.outcome import FailureKind
from bentotrace.transport.protobuf import length_delimited, varint

from .grpc_receiver import Receiver

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (extra: grpc)")


def retry_info(seconds: float) -> bytes:
    """Return a serialized google.rpc.Status with a RetryInfo."""
    nanos = varint(int(seconds % 1 * 1e9))
    info = length_delimited(1, b"\x08" + varint(int(seconds)) + b"\x10" + nanos)
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


@pytest.mark.parametrize("code", ["RESOURCE_EXHAUSTED", "UNAVAILABLE"])
def test_a_retry_info_is_waited_for(serve_grpc: Any, transport: Any, code: str) -> None:
    trailer = ("grpc-status-details-bin", retry_info(0.4))
    receiver = Receiver([(grpc.StatusCode[code], "slow down", trailer), b"answer"])
    outcome = transport(serve_grpc(receiver)).send(b"x")
    assert outcome.ok
    first, second = receiver.times
    assert 0.4 <= second - first < 0.8


def test_a_retry_info_past_the_timeout_ends_the_call_at_once(
    serve_grpc: Any, transport: Any
) -> None:
    trailer = ("grpc-status-details-bin", retry_info(60))
    receiver = Receiver([(grpc.StatusCode.RESOURCE_EXHAUSTED, "slow down", trailer)])
    outcome = transport(serve_grpc(receiver)).send(b"x")
    assert outcome.elapsed < 1
    assert outcome.reason == (
        "RESOURCE_EXHAUSTED: slow down; asked to wait 60 s, past the 3 s timeout"
    )


def test_a_server_that_takes_too_long_ends_at_the_deadline(serve_grpc: Any, transport: Any) -> None:
    outcome = transport(serve_grpc(Receiver([5.0])), timeout=0.3).send(b"x")
    assert outcome.kind is FailureKind.TIMEOUT
    assert outcome.status == "DEADLINE_EXCEEDED"
    assert outcome.reason == "no answer within the 0.3 s timeout"
    assert 0.3 <= outcome.elapsed < 0.6
    assert outcome.attempts == 1


def test_a_server_that_accepts_and_hangs_ends_at_the_deadline(
    serve: Any, hang: Any, transport: Any
) -> None:
    outcome = transport(serve(hang).port, timeout=5).send(b"x", timeout=0.3)
    assert outcome.kind is FailureKind.TIMEOUT
    assert 0.3 <= outcome.elapsed < 0.6


def test_a_refused_connection_is_retried_until_the_time_is_over(
    transport: Any, free_port: int
) -> None:
    outcome = transport(free_port, timeout=0.4).send(b"x")
    assert outcome.kind is FailureKind.REFUSED
    assert outcome.attempts > 2
    assert outcome.elapsed < 0.6
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
    outcome = sender.send(b"x", timeout=5)
    starter.join()
    assert outcome.ok
    assert outcome.elapsed < 2
