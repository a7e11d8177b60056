"""The options of the section ``zipkin``, and their ``OTEL_EXPORTER_ZIPKIN_*`` variables."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any, Literal
from urllib.parse import urlsplit

from attrs import frozen

from bentotrace.plugin import ADDRESS, Address, Kind, Range, option
from bentotrace.transport.endpoint import ResolvedEndpoint, resolve_url
from bentotrace.transport.options import HTTPClientOptions, with_variables

__all__ = ["ZipkinOptions"]

_PATH = "/api/v2/spans"
_EXAMPLE = "http://localhost:9411/api/v2/spans"
_OTLP = "take OTLP; write exporter_type: otlp, or port 9411"


def _endpoint(value: object) -> Address:
    address: Address = ADDRESS.convert(value)
    resolve_url(address, example=_EXAMPLE, path=_PATH)
    return address


def _ip_address(cls: type[IPv4Address | IPv6Address], example: str, pattern: str) -> Kind:
    def convert(value: object) -> str:
        try:
            if not isinstance(value, str):
                raise ValueError
            return str(cls(value))
        except ValueError:
            version = "IPv4" if cls is IPv4Address else "IPv6"
            message = f"is not an {version} address; write it as {example}"
            raise ValueError(message) from None

    return Kind("an address", convert, json_schema={"type": "string", "pattern": pattern})


@frozen(field_transformer=with_variables())
class ZipkinOptions(HTTPClientOptions):
    """The section ``zipkin``."""

    endpoint: Address = option(
        default=Address(_EXAMPLE),
        kind=Kind("a URL", _endpoint, json_schema={"type": "string", "pattern": "://|^unix"}),
        env=["OTEL_EXPORTER_ZIPKIN_ENDPOINT"],
        old_names=["url"],
        help=f"The receiver; {_PATH} is added to a URL without a path.",
    )
    local_node_ipv4: str | None = option(
        default=None,
        kind=_ip_address(IPv4Address, "192.0.2.1", r"^[0-9]+(\.[0-9]+){3}$"),
        help="IPv4 address of this service, shown with its spans.",
    )
    local_node_ipv6: str | None = option(
        default=None,
        kind=_ip_address(IPv6Address, "2001:db8::1, without brackets", r"^[^\s\[]*:[^\s\[]*$"),
        help="IPv6 address of this service, shown with its spans.",
    )
    local_node_port: int | None = option(
        default=None, validator=Range(1, 65535), help="Port of this service, shown with its spans."
    )
    compression: Literal["none", "gzip"] = option(
        default="none", help="How requests are compressed."
    )

    def __attrs_post_init__(self) -> None:
        if self.resolved().tls:
            self.check_tls()

    def resolved(self) -> ResolvedEndpoint:
        """Return the final endpoint, with warnings."""
        resolved = resolve_url(
            self.endpoint, example=_EXAMPLE, path=_PATH, other_ports={4317: _OTLP, 4318: _OTLP}
        )
        if not urlsplit(self.endpoint).path.rstrip("/").endswith("/api/v1/spans"):
            return resolved
        warning = f"zipkin.endpoint ends in /api/v1/spans, but version 2 is sent; write {_PATH}"
        return resolved._replace(warnings=(warning,))

    def local_endpoint(self) -> dict[str, Any]:
        """Return Zipkin's local endpoint, without the service's name."""
        values = {
            "ipv4": self.local_node_ipv4,
            "ipv6": self.local_node_ipv6,
            "port": self.local_node_port,
        }
        return {key: value for key, value in values.items() if value is not None}
