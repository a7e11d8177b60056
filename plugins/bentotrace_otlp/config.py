"""The section ``otlp``, and the ``OTEL_EXPORTER_OTLP_*`` variables above it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from attrs import frozen

from bentotrace.exceptions import OptionError
from bentotrace.plugin import ADDRESS, HEADERS, PEM_FILE, Kind, Variable, option
from bentotrace.transport import TLSConfig, TLSFileError
from bentotrace_otlp.endpoint import Endpoint, resolve_endpoint

__all__ = ["GRPCOptions", "HTTPOptions", "OTLPOptions", "Protocol", "tls_of"]

Protocol = Literal["grpc", "http"]


def _variables(name: str, parse: Callable[[str], Any] | None = None) -> list[Variable]:
    prefixes = ("OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_")
    return [Variable(prefix + name, parse) for prefix in prefixes]


def _protocol(text: str) -> str:
    if text == "http/json":
        raise ValueError("http/json is not spoken here; use http/protobuf or grpc")
    return "http" if text in {"http", "http/protobuf"} else text


def _endpoint(value: object) -> Endpoint:
    if isinstance(value, Endpoint):
        return value
    if not isinstance(value, str) or not value.strip():
        raise ValueError("expected a URL such as http://localhost:4318, or host:port for grpc")
    return Endpoint(value.strip())


def _tls_file(name: str, content: str) -> Any:
    return option(default=None, kind=PEM_FILE, env=_variables(name), help=f"{content}, a PEM file.")


_CA = "Certificate authority that the receiver's certificate is checked with"
_CERTIFICATE = "Certificate that this client shows to the receiver"
_KEY = "Private key of that certificate"
_HEADERS_HELP = "Headers of every request, as a mapping or a list of pairs."


@frozen
class HTTPOptions:
    """The section ``otlp.http``."""

    certificate_file: str | None = _tls_file("CERTIFICATE", _CA)
    client_certificate_file: str | None = _tls_file("CLIENT_CERTIFICATE", _CERTIFICATE)
    client_key_file: str | None = _tls_file("CLIENT_KEY", _KEY)
    headers: dict[str, str] = option(
        factory=dict, kind=HEADERS, secret=True, env=_variables("HEADERS"), help=_HEADERS_HELP
    )


@frozen
class GRPCOptions:
    """The section ``otlp.grpc``."""

    insecure: bool = option(
        default=False,
        env=_variables("INSECURE"),
        help="Whether an endpoint without a scheme is spoken to without TLS.",
    )
    certificate_file: str | None = _tls_file("CERTIFICATE", _CA)
    client_certificate_file: str | None = _tls_file("CLIENT_CERTIFICATE", _CERTIFICATE)
    client_key_file: str | None = _tls_file("CLIENT_KEY", _KEY)
    headers: dict[str, str] = option(
        factory=dict, kind=HEADERS, secret=True, env=_variables("HEADERS"), help=_HEADERS_HELP
    )


@frozen
class OTLPOptions:
    """The section ``otlp``."""

    protocol: Protocol = option(
        default="grpc", env=_variables("PROTOCOL", _protocol), help="What is spoken."
    )
    endpoint: Endpoint | None = option(
        default=None,
        kind=Kind("an endpoint", _endpoint, json_schema=ADDRESS.json_schema),
        env=[
            Variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", Endpoint.exact),
            Variable("OTEL_EXPORTER_OTLP_ENDPOINT", Endpoint.base),
        ],
        old_names=["url"],
        help="Where the spans go; http://localhost:4317 for grpc and http://localhost:4318 for "
        "http when left out.",
    )
    compression: Literal["none", "gzip"] = option(
        default="none", env=_variables("COMPRESSION"), help="How requests are compressed."
    )
    http: HTTPOptions = option(factory=HTTPOptions, help="What only protocol: http uses.")
    grpc: GRPCOptions = option(factory=GRPCOptions, help="What only protocol: grpc uses.")

    def __attrs_post_init__(self) -> None:
        try:
            resolve_endpoint(self.endpoint, self.protocol, self.grpc.insecure)
        except ValueError as error:
            raise OptionError("endpoint", str(error)) from None
        # The variables give both sections the same files, and a file may complete only one.
        _check_files(self.protocol, getattr(self, self.protocol))


def tls_of(options: HTTPOptions | GRPCOptions) -> TLSConfig:
    """Give the files that a section names."""
    return TLSConfig(
        ca_file=options.certificate_file,
        cert_file=options.client_certificate_file,
        key_file=options.client_key_file,
    )


def _check_files(section: str, options: HTTPOptions | GRPCOptions) -> None:
    certificate, key = options.client_certificate_file, options.client_key_file
    if (certificate is None) != (key is None):
        missing = "client_key_file" if key is None else "client_certificate_file"
        reason = "is missing; give client_certificate_file and client_key_file, or neither"
        raise OptionError(f"{section}.{missing}", reason)
    try:
        tls_of(options).check()
    except TLSFileError as error:
        raise OptionError(f"{section}.{_TLS_OPTIONS[error.option]}", error.reason) from None


_TLS_OPTIONS = {
    "ca_file": "certificate_file",
    "cert_file": "client_certificate_file",
    "key_file": "client_key_file",
}
