from __future__ import annotations

import gc
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bentotrace.testing import Receiver, ZipkinReceiver

ALL = [
    "OTLPHTTPReceiver",
    "OTLPGRPCReceiver",
    "JaegerUDPReceiver",
    "JaegerHTTPReceiver",
    "JaegerGRPCReceiver",
    "ZipkinReceiver",
]


def has_ipv6_loopback() -> bool:
    if not socket.has_ipv6:
        return False
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return False
    return True


def make(name: str, *args: Any, **kwargs: Any) -> Receiver:
    import bentotrace.testing

    libraries = {
        "OTLPHTTPReceiver": ["opentelemetry.proto"],
        "OTLPGRPCReceiver": ["opentelemetry.proto", "grpc"],
        "JaegerUDPReceiver": ["thrift"],
        "JaegerHTTPReceiver": ["thrift"],
        "JaegerGRPCReceiver": ["google.protobuf", "grpc"],
    }
    for library in libraries.get(name, ()):
        pytest.importorskip(library, reason=f"{name} decodes with {library}")
    receiver: Receiver = getattr(bentotrace.testing, name)(*args, **kwargs)
    return receiver


def zipkin_body(*names: str) -> bytes:
    return json.dumps(
        [{"traceId": "1" * 32, "id": "2" * 16, "name": name} for name in names]
    ).encode()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("name", ALL)
def test_close_releases_the_port_and_ends_the_threads(name: str) -> None:
    make(name).close()  # gRPC and the resolver open files of their own once
    threads = set(threading.enumerate())
    with make(name) as receiver:
        port = receiver.port
        assert set(threading.enumerate()) - threads
    assert set(threading.enumerate()) - threads == set()
    kind = socket.SOCK_DGRAM if name == "JaegerUDPReceiver" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as again:
        again.bind(("127.0.0.1", port))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="no /proc to count open files in")
@pytest.mark.parametrize("name", ["JaegerUDPReceiver", "JaegerHTTPReceiver", "ZipkinReceiver"])
def test_close_closes_every_file(name: str) -> None:
    gc.collect()  # what earlier tests left open
    before = open_files()
    for _ in range(3):
        make(name).close()
    # gRPC closes its own a moment later.
    end = time.monotonic() + 10.0
    while open_files() > before and time.monotonic() < end:
        time.sleep(0.01)
    assert open_files() <= before


@pytest.mark.parametrize("name", ALL)
def test_close_is_safe_twice_and_quick(name: str) -> None:
    receiver = make(name)
    started = time.monotonic()
    receiver.close()
    receiver.close()
    # A thread that does not end is waited for 5 s.
    assert time.monotonic() - started < 4.5
    assert receiver.spans == []


@pytest.mark.parametrize("name", ALL)
def test_a_taken_port_is_an_error(name: str) -> None:
    with make(name) as receiver, pytest.raises(OSError):  # noqa: PT011 - texts differ by system
        make(name, port=receiver.port)


@pytest.mark.parametrize("name", ALL)
def test_a_port_can_be_chosen_again(name: str) -> None:
    with make(name) as receiver:
        port = receiver.port
    with make(name, "127.0.0.1", port) as receiver:
        assert receiver.port == port
        assert f"127.0.0.1:{port}" in receiver.endpoint


@pytest.mark.skipif(not has_ipv6_loopback(), reason="this machine has no IPv6 loopback")
@pytest.mark.parametrize("name", ALL)
def test_it_listens_on_ipv6(name: str) -> None:
    with make(name, "::1") as receiver:
        assert f"[::1]:{receiver.port}" in receiver.endpoint
        kind = socket.SOCK_DGRAM if name == "JaegerUDPReceiver" else socket.SOCK_STREAM
        with socket.socket(socket.AF_INET6, kind) as client:
            client.settimeout(2.0)
            client.connect((receiver.host, receiver.port))


def test_wait_returns_as_soon_as_enough_spans_are_there(post: Callable[..., Any]) -> None:
    with ZipkinReceiver() as receiver:
        sender = threading.Timer(
            0.1,
            lambda: post(
                receiver.endpoint, zipkin_body("a", "b", "c"), content_type="application/json"
            ),
        )
        sender.start()
        started = time.monotonic()
        spans = receiver.wait(2, timeout=60.0)
        assert time.monotonic() - started < 30.0
        sender.join(5.0)
    assert [span.name for span in spans] == ["a", "b", "c"]


def test_wait_says_how_many_came_and_what_could_not_be_read(post: Callable[..., Any]) -> None:
    with ZipkinReceiver() as receiver:
        post(receiver.endpoint, zipkin_body("a"), content_type="application/json")
        post(receiver.endpoint, b"[", content_type="application/json")
        with pytest.raises(TimeoutError) as caught:
            receiver.wait(3, timeout=0.05)
    message = str(caught.value)
    assert message.startswith(f"1 of 3 spans arrived at {receiver.endpoint} within 0.05 s")
    assert "in 2 requests; 1 could not be decoded; the last: Expecting value" in message


def test_clear_forgets_what_arrived_and_snapshots_stay(post: Callable[..., Any]) -> None:
    with ZipkinReceiver() as receiver:
        post(receiver.endpoint, zipkin_body("a"), content_type="application/json")
        post(receiver.endpoint, b"{}", content_type="application/json")
        spans = receiver.spans
        receiver.clear()
        assert (receiver.spans, receiver.requests, receiver.errors) == ([], [], [])
        assert len(spans) == 1
        post(receiver.endpoint, zipkin_body("b"), content_type="application/json")
        assert [span.name for span in receiver.wait(1)] == ["b"]


def test_what_arrived_can_be_read_after_close(post: Callable[..., Any]) -> None:
    with ZipkinReceiver() as receiver:
        post(receiver.endpoint, zipkin_body("a"), content_type="application/json")
    assert [span.name for span in receiver.wait(1)] == ["a"]
    assert "1 spans" in repr(receiver)


def test_many_senders_at_once_lose_nothing(post: Callable[..., Any]) -> None:
    with ZipkinReceiver() as receiver:

        def send(number: int) -> None:
            for _ in range(10):
                post(receiver.endpoint, zipkin_body(str(number)), content_type="application/json")

        senders = [threading.Thread(target=send, args=(number,)) for number in range(8)]
        for sender in senders:
            sender.start()
        spans = receiver.wait(80, timeout=20.0)
        for sender in senders:
            sender.join(5.0)
    assert sorted(span.name for span in spans) == sorted(
        str(n) for n in range(8) for _ in range(10)
    )
    assert len(receiver.requests) == 80
