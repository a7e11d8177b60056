"""Which endpoint OTLP is sent to.

The rules, as one table:

=========================================  ========================  =========================
given                                      with http                 with grpc
=========================================  ========================  =========================
nothing                                    http://localhost:4318     localhost:4317, plaintext
                                           + /v1/traces
URL without a path, or with /              + /v1/traces              host and port
URL with a path                            as it is                  host and port
``OTEL_EXPORTER_OTLP_TRACES_ENDPOINT``     as it is                  host and port
``OTEL_EXPORTER_OTLP_ENDPOINT``            + /v1/traces, also        host and port
                                           behind a path
https:// or http://                        TLS or not                TLS or not
host:port without a scheme                 an error                  ``grpc.insecure`` decides
=========================================  ========================  =========================

Source: OpenTelemetry specification, "Endpoint URLs for OTLP/HTTP" and "Configuration options".
"""

from __future__ import annotations

from typing import Literal, NamedTuple
from urllib.parse import SplitResult, urlsplit

from attrs import field, frozen

from bentotrace.plugin import Address
from bentotrace.redaction import without_credentials

__all__ = ["Endpoint", "ResolvedEndpoint", "resolve_endpoint"]

_TRACES_PATH = "/v1/traces"
_DEFAULT_PORTS = {"grpc": 4317, "http": 4318}
_GRPC_TARGET_SCHEMES = ("dns:", "unix:", "unix-abstract:", "ipv4:", "ipv6:", "vsock:", "xds:")


@frozen
class Endpoint:
    """An endpoint as it was given.

    Attributes:
        text: URL, host:port, or gRPC target.
        rule: what happens to its path over HTTP: "option" appends to a URL without one, "exact"
            leaves it as it is, "base" always appends.
    """

    text: str = field(repr=without_credentials)
    rule: Literal["option", "exact", "base"] = "option"

    @classmethod
    def exact(cls, text: str) -> Endpoint:
        """Take the endpoint of the TRACES variable."""
        return cls(text, "exact")

    @classmethod
    def base(cls, text: str) -> Endpoint:
        """Take the endpoint of the variable for all signals."""
        return cls(text, "base")

    def __str__(self) -> str:
        return without_credentials(self.text)


class ResolvedEndpoint(NamedTuple):
    """Where requests go.

    Attributes:
        address: the URL of an HTTP request, or the target of a gRPC channel.
        tls: whether the connection is encrypted.
        warnings: what is likely a mistake, with the fix.
    """

    address: Address
    tls: bool
    warnings: tuple[str, ...] = ()


def resolve_endpoint(
    endpoint: Endpoint | None, protocol: Literal["grpc", "http"], insecure: bool
) -> ResolvedEndpoint:
    """Apply the rules above.

    Raises:
        ValueError: it is no endpoint for the protocol; the message says what to write.
    """
    if endpoint is None:
        endpoint = Endpoint(f"http://localhost:{_DEFAULT_PORTS[protocol]}")
    if protocol == "http":
        return _http(endpoint)
    return _grpc(endpoint.text, insecure)


def _http(endpoint: Endpoint) -> ResolvedEndpoint:
    text = endpoint.text
    if "://" not in text:
        raise ValueError("has no scheme; write http:// or https:// before the host")
    url = _split(text)
    path = url.path
    warnings = _swapped(url, "http")
    if endpoint.rule == "base" and path.rstrip("/").endswith(_TRACES_PATH):
        warnings += (
            "OTEL_EXPORTER_OTLP_ENDPOINT ends in /v1/traces already and is used as it is; "
            "leave the path out there, or use OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        )
    elif endpoint.rule == "base" or (endpoint.rule == "option" and path in {"", "/"}):
        path = path.rstrip("/") + _TRACES_PATH
    return ResolvedEndpoint(
        Address(url._replace(path=path or "/").geturl()), url.scheme == "https", warnings
    )


def _grpc(text: str, insecure: bool) -> ResolvedEndpoint:
    if "://" in text and not text.startswith(_GRPC_TARGET_SCHEMES):
        url = _split(text)
        host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
        port = url.port or (443 if url.scheme == "https" else _DEFAULT_PORTS["grpc"])
        tls = url.scheme == "https"
        warnings = _swapped(url, "grpc")
        if tls and insecure:
            warnings += (
                "otlp.grpc.insecure is true, but the endpoint's https:// decides for TLS; "
                "write http:// for a connection without",
            )
        return ResolvedEndpoint(Address(f"{host}:{port}"), tls, warnings)
    if text.startswith(_GRPC_TARGET_SCHEMES):
        return ResolvedEndpoint(Address(text), not insecure)
    url = _split(f"//{text}")
    if url.path or url.query:
        raise ValueError("is no host:port; write it as localhost:4317")
    address = text if url.port is not None else f"{text}:{_DEFAULT_PORTS['grpc']}"
    return ResolvedEndpoint(Address(address), not insecure, _swapped(url, "grpc"))


def _split(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ValueError(
            "is no URL, or has no valid port; write it as http://localhost:4318"
        ) from None
    if url.scheme not in {"", "http", "https"}:
        raise ValueError(f"has the scheme {url.scheme}; only http and https are spoken")
    if not url.hostname or port == 0:
        raise ValueError("names no host; write it as http://localhost:4318")
    if "$" in url.hostname:
        raise ValueError("holds a $ in its host; write ${NAME} for a variable")
    if any(character.isspace() for character in text):
        raise ValueError("holds a space; remove it")
    return url


def _swapped(url: SplitResult, protocol: Literal["grpc", "http"]) -> tuple[str, ...]:
    other: Literal["grpc", "http"] = "http" if protocol == "grpc" else "grpc"
    if url.port != _DEFAULT_PORTS[other]:
        return ()
    return (
        f"port {url.port} is where receivers speak OTLP over {other}, but otlp.protocol is "
        f"{protocol}; write protocol: {other}, or port {_DEFAULT_PORTS[protocol]}",
    )
