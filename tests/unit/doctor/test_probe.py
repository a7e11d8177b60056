from __future__ import annotations

import socket
from typing import Any

import pytest

from bentotrace.doctor.place import Place
from bentotrace.doctor.probe import probe
from bentotrace.transport import FailureDetail, FailureKind, TLSConfig


def test_every_address_is_tried_and_told(
    serve: Any, receiver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = serve(receiver()).port
    stream = (socket.SOCK_STREAM, 6, "")
    found = [
        (socket.AF_INET, *stream, ("127.0.0.2", port)),
        (socket.AF_INET, *stream, ("127.0.0.1", port)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    connection = probe(Place("http", "collector.test", port), 5).connection

    assert connection is not None
    assert connection.address == f"127.0.0.1:{port}"
    assert connection.refusals == (f"127.0.0.2:{port} refused",)


def test_a_failure_ends_the_probing_and_says_whether_more_time_would_help(
    free_port: int,
) -> None:
    refused = probe(Place("http", "127.0.0.1", free_port, tls=TLSConfig()), 5)

    assert refused.failure is not None
    assert refused.failure.kind is FailureKind.REFUSED
    assert refused.hopeless
    assert refused.handshake is None


def test_a_handshake_that_hangs_may_need_more_time(serve: Any, hang: Any) -> None:
    hung = probe(Place("http", "127.0.0.1", serve(hang).port, tls=TLSConfig()), 0.2)

    assert hung.failure is not None
    assert hung.failure.detail is FailureDetail.HANDSHAKE
    assert not hung.hopeless


def test_a_file_that_has_gone_fails_the_handshake(serve: Any, receiver: Any) -> None:
    files = TLSConfig(ca_file="/nowhere/ca.pem")
    gone = probe(Place("http", "127.0.0.1", serve(receiver()).port, tls=files), 5)

    assert gone.failure is not None
    assert "/nowhere/ca.pem (ca_file): cannot be read" in gone.failure.reason


def test_a_datagram_s_place_is_only_resolved() -> None:
    probes = probe(Place("udp", "127.0.0.1", 9), 5)

    assert probes.resolution is not None
    assert probes.resolution.addresses[0][3][0] == "127.0.0.1"
    assert probes.connection is None
