from __future__ import annotations

import socket
import time
from datetime import datetime, timezone
from typing import Any

import pytest

from bentotrace.doctor.probe import fetch_certificate, parse_certificate, probe
from bentotrace.doctor.target import NetworkTarget
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

    probes = probe(NetworkTarget("http", "collector.test", port), 5)

    assert probes.accepted == f"127.0.0.1:{port}"
    assert probes.connection is not None
    assert probes.connection.seen == f"connected to 127.0.0.1:{port}; 127.0.0.2:{port} refused"


def test_a_failure_ends_the_probing_and_says_whether_more_time_would_help(
    free_port: int,
) -> None:
    refused = probe(NetworkTarget("http", "127.0.0.1", free_port, tls=TLSConfig()), 5)

    assert refused.failure is not None
    assert refused.failure.kind is FailureKind.REFUSED
    assert refused.hopeless
    assert refused.handshake is None


def test_a_handshake_that_hangs_may_need_more_time(serve: Any, hang: Any) -> None:
    hung = probe(NetworkTarget("http", "127.0.0.1", serve(hang).port, tls=TLSConfig()), 1)

    assert hung.failure is not None
    assert hung.failure.detail is FailureDetail.HANDSHAKE
    assert not hung.hopeless


def test_a_flood_inside_tls_ends_at_the_timeout(serve: Any) -> None:
    def flood(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        while True:
            connection.sendall(b"\x16\x03\x03\x00\x04\x00\x00\x00\x00" * 1000)

    started = time.monotonic()
    found = probe(NetworkTarget("http", "127.0.0.1", serve(flood).port, tls=TLSConfig()), 1)

    assert found.failure is not None
    assert found.failure.detail is FailureDetail.HANDSHAKE
    assert time.monotonic() - started < 5


def test_a_file_that_has_gone_fails_the_handshake(serve: Any, receiver: Any) -> None:
    files = TLSConfig(ca_file="/nowhere/ca.pem")
    gone = probe(NetworkTarget("http", "127.0.0.1", serve(receiver()).port, tls=files), 5)

    assert gone.failure is not None
    assert "/nowhere/ca.pem (ca_file): cannot be read" in gone.failure.reason


def test_a_datagram_s_target_is_only_resolved() -> None:
    probes = probe(NetworkTarget("udp", "127.0.0.1", 9), 5)

    assert probes.resolution is not None
    assert probes.resolution.seen == "not needed: 127.0.0.1 is an address"
    assert probes.connection is None


@pytest.mark.parametrize("which", ["certificates", "expired_certificates"])
def test_a_certificate_is_read_that_nobody_trusts(
    serve: Any, receiver: Any, request: pytest.FixtureRequest, which: str
) -> None:
    context = request.getfixturevalue(which).server_context()
    port = serve(receiver(), context=context).port

    found = fetch_certificate("127.0.0.1", port, 5)

    assert found is not None
    assert found.hosts == ("localhost",)
    assert found.issuer.startswith("trustme")
    assert (found.ends < datetime.now(timezone.utc)) == which.startswith("expired")


def test_a_server_without_tls_has_none(serve: Any, free_port: int) -> None:
    assert fetch_certificate("127.0.0.1", serve(lambda connection: None).port, 5) is None
    assert fetch_certificate("127.0.0.1", free_port, 5) is None


def test_the_issuer_has_the_name_that_it_gives() -> None:
    times = {"notBefore": "Jan  1 00:00:00 2026 GMT", "notAfter": "Jan  1 00:00:00 2027 GMT"}
    named = ((("organizationName", "Acme"),), (("commonName", "Acme Root"),))

    made = parse_certificate(
        {"issuer": named, "subjectAltName": (("DNS", "a"), ("DNS", "b")), **times}
    )

    assert made is not None
    assert (made.issuer, made.hosts) == ("Acme Root", ("a", "b"))
    assert (made.begins.year, made.ends.year) == (2026, 2027)
    nameless = parse_certificate(times)
    assert nameless is not None
    assert nameless.issuer == "an issuer without a name"
    assert parse_certificate({}) is None
    assert parse_certificate(None) is None
