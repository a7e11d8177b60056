"""The transports of the matrix: how each is configured, and what receives it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from attrs import frozen

from bentotrace import testing

__all__ = ["TRANSPORTS", "Family", "Transport"]

Family = Literal["http", "grpc", "udp"]


@frozen(eq=False)
class Transport:
    """One way for spans to leave.

    Attributes:
        name: what the page calls it.
        family: what carries it.
        exporter: the exporter type.
        receiver: the name of what receives it in :mod:`bentotrace.testing`.
        section: the exporter's section for a host, a port and an authority's file; without the
            file it is plaintext.
    """

    name: str
    family: Family
    exporter: str
    receiver: str
    section: Callable[[str, int, str | None], dict[str, Any]]

    def block(self, host: str, port: int, ca_file: str | None = None) -> dict[str, Any]:
        """Return the configuration without a processor."""
        section = self.section(host, port, ca_file)
        return {"exporter_type": self.exporter, "sample_rate": 1.0, self.exporter: section}

    def receive(self, port: int = 0, **options: Any) -> Any:
        """Start a healthy receiver."""
        return getattr(testing, self.receiver)(port=port, **options)


def _url(host: str, port: int, ca_file: str | None) -> str:
    return f"{'http' if ca_file is None else 'https'}://{host}:{port}"


def _otlp(protocol: str) -> Callable[[str, int, str | None], dict[str, Any]]:
    return lambda host, port, ca_file: {
        "protocol": protocol,
        "endpoint": _url(host, port, ca_file),
        protocol: {"certificate_file": ca_file},
    }


def _zipkin(host: str, port: int, ca_file: str | None) -> dict[str, Any]:
    return {"endpoint": _url(host, port, ca_file), "certificate_file": ca_file}


def _jaeger(protocol: str) -> Callable[[str, int, str | None], dict[str, Any]]:
    return lambda host, port, ca_file: {
        "protocol": protocol,
        "collector_endpoint": _url(host, port, ca_file),
        protocol: {"certificate_file": ca_file},
    }


def _agent(host: str, port: int, ca_file: str | None) -> dict[str, Any]:
    return {"thrift": {"agent_host_name": host, "agent_port": port}}


TRANSPORTS = (
    Transport("OTLP HTTP", "http", "otlp", "OTLPHTTPReceiver", _otlp("http")),
    Transport("OTLP gRPC", "grpc", "otlp", "OTLPGRPCReceiver", _otlp("grpc")),
    Transport("Zipkin", "http", "zipkin", "ZipkinReceiver", _zipkin),
    Transport("Jaeger HTTP", "http", "jaeger", "JaegerHTTPReceiver", _jaeger("thrift")),
    Transport("Jaeger gRPC", "grpc", "jaeger", "JaegerGRPCReceiver", _jaeger("grpc")),
    Transport("Jaeger UDP", "udp", "jaeger", "JaegerUDPReceiver", _agent),
)
