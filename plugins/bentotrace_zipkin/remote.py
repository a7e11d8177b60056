"""The remote endpoint: whom a client or a producer called, from the span's attributes.

Source: OpenTelemetry specification, "OpenTelemetry to Zipkin Transformation", Remote endpoint.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import IPv4Address, ip_address
from typing import Any

__all__ = ["remote_endpoint"]

# The first that is present counts; beside it the attribute with the port, where there is one.
_SOURCES = (
    ("peer.service", None),
    ("server.address", "server.port"),
    ("net.peer.name", "net.peer.port"),
    ("network.peer.address", "network.peer.port"),
    ("server.socket.domain", "server.socket.port"),
    ("server.socket.address", "server.socket.port"),
    ("net.sock.peer.name", "net.sock.peer.port"),
    ("net.sock.peer.addr", "net.sock.peer.port"),
    ("peer.hostname", None),
    ("peer.address", None),
    ("db.name", None),
)


def remote_endpoint(attributes: Mapping[str, Any]) -> str:
    """Give the field ``remoteEndpoint`` with a comma before it; "" when nobody is named."""
    for name, port_name in _SOURCES:
        value = attributes.get(name)
        if value and isinstance(value, str):
            port = attributes.get(port_name) if port_name is not None else None
            return f',"remoteEndpoint":{json.dumps(_endpoint(value, port))}'
    return ""


def _endpoint(value: str, port: object) -> dict[str, Any]:
    endpoint: dict[str, Any]
    try:
        address = ip_address(value.strip("[]"))
    except ValueError:
        endpoint = {"serviceName": value}
    else:
        kind = "ipv4" if isinstance(address, IPv4Address) else "ipv6"
        endpoint = {kind: str(address)}
    if type(port) is int and 0 < port < 65536:
        endpoint["port"] = port
    return endpoint
