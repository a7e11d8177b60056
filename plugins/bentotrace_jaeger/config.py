"""The options of the section ``jaeger``, and their ``OTEL_EXPORTER_JAEGER_*`` variables."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from bentotrace.exceptions import OptionError
from bentotrace.plugin import ADDRESS, Address, Kind, Range, Variable, kind_of, option
from bentotrace.transport.basic_auth import basic_auth
from bentotrace.transport.endpoint import ResolvedEndpoint
from bentotrace.transport.options import GRPCClientOptions, HTTPClientOptions, with_variables
from bentotrace.transport.udp import MAX_DATAGRAM, MIN_DATAGRAM
from bentotrace_jaeger.destination import (
    Agent,
    is_grpc_port,
    resolve_agent,
    resolve_grpc,
    resolve_http,
)

__all__ = ["GRPCOptions", "JaegerOptions", "ThriftOptions"]

Protocol = Literal["thrift", "grpc", "http/thrift.binary", "udp/thrift.compact"]

_PREFIX = "OTEL_EXPORTER_JAEGER_"


def _protocol(value: object) -> str:
    if value == "udp/thrift.binary":
        raise ValueError("not supported for agents; write udp/thrift.compact, and port 6831")
    protocol: str = kind_of(Protocol).convert(value)
    return protocol


@frozen(field_transformer=with_variables(certificate_file=[_PREFIX + "CERTIFICATE"]))
class ThriftOptions(HTTPClientOptions):
    """The section ``jaeger.thrift``: the agent, and options of Thrift over HTTP."""

    agent_host_name: str | None = option(
        default=None,
        env=[_PREFIX + "AGENT_HOST"],
        old_names=["address"],
        help="Name or address of the agent; localhost by default.",
    )
    agent_port: int | None = option(
        default=None,
        env=[_PREFIX + "AGENT_PORT"],
        old_names=["port"],
        validator=Range(1, 65535),
        help="UDP port of the agent for Thrift's compact protocol; 6831 by default.",
    )
    udp_split_oversized_batches: bool = option(
        default=True,
        env=[_PREFIX + "AGENT_SPLIT_OVERSIZED_BATCHES"],
        help="Whether a batch that does not fit in one datagram is sent in several; otherwise it "
        "is lost, and counted as failed.",
    )
    max_packet_size: int = option(
        default=65_000,
        unit="bytes",
        validator=Range(MIN_DATAGRAM, MAX_DATAGRAM),
        help="Maximum size of a datagram.",
    )


@frozen(
    field_transformer=with_variables(
        certificate_file=[_PREFIX + "CERTIFICATE"], insecure=[_PREFIX + "GRPC_INSECURE"]
    )
)
class GRPCOptions(GRPCClientOptions):
    """The section ``jaeger.grpc``."""

    endpoint: Address | None = option(
        default=None,
        kind=ADDRESS,
        env=[_PREFIX + "ENDPOINT"],
        help="The collector; by default collector_endpoint, else localhost:14250.",
    )


@frozen
class JaegerOptions:
    """The section ``jaeger``."""

    protocol: Protocol = option(
        default="thrift",
        kind=Kind("a protocol", _protocol, json_schema=kind_of(Protocol).json_schema),
        env=[Variable(_PREFIX + "PROTOCOL", str.casefold)],
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
        help="User name for a collector with Thrift over HTTP.",
    )
    password: str | None = option(
        default=None, env=[_PREFIX + "PASSWORD"], secret=True, help="Password of that user."
    )
    thrift: ThriftOptions = option(factory=ThriftOptions, help="Options for protocol: thrift.")
    grpc: GRPCOptions = option(factory=GRPCOptions, help="Options for protocol: grpc.")

    def __attrs_post_init__(self) -> None:
        name = "collector_endpoint"
        try:
            if self.over_grpc and self.grpc.endpoint is not None:
                name = "grpc.endpoint"
            elif self._to_agent:
                name = "thrift.agent_host_name"
            destination = self.destination()
        except ValueError as error:
            raise OptionError(name, str(error)) from None
        over_http = not self.over_grpc and not self._to_agent
        basic_auth(
            self.username,
            self.password,
            headers=self.thrift.headers if over_http else None,
            headers_option="thrift.headers",
        )
        if not isinstance(destination, Agent) and destination.tls:
            self.section.check_tls("grpc" if self.over_grpc else "thrift")

    @property
    def over_grpc(self) -> bool:
        """Whether protobuf is sent: BentoML's guide has port 14250 with the default protocol."""
        chosen_by_port = self.protocol == "thrift" and is_grpc_port(self.collector_endpoint)
        return self.protocol == "grpc" or chosen_by_port

    @property
    def _to_agent(self) -> bool:
        chosen_by_endpoint = self.protocol == "thrift" and self.collector_endpoint is None
        return chosen_by_endpoint or self.protocol == "udp/thrift.compact"

    @property
    def section(self) -> ThriftOptions | GRPCOptions:
        """The section of the selected protocol."""
        return self.grpc if self.over_grpc else self.thrift

    def credentials(self) -> dict[str, str]:
        """Return the header for user name and password."""
        return basic_auth(self.username, self.password)

    def destination(self) -> Agent | ResolvedEndpoint:
        """Return the final endpoint; raise ValueError if it does not fit the protocol."""
        if self.over_grpc:
            endpoint = self.grpc.endpoint or self.collector_endpoint
            return resolve_grpc(endpoint, self.grpc.insecure)
        if self._to_agent:
            return resolve_agent(self.thrift.agent_host_name, self.thrift.agent_port)
        return resolve_http(self.collector_endpoint)

    def notes(self) -> tuple[str, ...]:
        """Return the settings without effect, and the reasons."""
        agent = self.thrift.agent_host_name is not None or self.thrift.agent_port is not None
        notes: tuple[str, ...] = ()
        if self.over_grpc and self.protocol != "grpc":
            notes += (
                "jaeger.collector_endpoint has port 14250, so protocol: grpc is used; write it, or "
                "port 14268 for thrift",
            )
        destination = self.destination()
        if not isinstance(destination, Agent) and not destination.tls:
            section = "grpc" if self.over_grpc else "thrift"
            notes += self.section.unused_files(f"jaeger.{section}")
        if agent and not isinstance(destination, Agent):
            notes += (
                "jaeger has an agent and a collector: only the collector gets spans; leave out "
                "jaeger.collector_endpoint to send to the agent, over UDP"
                if self.protocol == "thrift"
                else f"jaeger has an agent and protocol: {self.protocol}: only the collector gets "
                "spans",
            )
        if self.username is not None and (self.over_grpc or self._to_agent):
            notes += (
                "jaeger.username and jaeger.password are only sent with Thrift over HTTP, which "
                "protocol: thrift and a collector_endpoint select",
            )
        if self.over_grpc and self.grpc.wants_gzip:
            notes += ("jaeger.grpc.headers has grpc-encoding, which turns on compression",)
        return notes
