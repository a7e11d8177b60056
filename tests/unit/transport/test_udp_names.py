"""The name of a receiver over UDP: several addresses, another address, and a resolver that hangs."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from bentotrace.transport import udp
from bentotrace.transport.outcome import FailureKind, Outcome
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


def test_a_name_with_several_addresses_is_tried_until_one_listens(
    make: Make, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not every machine has both in its hosts file; nothing listens on the first.
    addresses = [
        (socket.AF_INET6, socket.SOCK_DGRAM, 17, "", ("::1", receiver.port, 0, 0)),
        (socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("127.0.0.1", receiver.port)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
    transport = make(receiver.port, host="localhost")

    assert send(transport, [b"a"])[0][0].ok
    assert send(transport, [b"b"])[0][0].attempts == 1
    assert receiver.wait(2) == [b"<head>a", b"<head>b"]


class Names:
    """A resolver; ``ports`` are those of the addresses that the name has now."""

    def __init__(self, *ports: int) -> None:
        self.ports = ports

    def getaddrinfo(self, *_: Any, flags: int = 0, **__: Any) -> Any:
        if flags or not self.ports:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        kind = (socket.AF_INET, socket.SOCK_DGRAM, 17, "")
        return [(*kind, ("127.0.0.1", port)) for port in self.ports]


@pytest.fixture
def resolved_often(monkeypatch: pytest.MonkeyPatch) -> Names:
    """The names of a transport that resolves them before every datagram."""
    names = Names()
    monkeypatch.setattr(socket, "getaddrinfo", names.getaddrinfo)
    monkeypatch.setattr(udp, "_RESOLVE_INTERVAL", 0.0)
    return names


def test_a_receiver_that_moves_is_followed(
    make: Make, receiver: Receiver, resolved_often: Names
) -> None:
    other = Receiver()
    try:
        resolved_often.ports = (receiver.port,)
        transport = make(6831, host="agent.test")
        assert send(transport, [b"a"])[0][0].ok

        resolved_often.ports = (other.port,)
        assert send(transport, [b"b"])[0][0].ok

        assert receiver.wait(1) == [b"<head>a"]
        assert other.wait(1) == [b"<head>b"]
    finally:
        other.close()


def test_a_name_that_does_not_resolve_any_more_keeps_its_address(
    make: Make, receiver: Receiver, resolved_often: Names
) -> None:
    resolved_often.ports = (receiver.port,)
    transport = make(6831, host="agent.test")
    assert send(transport, [b"a"])[0][0].ok

    resolved_often.ports = ()

    assert send(transport, [b"b"])[0][0].ok
    assert receiver.wait(2) == [b"<head>a", b"<head>b"]


def test_the_address_in_use_stays_while_the_name_has_it(
    make: Make, receiver: Receiver, closed_port: int, resolved_often: Names
) -> None:
    resolved_often.ports = (closed_port, receiver.port)
    transport = make(6831, host="agent.test")

    outcomes = [send(transport, [piece])[0][0] for piece in (b"a", b"b", b"c")]

    assert [outcome.ok for outcome in outcomes] == [True] * 3
    assert outcomes[-1].attempts == 1
    assert receiver.wait(3) == [b"<head>a", b"<head>b", b"<head>c"]


def test_ipv6_works(make: Make) -> None:
    receiver = Receiver(socket.AF_INET6)
    try:
        transport = make(receiver.port, host="::1")

        assert send(transport, [b"a"])[0][0].ok
        assert transport.endpoint == f"[::1]:{receiver.port}/udp"
        assert receiver.wait(1) == [b"<head>a"]
    finally:
        receiver.close()


@pytest.mark.parametrize("host", ["no-such-host.invalid", "no..such..host"])
def test_a_name_without_an_address_is_a_failure(make: Make, host: str) -> None:
    ((outcome, _),) = send(make(6831, host=host), [b"a"])

    assert outcome.kind is FailureKind.NAME_RESOLUTION
    assert f"{host}:6831/udp has no address" in outcome.reason


class SlowResolver:
    """Knows no name until it is released."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = threading.Event()
        self.released = threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", self.answer)

    def answer(self, *_: Any, flags: int = 0, **__: Any) -> Any:
        if not flags:
            self.asked.set()
            self.released.wait(30)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@pytest.fixture
def slow_resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowResolver]:
    resolver = SlowResolver(monkeypatch)
    yield resolver
    resolver.released.set()


def test_a_resolver_that_hangs_ends_at_the_deadline(
    slow_resolver: SlowResolver, golden: Golden
) -> None:
    transport = UDPTransport("agent.test", 6831, timeout=1)
    began = time.monotonic()

    ((outcome, _),) = send(transport, [b"a"])

    assert 1 <= time.monotonic() - began < 5
    assert outcome.kind is FailureKind.TIMEOUT
    golden(outcome.reason)
    transport.close()


def test_closing_ends_a_look_up(slow_resolver: SlowResolver) -> None:
    transport = UDPTransport("agent.test", 6831, timeout=60)
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(send(transport, [b"a"])[0][0]))
    thread.start()
    assert slow_resolver.asked.wait(10)

    transport.close()
    thread.join(10)

    assert [outcome.kind for outcome in outcomes] == [FailureKind.CLOSED]
