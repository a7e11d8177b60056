"""The section ``zipkin``, and the ``OTEL_EXPORTER_ZIPKIN_*`` variables above it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any, Literal
from urllib.parse import urlsplit

from attrs import frozen

from bentotrace.plugin import ADDRESS, HEADERS, PEM_FILE, Address, Kind, Range, option
from bentotrace.transport import TLSConfig

__all__ = ["ZipkinOptions"]

_PATH = "/api/v2/spans"
_EXAMPLE = "http://localhost:9411/api/v2/spans"


def _endpoint(value: object) -> Address:
    address: Address = ADDRESS.convert(value)
    if "://" not in address:
        raise ValueError(f"has no scheme; write it as {_EXAMPLE}")
    try:
        url = urlsplit(address)
        port = url.port
    except ValueError:
        raise ValueError(f"is no URL, or has no valid port; write it as {_EXAMPLE}") from None
    if url.scheme not in {"http", "https"}:
        raise ValueError(f"has the scheme {url.scheme}; only http and https are spoken")
    if not url.hostname or port == 0:
        raise ValueError(f"names no host; write it as {_EXAMPLE}")
    if "$" in url.hostname:
        raise ValueError("holds a $ in its host; write ${NAME} for a variable")
    if any(character.isspace() for character in address):
        raise ValueError("holds a space; remove it")
    return address


def _ip_address(cls: type[IPv4Address | IPv6Address], example: str, pattern: str) -> Kind:
    def convert(value: object) -> str:
        try:
            if not isinstance(value, str):
                raise ValueError
            return str(cls(value))
        except ValueError:
            version = "IPv4" if cls is IPv4Address else "IPv6"
            message = f"is no {version} address; write it as {example}"
            raise ValueError(message) from None

    return Kind("an address", convert, json_schema={"type": "string", "pattern": pattern})


@frozen
class ZipkinOptions:
    """The section ``zipkin``."""

    endpoint: Address = option(
        default=Address(_EXAMPLE),
        kind=Kind("a URL", _endpoint, json_schema={"type": "string", "pattern": "://"}),
        env=["OTEL_EXPORTER_ZIPKIN_ENDPOINT"],
        old_names=["url"],
        help=f"Where the spans go; a URL without a path gets {_PATH}.",
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
    certificate_file: str | None = option(
        default=None,
        kind=PEM_FILE,
        help="Certificate authority that the receiver's certificate is checked with, a PEM file.",
    )
    headers: dict[str, str] = option(
        factory=dict,
        kind=HEADERS,
        secret=True,
        help="Headers of every request, as a mapping or a list of pairs.",
    )

    def url(self) -> str:
        """Give the URL that requests go to."""
        url = urlsplit(self.endpoint)
        return url._replace(path=_PATH).geturl() if url.path in {"", "/"} else str(self.endpoint)

    def tls(self) -> TLSConfig:
        """Give the files of a connection to an https URL."""
        return TLSConfig(ca_file=self.certificate_file)

    def local_endpoint(self) -> dict[str, Any]:
        """Give what Zipkin calls the local endpoint, without the service's name."""
        given = {
            "ipv4": self.local_node_ipv4,
            "ipv6": self.local_node_ipv6,
            "port": self.local_node_port,
        }
        return {key: value for key, value in given.items() if value is not None}

    def warnings(self) -> tuple[str, ...]:
        """Tell what of the endpoint is likely a mistake."""
        url = urlsplit(self.endpoint)
        if url.path.rstrip("/").endswith("/api/v1/spans"):
            return (
                "zipkin.endpoint ends in /api/v1/spans, and what is sent is version 2; write "
                f"{_PATH}",
            )
        if url.port in {4317, 4318}:
            return (
                f"port {url.port} is where receivers take OTLP; write exporter_type: otlp, or "
                "port 9411",
            )
        return ()
