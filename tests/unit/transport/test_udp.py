from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from bentotrace.transport import udp
from bentotrace.transport.outcome import FailureKind
from bentotrace.transport.udp import UDPTransport

from ...golden import Golden
from .udp_receiver import Make, Receiver, send, transports


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with contextlib.closing(Receiver()) as receiver:
        yield receiver


@pytest.fixture
def closed_port(free_port: int) -> int:
    return free_port


@pytest.fixture
def make() -> Iterator[Make]:
    with transports() as make:
        yield make


def test_pieces_that_fit_go_in_one_datagram(make: Make, receiver: Receiver) -> None:
    ((outcome, indexes),) = send(make(receiver.port), [b"a", b"bb", b"ccc"])

    assert outcome.ok
    assert indexes == [0, 1, 2]
    assert receiver.wait(1) == [b"<head>abbccc"]


def test_no_datagram_is_larger_than_the_limit(make: Make, receiver: Receiver) -> None:
    pieces = [bytes((65 + index,)) * 300 for index in range(10)]

    results = send(make(receiver.port, max_packet_size=1000), pieces)

    assert [indexes for _, indexes in results] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
    datagrams = receiver.wait(4)
    assert max(map(len, datagrams)) <= 1000
    assert b"".join(datagram[6:] for datagram in datagrams) == b"".join(pieces)


def test_a_piece_that_is_too_large_alone_fails_alone(
    make: Make, receiver: Receiver, golden: Golden
) -> None:
    results = send(make(receiver.port, max_packet_size=1000), [b"a", b"b" * 2000, b"c"])

    assert [(outcome.ok, indexes) for outcome, indexes in results] == [
        (True, [0]),
        (False, [1]),
        (True, [2]),
    ]
    assert results[1][0].kind is FailureKind.TOO_LARGE
    golden(results[1][0].reason)
    assert receiver.wait(2) == [b"<head>a", b"<head>c"]


def test_without_splitting_an_oversized_batch_fails_whole(make: Make, receiver: Receiver) -> None:
    transport = make(receiver.port, max_packet_size=1000, split=False)

    ((outcome, indexes),) = send(transport, [b"a" * 600, b"b" * 600])

    assert not outcome.ok
    assert outcome.kind is FailureKind.TOO_LARGE
    assert "splitting is off" in outcome.reason
    assert indexes == [0, 1]
    assert send(transport, [b"c"])[0][0].ok
    assert receiver.wait(1) == [b"<head>c"]


class SteadyReceiver:
    """A receiver with the system's default buffer, and the sender's clock.

    It works for a while on each datagram, while the sender pauses and at no other time, however
    busy the machine is.
    """

    def __init__(self, work: float, monkeypatch: pytest.MonkeyPatch) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.port = self.socket.getsockname()[1]
        self.datagrams: list[bytes] = []
        self._work = work
        self._now = self._free_at = 0.0
        clock = SimpleNamespace(monotonic=lambda: self._now, sleep=self._sleep)
        monkeypatch.setattr(udp, "time", clock)

    def _sleep(self, seconds: float) -> None:
        self._now += seconds
        self._free_at = max(self._free_at, self._now - seconds)
        while self._free_at + self._work <= self._now and self._read():
            self._free_at += self._work

    def _read(self) -> bool:
        try:
            self.datagrams.append(self.socket.recv(70_000))
        except BlockingIOError:
            return False
        return True

    def finish(self) -> list[bytes]:
        """Read the rest."""
        while self._read():
            continue
        self.socket.close()
        return self.datagrams


