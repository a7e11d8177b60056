"""Where a destination is on the network, as far as its plugin tells."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

from attrs import frozen

from bentotrace.plugin import Target
from bentotrace.transport.endpoint import parse_endpoint
from bentotrace.transport.proxy import Proxy, find_proxy
from bentotrace.transport.tls import TLSConfig

__all__ = ["Place", "place_of"]

Transport = Literal["http", "grpc", "udp"]


@frozen
class Place:
    """A host and a port, and how they are spoken to.

    Attributes:
        transport: what carries the spans.
        host: without the brackets of an IPv6 address.
        port: the port.
        path: path and query of an HTTP request; "" otherwise.
        tls: the files of an encrypted connection; None for a plaintext one.
        proxy: what connections go to instead; None when they go there.
    """

    transport: Transport
    host: str
    port: int
    path: str = ""
    tls: TLSConfig | None = None
    proxy: Proxy | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that a connection is made to."""
        return (self.host, self.port) if self.proxy is None else (self.proxy.host, self.proxy.port)

    @property
    def peer(self) -> str:
        """``host:port`` that a connection is made to."""
        return peer_of(*self.address)


def peer_of(host: str, port: int) -> str:
    """Write ``host:port``, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def place_of(target: Target | None) -> Place | None:
    """Read what a plugin tells of its destination.

    Returns:
        None when that is no place on the network, or there is no telling how it is reached.
    """
    if target is None:
        return None
    transport = _transport(target)
    try:
        if target.endpoint.startswith(("http://", "https://")):
            return _place_of_url(target, transport or "http")
        parts = urlsplit(f"//{target.endpoint}")
        host, port = parts.hostname, parts.port
        # A target of gRPC's own, as dns:///name, has no port here, or a path.
        if transport is None or not host or port is None or parts.path:
            return None
        proxy = _proxy_of_grpc(host, port, os.environ) if transport == "grpc" else None
    except ValueError:
        # The endpoint, or a variable that names a proxy: the exporter finds the same, and says it.
        return None
    return Place(transport, host, port, tls=target.tls, proxy=proxy)


def _transport(target: Target) -> Transport | None:
    words = target.protocol.casefold().split()
    transports: tuple[Transport, ...] = ("http", "grpc", "udp")
    return next((transport for transport in transports if transport in words), None)


def _place_of_url(target: Target, transport: Transport) -> Place:
    url = parse_endpoint(target.endpoint)
    tls = (target.tls or TLSConfig()) if url.scheme == "https" else None
    if transport == "grpc":
        proxy = _proxy_of_grpc(url.host, url.port, os.environ)
        return Place(transport, url.host, url.port, tls=tls, proxy=proxy)
    proxy = find_proxy(url.scheme, url.host, url.port, os.environ)
    return Place(transport, url.host, url.port, url.target, tls, proxy)


def _proxy_of_grpc(host: str, port: int, environment: Mapping[str, str]) -> Proxy | None:
    """Find the proxy as gRPC's core does, which has variables of its own."""
    proxies = (environment.get(name) for name in ("grpc_proxy", "https_proxy", "http_proxy"))
    exempt = environment.get("no_grpc_proxy") or environment.get("no_proxy") or ""
    named = {"http_proxy": next(filter(None, proxies), ""), "no_proxy": exempt}
    return find_proxy("http", host, port, named)
