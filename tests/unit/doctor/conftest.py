from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bentotrace.config.load import load_config
from bentotrace.doctor.examine import examine
from bentotrace.doctor.report import Diagnosis

from ...ports import free_ports


@pytest.fixture(autouse=True)
def _without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("grpc_proxy", "http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def diagnose() -> Callable[..., Diagnosis]:
    """Examines one destination: an exporter type and the options of its section."""

    def diagnose(
        exporter: str,
        section: Mapping[str, Any] | None = None,
        *,
        timeout: float = 5.0,
        environ: Mapping[str, str] | None = None,
    ) -> Diagnosis:
        block = {
            "exporter_type": exporter,
            "sample_rate": 1,
            "timeout": timeout,
            "resource": {"attributes": {"service.name": "iris"}},
            exporter: dict(section or {}),
        }
        (found,) = examine(load_config(block, environ=environ or {})).diagnoses
        return found

    return diagnose


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A port to which no connection is ever made: its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for sock in waiting:
            sock.close()


@pytest.fixture
def serve_grpc() -> Iterator[Callable[..., int]]:
    """Serves OTLP's method on every address of localhost; return the port."""
    grpc = pytest.importorskip("grpc", reason="grpcio is not installed (extra: grpc)")
    servers: list[Any] = []

    def start(certificates: Any = None, *, code: str = "OK") -> int:
        def export(_body: bytes, context: Any) -> bytes:
            if code != "OK":
                context.abort(grpc.StatusCode[code], "because")
            return b""

        service = "opentelemetry.proto.collector.trace.v1.TraceService"
        handler = grpc.method_handlers_generic_handler(
            service, {"Export": grpc.unary_unary_rpc_method_handler(export)}
        )
        server = grpc.server(
            ThreadPoolExecutor(2), handlers=(handler,), options=[("grpc.so_reuseport", 0)]
        )
        servers.append(server)
        # Of a port that gRPC chooses, another server may have the one of localhost's addresses.
        (port,) = free_ports()
        address = f"localhost:{port}"
        if certificates is None:
            server.add_insecure_port(address)
        else:
            pair = (
                Path(certificates.key_file).read_bytes(),
                Path(certificates.cert_file).read_bytes(),
            )
            server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
        server.start()
        return port

    yield start
    for server in servers:
        server.stop(0).wait(5)