def test_a_burst_reaches_a_slow_receiver_with_the_default_buffer_whole(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = SteadyReceiver(0.001, monkeypatch)
    pieces = [os.urandom(2000) for _ in range(2000)]

    results = send(make(receiver.port), pieces)

    assert all(outcome.ok for outcome, _ in results)
    assert b"".join(item[6:] for item in receiver.finish()) == b"".join(pieces)


def test_many_small_datagrams_reach_a_receiver_with_the_default_buffer_whole(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = SteadyReceiver(0.0001, monkeypatch)
    pieces = [os.urandom(300) for _ in range(400)]

    results = send(make(receiver.port, max_packet_size=512), pieces)

    assert len(results) == 400
    assert all(outcome.ok for outcome, _ in results)
    assert [item[6:] for item in receiver.finish()] == pieces


def test_nobody_listening_is_a_failure(make: Make, closed_port: int) -> None:
    ((outcome, _),) = send(make(closed_port), [b"a"])

    assert not outcome.ok
    assert outcome.kind is FailureKind.REFUSED
    assert outcome.reason == f"nothing listens on 127.0.0.1:{closed_port}/udp"


def test_a_receiver_that_starts_later_gets_what_is_sent_then(make: Make, closed_port: int) -> None:
    transport = make(closed_port)
    assert not send(transport, [b"early"])[0][0].ok
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", closed_port))
        listener.settimeout(5)

        assert send(transport, [b"late"])[0][0].ok
        assert listener.recv(100) == b"<head>late"


class Narrow(UDPTransport):
    """Sends on a socket that may not fragment and has a small path MTU."""

    def _connected(self, here: object) -> socket.socket:
        made = super()._connected(here)  # type: ignore[arg-type]
        ipv6_mtu, ipv6_dontfrag = 24, 62
        made.setsockopt(socket.IPPROTO_IPV6, ipv6_mtu, 10_000)
        made.setsockopt(socket.IPPROTO_IPV6, ipv6_dontfrag, 1)
        return made


only_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can refuse so")


@only_linux
def test_a_log_handler_that_raises_costs_no_datagram(
    make: Make, raising_log_handler: Callable[[], int]
) -> None:
    receiver = Receiver(socket.AF_INET6)
    transport = make(receiver.port, host="::1", kind=Narrow)
    results = send(transport, [os.urandom(1000) for _ in range(30)])
    receiver.close()
    assert all(outcome.ok for outcome, _ in results), results
    assert raising_log_handler() == 1


@only_linux
def test_a_datagram_that_the_system_refuses_is_split_further(
    make: Make,
    caplog: pytest.LogCaptureFixture,
) -> None:
    receiver = Receiver(socket.AF_INET6)
    try:
        transport = make(receiver.port, host="::1", kind=Narrow)
        pieces = [os.urandom(1000) for _ in range(30)]

        results = send(transport, pieces)
        again = send(transport, pieces)

        assert transport.limit == 9216
        assert all(outcome.ok for outcome, _ in (*results, *again))
        datagrams = receiver.wait(len(results) + len(again))
        assert b"".join(item[6:] for item in datagrams) == b"".join(pieces) * 2
        (record,) = caplog.records
        assert "sysctl -w net.inet.udp.maxdgram=65536" in record.getMessage()
    finally:
        receiver.close()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_a_socket_of_its_own(make: Make, receiver: Receiver) -> None:
    transport = make(receiver.port)
    assert send(transport, [b"parent"])[0][0].ok
    child = os.fork()
    if child == 0:
        ok = send(transport, [b"child"])[0][0].ok
        transport.close()
        os._exit(0 if ok else 1)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert send(transport, [b"parent again"])[0][0].ok
    assert receiver.wait(3) == [b"<head>parent", b"<head>child", b"<head>parent again"]


class SlowSocket(socket.socket):
    """Connects slowly, so that other threads come to connect too."""

    def connect(self, address: Any, /) -> None:
        time.sleep(0.05)
        super().connect(address)


def test_threads_that_send_at_once_use_one_socket(
    make: Make, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = make(receiver.port)
    pieces = [b"%d" % number for number in range(8)]
    with monkeypatch.context() as patched, ThreadPoolExecutor(len(pieces)) as pool:
        patched.setattr(socket, "socket", SlowSocket)
        results = list(pool.map(lambda piece: send(transport, [piece]), pieces))

    assert all(outcome.ok for ((outcome, _),) in results)
    assert sorted(receiver.wait(8)) == [b"<head>%d" % number for number in range(8)]
    assert len(receiver.senders) == 1


def test_closing_while_threads_send_leaves_no_socket_open(
    make: Make, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = make(receiver.port)
    made: list[SlowSocket] = []

    class Noted(SlowSocket):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            made.append(self)

    with monkeypatch.context() as patched, ThreadPoolExecutor(2) as pool:
        patched.setattr(socket, "socket", Noted)
        sent = pool.submit(send, transport, [b"a"])
        while not made:
            time.sleep(0.001)
        transport.close()
        sent.result(10)

    assert [sock.fileno() for sock in made] == [-1]


def test_after_close_nothing_is_sent(make: Make, receiver: Receiver) -> None:
    transport = make(receiver.port)
    transport.close()
    transport.close()

    ((outcome, _),) = send(transport, [b"a"])

    assert outcome.kind is FailureKind.CLOSED
    assert receiver.datagrams == []


@pytest.mark.parametrize("port", [0, 65_536])
def test_a_port_out_of_range_is_an_error(make: Make, port: int) -> None:
    with pytest.raises(ValueError, match="between 1 and 65535"):
        make(port)


@pytest.mark.parametrize("size", [100, 65_508])
def test_a_packet_size_out_of_range_is_an_error(make: Make, size: int) -> None:
    with pytest.raises(ValueError, match="between 512 and 65507"):
        make(6831, max_packet_size=size)
