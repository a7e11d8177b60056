"""The network address of a destination."""

from __future__ import annotations

import os
from typing import Literal
from urllib.parse import urlsplit

from bentotrace.plugin import Target
from bentotrace.transport import Proxy, find_grpc_proxy, find_proxy
from bentotrace.transport.endpoint import parse_endpoint
from bentotrace.transport.tls import TLSConfig
from bentotrace.values import frozen

__all__ = ["NetworkTarget", "format_peer", "network_target"]

Transport = Literal["http", "grpc", "udp"]


@frozen
class NetworkTarget:
    """A host and a port, with the transport to them.

    Attributes:
        transport: the transport of the spans.
        host: without the brackets of an IPv6 address.
        port: the port.
        path: path and query of an HTTP request; "" otherwise.
        tls: the files of a TLS connection; None for plaintext.
        proxy: the proxy that connections go through; None for direct ones.
    """

    transport: Transport
    host: str
    port: int
    path: str = ""
    tls: TLSConfig | None = None
    proxy: Proxy | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the connection, which are the proxy's if there is one."""
        return (self.host, self.port) if self.proxy is None else (self.proxy.host, self.proxy.port)

    @property
    def peer(self) -> str:
        """``host:port`` of the connection."""
        return format_peer(*self.address)

    @property
    def url(self) -> str:
        """The URL of the server, without a path."""
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://{format_peer(self.host, self.port)}"


def format_peer(host: str, port: int) -> str:
    """Return ``host:port``, with an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def network_target(target: Target | None) -> NetworkTarget | None:
    """Return the network address of a plugin's target.

    Returns:
        None when the target is not on the network, or its transport is unknown.
    """
    if target is None:
        return None
    words = target.protocol.casefold().split()
    transports: tuple[Transport, ...] = ("http", "grpc", "udp")
    transport = next((name for name in transports if name in words), None)
    tls = target.tls
    try:
        if target.endpoint.startswith(("http://", "https://")):
            url = parse_endpoint(target.endpoint)
            host, port, path = url.host, url.port, url.target
            tls = (tls or TLSConfig()) if url.scheme == "https" else None
            transport = transport or "http"
        else:
            parts = urlsplit(f"//{target.endpoint}")
            # gRPC's own targets, as dns:///name, have no port here, or a path.
            if transport is None or not parts.hostname or parts.port is None or parts.path:
                return None
            url, port, path = None, parts.port, ""
            host = parse_endpoint(f"http://{target.endpoint}").host
        proxy = None
        if transport == "grpc":
            found = find_grpc_proxy("http" if tls is None else "https", host, port, os.environ)
            path, proxy = "", None if found is None else found[0]
        elif url is not None:
            proxy = find_proxy(url.scheme, host, port, os.environ)
    except ValueError:
        # An invalid endpoint or proxy variable: the exporter fails on it too, and reports it.
        return None
    return NetworkTarget(transport, host, port, path, tls, proxy)
