"""Which agent or collector spans are sent to.

==================  ==========================  ==================================================
protocol            given                       spans go to
==================  ==========================  ==================================================
thrift              nothing                     the agent at localhost:6831, over UDP
thrift              ``thrift.agent_host_name``  that agent
thrift              ``collector_endpoint``      that URL, over HTTP; a URL without a path gets
                                                ``/api/traces``; the agent gets nothing
http/thrift.binary  nothing                     http://localhost:14268/api/traces
udp/thrift.compact  ``collector_endpoint`` too  the agent
grpc                nothing                     localhost:14250, plaintext
grpc                ``grpc.endpoint``, else     that collector; ``http://`` or ``https://`` decide
                    ``collector_endpoint``      for TLS, else ``grpc.insecure``
==================  ==========================  ==================================================

Source: OpenTelemetry specification 1.20, "Jaeger Exporter", the last that has it.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from bentotrace.plugin import Address
from bentotrace.redaction import without_credentials

__all__ = ["Agent", "Collector", "resolve_agent", "resolve_grpc", "resolve_http"]

AGENT_HOST = "localhost"
AGENT_PORT = 6831
_PATH = "/api/traces"
_GRPC_PORT = 14250
_HTTP_PORT = 14268

# What else listens on a port that is easily mistaken for another.
_SPOKEN = {
    4317: "OTLP over grpc; write exporter_type: otlp, or port {port}",
    4318: "OTLP over http; write exporter_type: otlp, or port {port}",
    9411: "Zipkin's format; write exporter_type: zipkin, or port {port}",
    _GRPC_PORT: "Jaeger's protobuf; write protocol: grpc, or port {port}",
    _HTTP_PORT: "Thrift over HTTP; write protocol: thrift, or port {port}",
}


class Agent(NamedTuple):
    """An agent, which takes Thrift's compact protocol over UDP."""

    host: str
    port: int
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Collector(NamedTuple):
    """A collector.

    Attributes:
        address: the URL of an HTTP request, or the target of a gRPC channel.
        tls: whether the connection is encrypted.
        warnings: what is likely a mistake, with the fix.
    """

    address: Address
    tls: bool
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        return without_credentials(self.address)


def resolve_agent(host: str | None, port: int | None) -> Agent:
    """Fill in the defaults.

    Raises:
        ValueError: the host is none; the message says what to write.
    """
    host = AGENT_HOST if host is None else host.strip()
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not host or any(character.isspace() or character in "/@" for character in host):
        raise ValueError("is no host; write a name or an address, such as localhost")
    if "$" in host:
        raise ValueError("holds a $; write ${NAME} for a variable")
    if host.count(":") == 1:
        raise ValueError("holds a port; write it as agent_port")
    port = AGENT_PORT if port is None else port
    warnings: tuple[str, ...] = ()
    if port == 6832:
        warnings = (
            "port 6832 is where agents take Thrift's binary protocol, and what is sent is the "
            f"compact one; write agent_port: {AGENT_PORT}",
        )
    return Agent(host, port, warnings)


def resolve_http(endpoint: str | None) -> Collector:
    """Read the endpoint of a collector that is sent Thrift over HTTP.

    Raises:
        ValueError: it is none; the message says what to write.
    """
    if endpoint is None:
        endpoint = f"http://localhost:{_HTTP_PORT}"
    if "://" not in endpoint:
        raise ValueError("has no scheme; write it as http://localhost:14268/api/traces")
    url = _split(endpoint, "http://localhost:14268/api/traces")
    path = _PATH if url.path in {"", "/"} else url.path
    return Collector(
        Address(url._replace(path=path).geturl()), url.scheme == "https", _mistaken(url, _HTTP_PORT)
    )


def resolve_grpc(endpoint: str | None, insecure: bool) -> Collector:
    """Read the endpoint of a collector that is sent protobuf over gRPC.

    Raises:
        ValueError: it is none; the message says what to write.
    """
    if endpoint is None:
        return Collector(Address(f"localhost:{_GRPC_PORT}"), tls=False)
    url = _split(endpoint if "://" in endpoint else f"//{endpoint}", "localhost:14250")
    if url.path not in {"", "/"} or url.query:
        raise ValueError("has a path, which gRPC has not; write it as localhost:14250")
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
    warnings = _mistaken(url, _GRPC_PORT)
    tls = url.scheme == "https" if url.scheme else not insecure
    if tls and insecure:
        warnings += (
            "jaeger.grpc.insecure is true, but the endpoint's https:// decides for TLS; write "
            "http:// for a connection without",
        )
    default = 443 if url.scheme == "https" else _GRPC_PORT
    return Collector(Address(f"{host}:{url.port or default}"), tls, warnings)


def _split(text: str, example: str) -> SplitResult:
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ValueError(f"is no URL, or has no valid port; write it as {example}") from None
    if url.scheme not in {"", "http", "https"}:
        raise ValueError(f"has the scheme {url.scheme}; only http and https are spoken")
    if not url.hostname or port == 0:
        raise ValueError(f"names no host; write it as {example}")
    if "$" in url.hostname:
        raise ValueError("holds a $ in its host; write ${NAME} for a variable")
    if any(character.isspace() for character in text):
        raise ValueError("holds a space; remove it")
    return url


def _mistaken(url: SplitResult, expected: int) -> tuple[str, ...]:
    if url.port == expected or url.port not in _SPOKEN:
        return ()
    return (f"port {url.port} is where receivers take {_SPOKEN[url.port].format(port=expected)}",)
