"""A name with several addresses, from a real DNS server on loopback."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from .grpc_receiver import METHOD, Receiver

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (extra: grpc)")

from bentotrace.transport.grpc import GRPCTransport  # noqa: E402

HOSTS = ("127.0.0.1", "127.0.0.2")
_A = 1


class NameServer:
    """Answers each question for an IPv4 address with all the hosts, and others with none."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.questions = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            query, client = self._socket.recvfrom(512)
            if not query:
                return
            self.questions += 1
            end = query.index(b"\0", 12) + 5
            (kind,) = struct.unpack_from(">H", query, end - 4)
            hosts = HOSTS if kind == _A else ()
            head = struct.pack(">2s5H", query[:2], 0x8180, 1, len(hosts), 0, 0)
            # The name is that of the question; valid for a second, and 4 bytes long.
            answers = [
                struct.pack(">HHHIH", 0xC00C, _A, 1, 1, 4) + socket.inet_aton(host)
                for host in hosts
            ]
            self._socket.sendto(head + query[12:end] + b"".join(answers), client)

    def close(self) -> None:
        self._socket.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(5)
        self._socket.close()


@pytest.fixture
def name_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    with closing(NameServer()) as server:
        yield server


Serve = Callable[[str, int], tuple[Receiver, Any, int]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ThreadPoolExecutor(8) as executor:
        servers = []

        def serve(host: str, port: int) -> tuple[Receiver, Any, int]:
            receiver = Receiver()
            server = grpc.server(executor, options=[("grpc.so_reuseport", 0)])
            server.add_generic_rpc_handlers((receiver,))
            bound = server.add_insecure_port(f"{host}:{port}")
            server.start()
            servers.append(server)
            return receiver, server, bound

        yield serve
        for server in servers:
            server.stop(None).wait(5)


@pytest.fixture
def connect(name_server: NameServer) -> Iterator[Callable[..., GRPCTransport]]:
    made: list[GRPCTransport] = []

    def connect(port: int, **options: Any) -> GRPCTransport:
        target = f"dns://127.0.0.1:{name_server.port}/collector.test:{port}"
        options = {"timeout": 10.0, "user_agent": "bentotrace-tests/1", **options}
        made.append(GRPCTransport(target, METHOD, **options))
        return made[-1]

    yield connect
    for transport in made:
        transport.close()


def send(transport: GRPCTransport, times: int) -> None:
    for _ in range(times):
        assert transport.send(b"x").ok


@pytest.mark.parametrize("balancing", ["round_robin", None])
def test_requests_are_spread_over_the_addresses_of_a_name_if_it_is_configured(
    serve: Serve, connect: Callable[..., GRPCTransport], balancing: Any
) -> None:
    first, _, port = serve(HOSTS[0], 0)
    second, _, _ = serve(HOSTS[1], port)

    send(connect(port, load_balancing=balancing), 20)

    fewer, more = sorted((len(first.bodies), len(second.bodies)))
    assert fewer + more == 20
    # The first requests go to the address that is connected first.
    assert (fewer >= 5) if balancing else (fewer == 0)


@pytest.mark.parametrize("balancing", ["round_robin", None])
def test_an_address_that_goes_away_loses_nothing(
    serve: Serve, connect: Callable[..., GRPCTransport], balancing: Any
) -> None:
    _, server, port = serve(HOSTS[0], 0)
    second, _, _ = serve(HOSTS[1], port)
    transport = connect(port, load_balancing=balancing)
    send(transport, 6)
    before = len(second.bodies)

    server.stop(None).wait(5)
    send(transport, 6)

    assert len(second.bodies) == before + 6


@pytest.mark.parametrize("balancing", ["round_robin", None])
def test_an_address_that_is_away_from_the_start_loses_nothing(
    serve: Serve, connect: Callable[..., GRPCTransport], balancing: Any
) -> None:
    second, _, port = serve(HOSTS[1], 0)

    send(connect(port, load_balancing=balancing), 6)

    assert len(second.bodies) == 6
