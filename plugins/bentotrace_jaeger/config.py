"""The section ``jaeger``, and the ``OTEL_EXPORTER_JAEGER_*`` variables above it."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from bentotrace.exceptions import OptionError
from bentotrace.plugin import ADDRESS, HEADERS, PEM_FILE, Address, Kind, Range, kind_of, option
from bentotrace.transport.udp import MAX_DATAGRAM, MIN_DATAGRAM
from bentotrace_jaeger.destination import (
    Agent,
    Collector,
    resolve_agent,
    resolve_grpc,
    resolve_http,
)

__all__ = ["GRPCOptions", "JaegerOptions", "ThriftOptions"]

Protocol = Literal["thrift", "grpc", "http/thrift.binary", "udp/thrift.compact"]

_PREFIX = "OTEL_EXPORTER_JAEGER_"
_CERTIFICATE_HELP = (
    "Certificate authority that the collector's certificate is checked with, a PEM file."
)
_HEADERS_HELP = "Headers of every request, as a mapping or a list of pairs."


def _protocol(value: object) -> str:
    if value == "udp/thrift.binary":
        raise ValueError("agents are sent udp/thrift.compact; write that, and port 6831")
    protocol: str = kind_of(Protocol).convert(value)
    return protocol


@frozen
class ThriftOptions:
    """The section ``jaeger.thrift``: the agent, and what only Thrift over HTTP uses."""

    agent_host_name: str | None = option(
        default=None,
        env=[_PREFIX + "AGENT_HOST"],
        old_names=["address"],
        help="Name or address of the agent; localhost when left out.",
    )
    agent_port: int | None = option(
        default=None,
        env=[_PREFIX + "AGENT_PORT"],
        old_names=["port"],
        validator=Range(1, 65535),
        help="UDP port on which the agent takes Thrift's compact protocol; 6831 when left out.",
    )
    udp_split_oversized_batches: bool = option(
        default=True,
        env=[_PREFIX + "AGENT_SPLIT_OVERSIZED_BATCHES"],
        help="Whether a batch that does not fit in one datagram goes in several; otherwise it is "
        "lost, and counted as failed.",
    )
    max_packet_size: int = option(
        default=65_000,
        unit="bytes",
        validator=Range(MIN_DATAGRAM, MAX_DATAGRAM),
        help="Size of a datagram, at the most.",
    )
    certificate_file: str | None = option(
        default=None, kind=PEM_FILE, env=[_PREFIX + "CERTIFICATE"], help=_CERTIFICATE_HELP
    )
    headers: dict[str, str] = option(factory=dict, kind=HEADERS, secret=True, help=_HEADERS_HELP)


@frozen
class GRPCOptions:
    """The section ``jaeger.grpc``."""

    endpoint: Address | None = option(
        default=None,
        kind=ADDRESS,
        env=[_PREFIX + "ENDPOINT"],
        help="The collector; collector_endpoint when left out, else localhost:14250.",
    )
    insecure: bool = option(
        default=False,
        env=[_PREFIX + "GRPC_INSECURE"],
        help="Whether an endpoint without a scheme is spoken to without TLS.",
    )
    certificate_file: str | None = option(
        default=None, kind=PEM_FILE, env=[_PREFIX + "CERTIFICATE"], help=_CERTIFICATE_HELP
    )
    headers: dict[str, str] = option(factory=dict, kind=HEADERS, secret=True, help=_HEADERS_HELP)


@frozen
class JaegerOptions:
    """The section ``jaeger``."""

    protocol: Protocol = option(
        default="thrift",
        kind=Kind("a protocol", _protocol, json_schema=kind_of(Protocol).json_schema),
        env=[_PREFIX + "PROTOCOL"],
        help="Thrift to an agent (UDP) or a collector (HTTP), or protobuf to a collector (gRPC); "
        "the specification's names select one of the first two.",
    )
    collector_endpoint: Address | None = option(
        default=None,
        kind=ADDRESS,
        env=[_PREFIX + "ENDPOINT"],
        help="The collector: a URL for thrift, a URL or host:port for grpc. With thrift, spans "
        "then go there and not to the agent.",
    )
    username: str | None = option(
        default=None,
        env=[_PREFIX + "USER"],
        help="User name for a collector that is sent Thrift over HTTP.",
    )
    password: str | None = option(
        default=None, env=[_PREFIX + "PASSWORD"], secret=True, help="Password of that user."
    )
    thrift: ThriftOptions = option(factory=ThriftOptions, help="What only protocol: thrift uses.")
    grpc: GRPCOptions = option(factory=GRPCOptions, help="What only protocol: grpc uses.")

    def __attrs_post_init__(self) -> None:
        name = "collector_endpoint"
        try:
            if self.protocol == "grpc" and self.grpc.endpoint is not None:
                name = "grpc.endpoint"
            elif self._to_agent:
                name = "thrift.agent_host_name"
            self.destination()
        except ValueError as error:
            raise OptionError(name, str(error)) from None
        if (self.username is None) != (self.password is None):
            missing = "password" if self.password is None else "username"
            raise OptionError(missing, "is missing; give username and password, or neither")
        over_http = self.protocol != "grpc" and not self._to_agent
        names = [name.lower() for name in self.thrift.headers]
        if self.username is not None and over_http and "authorization" in names:
            reason = "hold Authorization, and so do username and password; leave out one of them"
            raise OptionError("thrift.headers", reason)

    @property
    def _to_agent(self) -> bool:
        chosen_by_endpoint = self.protocol == "thrift" and self.collector_endpoint is None
        return chosen_by_endpoint or self.protocol == "udp/thrift.compact"

    def destination(self) -> Agent | Collector:
        """Tell where the spans go.

        Raises:
            ValueError: the endpoint that counts is none; the message says what to write.
        """
        if self.protocol == "grpc":
            endpoint = self.grpc.endpoint or self.collector_endpoint
            return resolve_grpc(endpoint, self.grpc.insecure)
        if self._to_agent:
            return resolve_agent(self.thrift.agent_host_name, self.thrift.agent_port)
        return resolve_http(self.collector_endpoint)

    def notes(self) -> tuple[str, ...]:
        """Tell what of this is given and has no effect, and why."""
        agent = self.thrift.agent_host_name is not None or self.thrift.agent_port is not None
        notes: tuple[str, ...] = ()
        if agent and isinstance(self.destination(), Collector):
            notes += (
                "jaeger has an agent and a collector: only the collector gets spans; leave out "
                "jaeger.collector_endpoint to send to the agent, over UDP"
                if self.protocol == "thrift"
                else f"jaeger has an agent and protocol: {self.protocol}: only the collector gets "
                "spans",
            )
        if self.username is not None and (self.protocol == "grpc" or self._to_agent):
            notes += (
                "jaeger.username and jaeger.password are only sent with Thrift over HTTP, which "
                "protocol: thrift and a collector_endpoint select",
            )
        return notes
