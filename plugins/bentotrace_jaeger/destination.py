"""The agent or collector that spans are sent to.

==================  ==========================  ==================================================
protocol            options                     spans go to
==================  ==========================  ==================================================
thrift              none                        the agent at localhost:6831, over UDP
thrift              ``thrift.agent_host_name``  that agent
thrift              ``collector_endpoint``      that URL, over HTTP; a URL without a path gets
                                                ``/api/traces``; the agent gets none. With port
                                                14250, as ``grpc``
http/thrift.binary  none                        http://localhost:14268/api/traces
udp/thrift.compact  ``collector_endpoint`` too  the agent
grpc                none                        localhost:14250, plaintext
grpc                ``grpc.endpoint``, else     that collector; ``http://`` or ``https://`` decide
                    ``collector_endpoint``      for TLS, else ``grpc.insecure``
==================  ==========================  ==================================================

Source: OpenTelemetry specification 1.20, "Jaeger Exporter", the last that has it.
"""

from __future__ import annotations

from typing import NamedTuple

from bentotrace.transport.endpoint import (
    ResolvedEndpoint,
    bracketed,
    resolve_target,
    resolve_url,
)

__all__ = ["Agent", "is_grpc_port", "resolve_agent", "resolve_grpc", "resolve_http"]

AGENT_HOST = "localhost"
AGENT_PORT = 6831
_PATH = "/api/traces"
_GRPC_PORT = 14250
_HTTP_PORT = 14268

# Ports that are easily confused.
_SPOKEN = {
    4317: "OTLP over grpc; write exporter_type: otlp, or port {port}",
    4318: "OTLP over http; write exporter_type: otlp, or port {port}",
    9411: "Zipkin's format; write exporter_type: zipkin, or port {port}",
    _GRPC_PORT: "Jaeger's protobuf; write protocol: grpc, or port {port}",
    _HTTP_PORT: "Thrift over HTTP; write protocol: thrift, or port {port}",
    16686: "no spans, but serve Jaeger's page; write port {port}",
}


class Agent(NamedTuple):
    """An agent, which receives Thrift's compact protocol over UDP."""

    host: str
    port: int
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{bracketed(self.host)}:{self.port}"


def resolve_agent(host: str | None, port: int | None) -> Agent:
    """Check host and port, and fill in the defaults.

    Raises:
        ValueError: it is not a host; the message has the fix.
    """
    host = AGENT_HOST if host is None else host.strip()
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not host or any(character.isspace() or character in "/@" for character in host):
        raise ValueError("is not a host; write a name or an address, such as localhost")
    if "$" in host:
        raise ValueError("contains a $; write ${NAME} for a variable")
    if host.count(":") == 1:
        raise ValueError("contains a port; write it as agent_port")
    port = AGENT_PORT if port is None else port
    warnings: tuple[str, ...] = ()
    if port == 6832:
        warnings = (
            "jaeger.thrift.agent_port is 6832, where agents receive Thrift's binary protocol, but "
            f"the compact one is sent; write agent_port: {AGENT_PORT}",
        )
    return Agent(host, port, warnings)


def resolve_http(endpoint: str | None) -> ResolvedEndpoint:
    """Resolve the endpoint of a collector for Thrift over HTTP.

    Raises:
        ValueError: it is not a URL; the message has the fix.
    """
    return resolve_url(
        endpoint or f"http://localhost:{_HTTP_PORT}",
        example="http://localhost:14268/api/traces",
        path=_PATH,
        other_ports=_other_ports(_HTTP_PORT),
    )


def is_grpc_port(endpoint: str | None) -> bool:
    """Return whether an endpoint has the port for protobuf over gRPC, and no path."""
    return endpoint is not None and endpoint.rstrip("/").endswith(f":{_GRPC_PORT}")


def resolve_grpc(endpoint: str | None, insecure: bool) -> ResolvedEndpoint:
    """Resolve the endpoint of a collector for protobuf over gRPC.

    Raises:
        ValueError: it is not a target; the message has the fix.
    """
    return resolve_target(
        endpoint or f"http://localhost:{_GRPC_PORT}",
        example="localhost:14250",
        port=_GRPC_PORT,
        insecure=insecure,
        option="jaeger.grpc.insecure",
        other_ports=_other_ports(_GRPC_PORT),
    )


def _other_ports(expected: int) -> dict[int, str]:
    return {
        port: f"take {what.format(port=expected)}"
        for port, what in _SPOKEN.items()
        if port != expected
    }
