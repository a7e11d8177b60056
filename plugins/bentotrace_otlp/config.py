"""The options of the section ``otlp``, and their ``OTEL_EXPORTER_OTLP_*`` variables.

Endpoints:

=========================================  ========================  =========================
configured                                 with http                 with grpc
=========================================  ========================  =========================
none                                       http://localhost:4318     localhost:4317, plaintext
                                           + /v1/traces
URL without a path, or with /              + /v1/traces              host and port
URL with a path                            as it is                  an error
``OTEL_EXPORTER_OTLP_TRACES_ENDPOINT``     as it is                  host and port, no path
``OTEL_EXPORTER_OTLP_ENDPOINT``            + /v1/traces, also        host and port, no path
                                           after a path
https:// or http://                        TLS or not                TLS or not
unix:/path/of/socket                       + /v1/traces, no TLS      that socket, no TLS
host:port without a scheme                 an error                  ``grpc.insecure`` decides
=========================================  ========================  =========================

Source: OpenTelemetry specification, "Endpoint URLs for OTLP/HTTP" and "Configuration options".
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal
from urllib.parse import urlsplit

from attrs import field, frozen

from bentotrace.exceptions import OptionError
from bentotrace.plugin import ADDRESS, Kind, Variable, kind_of, option
from bentotrace.redaction import without_credentials
from bentotrace.transport.endpoint import ResolvedEndpoint, resolve_target, resolve_url
from bentotrace.transport.options import (
    GRPC_HEADERS,
    HTTP_HEADERS,
    ClientCertificateOptions,
    GRPCClientOptions,
    HTTPClientOptions,
    check_shared_headers,
    shared_headers,
    with_variables,
)

__all__ = ["Endpoint", "GRPCOptions", "HTTPOptions", "OTLPOptions", "Protocol", "resolve_endpoint"]

Protocol = Literal["grpc", "http"]

_PATH = "/v1/traces"
_PORTS: dict[Protocol, int] = {"grpc": 4317, "http": 4318}


@frozen
class Endpoint:
    """An endpoint as configured.

    Attributes:
        text: URL, host:port, or gRPC target.
        rule: the rule for its path over HTTP: "option" appends to a URL without one, "exact" keeps
            it, "base" always appends.
    """

    text: str = field(repr=without_credentials)
    rule: Literal["option", "exact", "base"] = "option"

    def __str__(self) -> str:
        return without_credentials(self.text)


def resolve_endpoint(
    endpoint: Endpoint | None, protocol: Protocol, insecure: bool
) -> ResolvedEndpoint:
    """Apply the rules of the module's table.

    Raises:
        ValueError: it is not an endpoint for the protocol; the message has the fix.
    """
    example = f"http://localhost:{_PORTS[protocol]}"
    endpoint = endpoint or Endpoint(example)
    other: Protocol = "http" if protocol == "grpc" else "grpc"
    port = _PORTS[protocol]
    mistaken = {
        _PORTS[other]: f"speak OTLP over {other}, but otlp.protocol is {protocol}; "
        f"write protocol: {other}, or port {port}",
        9411: f"take Zipkin's format; write exporter_type: zipkin, or port {port}",
        14250: f"take Jaeger's protobuf; write exporter_type: jaeger, or port {port}",
        14268: f"take Jaeger's Thrift over HTTP; write exporter_type: jaeger, or port {port}",
        16686: f"serve Jaeger's page, and take no spans; write port {port}",
    }
    if protocol == "grpc":
        return resolve_target(
            endpoint.text,
            example="localhost:4317",
            port=_PORTS["grpc"],
            insecure=insecure,
            option="otlp.grpc.insecure",
            other_ports=mistaken,
            http_setting="protocol: http",
        )
    path = endpoint.text.partition("?")[0].rstrip("/")
    has_path = endpoint.rule == "base" and path.endswith(_PATH)
    rules: dict[str, Literal["to none", "always", "never"]]
    rules = {"option": "to none", "exact": "never", "base": "never" if has_path else "always"}
    resolved = resolve_url(
        endpoint.text,
        example=example,
        path=_PATH,
        append=rules[endpoint.rule],
        other_ports=mistaken,
    )
    if endpoint.rule == "exact" and urlsplit(endpoint.text).path in {"", "/"}:
        warning = (
            f"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT has no path and is used as it is; add {_PATH} to "
            f"it, or use OTEL_EXPORTER_OTLP_ENDPOINT"
        )
        return resolved._replace(warnings=(*resolved.warnings, warning))
    if not has_path:
        return resolved
    warning = (
        "OTEL_EXPORTER_OTLP_ENDPOINT ends in /v1/traces already and is used as it is; "
        "leave the path out there, or use OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
    )
    return resolved._replace(warnings=(*resolved.warnings, warning))


def _variables(name: str, parse: Callable[[str], Any] | None = None) -> list[Variable]:
    prefixes = ("OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_")
    return [Variable(prefix + name, parse) for prefix in prefixes]


def _protocol(text: str) -> str:
    text = text.casefold()
    if text == "http/json":
        raise ValueError("http/json is not supported; use http/protobuf or grpc")
    return "http" if text in {"http", "http/protobuf"} else text


def _spoken(value: object) -> Protocol:
    protocol: Protocol = kind_of(Protocol).convert(
        _protocol(value) if isinstance(value, str) else value
    )
    return protocol


_PROTOCOL = Kind(
    "a protocol", _spoken, _protocol, json_schema={"enum": ["grpc", "http", "http/protobuf"]}
)


def _endpoint(value: object) -> Endpoint:
    if isinstance(value, Endpoint):
        return value
    if not isinstance(value, str) or not value.strip():
        raise ValueError("expected a URL such as http://localhost:4318, or host:port for grpc")
    return Endpoint(value.strip())


_SHARED_VARIABLES = with_variables(
    certificate_file=_variables("CERTIFICATE"),
    client_certificate_file=_variables("CLIENT_CERTIFICATE"),
    client_key_file=_variables("CLIENT_KEY"),
    headers=_variables("HEADERS", shared_headers),
    insecure=_variables("INSECURE"),
)


@frozen(field_transformer=_SHARED_VARIABLES)
class HTTPOptions(HTTPClientOptions, ClientCertificateOptions):
    """The section ``otlp.http``."""


@frozen(field_transformer=_SHARED_VARIABLES)
class GRPCOptions(GRPCClientOptions, ClientCertificateOptions):
    """The section ``otlp.grpc``."""


@frozen
class OTLPOptions:
    """The section ``otlp``."""

    protocol: Protocol = option(
        default="grpc",
        kind=_PROTOCOL,
        env=_variables("PROTOCOL"),
        help="The protocol; http/protobuf is http.",
    )
    endpoint: Endpoint | None = option(
        default=None,
        kind=Kind("an endpoint", _endpoint, json_schema=ADDRESS.json_schema),
        env=[
            Variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", partial(Endpoint, rule="exact")),
            Variable("OTEL_EXPORTER_OTLP_ENDPOINT", partial(Endpoint, rule="base")),
        ],
        old_names=["url"],
        help="Where the spans go; by default http://localhost:4317 for grpc and "
        "http://localhost:4318 for http.",
    )
    compression: Literal["none", "gzip"] = option(
        default="none", env=_variables("COMPRESSION"), help="How requests are compressed."
    )
    http: HTTPOptions = option(factory=HTTPOptions, help="Options for protocol: http.")
    grpc: GRPCOptions = option(factory=GRPCOptions, help="Options for protocol: grpc.")

    def __attrs_post_init__(self) -> None:
        try:
            self.resolved()
        except ValueError as error:
            raise OptionError("endpoint", str(error)) from None
        # Variables are shared by both sections, and a file may complete only one.
        self.section.check_tls(self.protocol)
        kind = GRPC_HEADERS if self.protocol == "grpc" else HTTP_HEADERS
        check_shared_headers(self.section.headers, kind, self.protocol)

    @property
    def section(self) -> HTTPOptions | GRPCOptions:
        """The section of the selected protocol."""
        return self.grpc if self.protocol == "grpc" else self.http

    def resolved(self) -> ResolvedEndpoint:
        """Return the final endpoint; raise ValueError if it does not fit the protocol."""
        return resolve_endpoint(self.endpoint, self.protocol, self.grpc.insecure)

    def notes(self) -> tuple[str, ...]:
        """Return the settings that have a better form, or no effect."""
        notes: tuple[str, ...] = ()
        if not self.resolved().tls:
            notes += self.section.unused_files(f"otlp.{self.protocol}")
        if self.protocol == "grpc" and self.grpc.wants_gzip:
            notes += (
                "otlp.grpc.headers has grpc-encoding, which turns on compression; use the option "
                "otlp.compression",
            )
        return notes
