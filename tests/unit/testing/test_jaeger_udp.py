from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("thrift", reason="the receiver decodes with the thrift library")

from bentotrace.testing import JaegerUDPReceiver, Receiver, udp_server


@pytest.fixture
def client() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        yield client


def wait_for_error(receiver: Receiver) -> str:
    end = time.monotonic() + 5.0
    while not receiver.errors and time.monotonic() < end:
        time.sleep(0.01)
    return receiver.errors[0].reason


@pytest.mark.parametrize("protocol", ["compact", "binary"])
def test_a_datagram_is_taken(thrift_writer: Any, client: socket.socket, protocol: Any) -> None:
    spans = [thrift_writer.span(name=name) for name in ("a", "b")]
    message = thrift_writer.emit_batch_bytes(thrift_writer.batch(*spans), protocol)
    with JaegerUDPReceiver(protocol=protocol) as receiver:
        client.sendto(message, (receiver.host, receiver.port))
        assert [span.name for span in receiver.wait(2)] == ["a", "b"]
        (request,) = receiver.requests
        assert receiver.endpoint == f"127.0.0.1:{receiver.port}"
    assert (request.path, request.body_size, request.body) == ("emitBatch", len(message), message)
    assert (request.span_count, request.status, request.headers) == (2, 0, {})


@pytest.mark.parametrize(("message", "reason"), [(b"", "ends early"), (b"\0\0", "not Thrift")])
def test_what_cannot_be_read_is_kept_and_the_next_datagram_is_taken(
    thrift_writer: Any, client: socket.socket, message: bytes, reason: str
) -> None:
    with JaegerUDPReceiver() as receiver:
        client.sendto(message, (receiver.host, receiver.port))
        assert reason in wait_for_error(receiver)
        good = thrift_writer.emit_batch_bytes(thrift_writer.batch(thrift_writer.span()))
        client.sendto(good, (receiver.host, receiver.port))
        assert len(receiver.wait(1)) == 1
        assert [request.span_count for request in receiver.requests] == [0, 1]


def test_a_datagram_over_the_agents_limit_is_an_error(
    thrift_writer: Any, client: socket.socket
) -> None:
    def message(size: int) -> bytes:
        tag = thrift_writer.tag("pad", "x" * size)
        batch = thrift_writer.batch(thrift_writer.span(tags=[tag]))
        written: bytes = thrift_writer.emit_batch_bytes(batch)
        return written

    overhead = len(message(64_000)) - 64_000
    with JaegerUDPReceiver() as receiver:
        client.sendto(message(65_001 - overhead), (receiver.host, receiver.port))
        assert wait_for_error(receiver) == "65001 bytes exceed 65000"
        client.sendto(message(65_000 - overhead), (receiver.host, receiver.port))
        assert len(receiver.wait(1)) == 1


def test_the_buffer_can_be_asked_for() -> None:
    with JaegerUDPReceiver(receive_buffer=8192) as small, JaegerUDPReceiver() as usual:
        sizes = [
            receiver._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
            for receiver in (small, usual)
        ]
    assert sizes[0] < sizes[1]


def test_what_is_queued_at_close_is_still_decoded(
    thrift_writer: Any, client: socket.socket
) -> None:
    message = thrift_writer.emit_batch_bytes(thrift_writer.batch(thrift_writer.span()))
    with JaegerUDPReceiver() as receiver:
        for _ in range(20):
            client.sendto(message, (receiver.host, receiver.port))
    assert len(receiver.spans) == 20


def test_nothing_is_decoded_during_a_burst(
    thrift_writer: Any, client: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A busy machine may pause within the burst.
    monkeypatch.setattr(udp_server, "_QUIET_SECONDS", 1.0)
    message = thrift_writer.emit_batch_bytes(thrift_writer.batch(thrift_writer.span()))
    with JaegerUDPReceiver() as receiver:
        for _ in range(20):
            client.sendto(message, (receiver.host, receiver.port))
            time.sleep(0.005)
        decoded = len(receiver.requests)
        assert len(receiver.wait(20, timeout=60)) == 20
    assert decoded < 10


def test_a_burst_of_full_packets_waits_in_a_larger_buffer(
    thrift_writer: Any, client: socket.socket
) -> None:
    tag = thrift_writer.tag("pad", "x" * 2000)
    batch = thrift_writer.batch(*[thrift_writer.span(tags=[tag])] * 30)
    message = thrift_writer.emit_batch_bytes(batch)
    assert 60_000 < len(message) <= 65_000
    with JaegerUDPReceiver(receive_buffer=1 << 20) as receiver:
        # Linux's usual buffer holds three.
        for _ in range(5):
            client.sendto(message, (receiver.host, receiver.port))
        assert len(receiver.wait(5 * 30, timeout=10.0)) == 5 * 30
