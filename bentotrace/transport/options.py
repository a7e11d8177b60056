"""Options of transports, for plugins: kinds, and base classes of sections."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import unquote

import attrs

from bentotrace._files import open_regular
from bentotrace.exceptions import OptionError
from bentotrace.problems import Path
from bentotrace.schema.kinds import Kind, PartError, strict_str, unexpected
from bentotrace.schema.option import Option, Variable, option
from bentotrace.transport.endpoint import Address, resolve_url
from bentotrace.transport.headers import ANY, GRPC, HTTP, HeaderRules, check_headers
from bentotrace.transport.tls import TLSConfig, TLSFileError
from bentotrace.values import frozen

__all__ = [
    "ADDRESS",
    "GRPC_HEADERS",
    "HEADERS",
    "HTTP_HEADERS",
    "PEM_FILE",
    "URL",
    "Address",
    "ClientCertificateOptions",
    "GRPCClientOptions",
    "HTTPClientOptions",
    "TLSOptions",
    "check_pem_file",
    "check_shared_headers",
    "shared_headers",
    "with_variables",
]


class _Key(str):
    """A key of a mapping, of which only the valid start of a header's name is shown."""

    __slots__ = ("shown",)
    shown: str

    def __str__(self) -> str:
        return self.shown


class _FromVariable(dict[str, str]):
    """Headers of a variable for several sections, not yet checked for a transport."""


def _headers(rules: HeaderRules) -> Callable[[object], dict[str, str]]:
    def convert(value: object) -> dict[str, str]:
        is_list = isinstance(value, (list, tuple))
        pairs = _pairs(value)
        applied = ANY if isinstance(value, _FromVariable) else rules
        headers, problems = check_headers(pairs, applied)
        parts: list[tuple[Path, str]] = []
        for problem in problems:
            if is_list:
                parts.append(((problem.index,), str(problem)))
                continue
            name = pairs[problem.index][0]
            key = _Key(name) if isinstance(name, str) else _Key()
            key.shown = problem.name
            parts.append(((key,) if key and key.shown else (), problem.reason))
        if parts:
            raise PartError(parts)
        return headers

    return convert


def _pairs(value: object) -> list[tuple[object, object]]:
    if isinstance(value, Mapping):
        return list(value.items())
    if not isinstance(value, (list, tuple)):
        hint = "; write name: value" if isinstance(value, str) else ""
        raise unexpected("a mapping of names to values, or a list of pairs", value, hint)
    dash = "; leave out the dash"
    wrong = [
        ((index,), f"expected a pair of name and value{dash if isinstance(pair, Mapping) else ''}")
        for index, pair in enumerate(value)
        if not isinstance(pair, (list, tuple)) or len(pair) != 2
    ]
    if wrong:
        raise PartError(wrong)
    return [(name, content) for name, content in value]


def _parse_headers(text: str) -> dict[str, str]:
    """Parse ``name=value,name=value`` with percent-encoded values, as W3C Baggage writes them.

    A line break separates too, as in a file with one header in each line.
    """
    headers = {}
    for part in filter(str.strip, re.split(r"[,\r\n]", text)):
        name, separator, content = part.partition("=")
        if part.lstrip()[0] in _QUOTES:
            raise ValueError("begins with a quote; write name=value without quotes around it")
        if not separator:
            raise ValueError("expected name=value,name=value")
        headers[unquote(name.strip())] = unquote(content.strip())
    return headers


# With the ones that editors insert.
_QUOTES = "\"'\u201c\u201d\u2018\u2019"
_LINE = {"type": "string", "pattern": r"^[^\r\n\0]*$"}
_PAIR = {"type": "array", "items": _LINE, "minItems": 2, "maxItems": 2}


def _headers_kind(rules: HeaderRules) -> Kind:
    name = {"pattern": f"^{rules.name.pattern}$"}
    mapping = {"type": "object", "propertyNames": name, "additionalProperties": _LINE}
    return Kind(
        "headers",
        _headers(rules),
        _parse_headers,
        takes_mapping=True,
        json_schema={"anyOf": [mapping, {"type": "array", "items": _PAIR}]},
    )


HEADERS = _headers_kind(ANY)
"""Headers, as a mapping or a list of pairs; typed as ``dict[str, str]``."""

HTTP_HEADERS = _headers_kind(HTTP)
"""Headers that are valid for :class:`~bentotrace.transport.http.HTTPTransport`."""

GRPC_HEADERS = _headers_kind(GRPC)
"""Metadata that is valid for :class:`~bentotrace.transport.grpc.GRPCTransport`."""


_MARK = "-----BEGIN "
_MAX_BYTES = 1024 * 1024


def check_pem_file(name: str) -> str:
    """Return the path of a PEM file.

    Raises:
        ValueError: it is not one; the message never has the text, which may be a key.
    """
    name = name.strip()
    if not name:
        raise ValueError("is empty; name a PEM file, or leave it out")
    if _MARK in name:
        raise ValueError("contains the PEM text itself; save it to a file and write its path here")
    try:
        with open_regular(name) as file:
            content = file.read(_MAX_BYTES)
    except FileNotFoundError:
        raise ValueError(f"no such file{_shown(name)}{_hint(name)}") from None
    except IsADirectoryError:
        raise ValueError("is a directory; name a PEM file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a valid path"
        raise ValueError(f"the file cannot be read: {reason}") from None
    if _MARK.encode() not in content:
        raise ValueError(
            "is not a PEM file: no line in it begins with -----BEGIN; "
            "convert a binary certificate with openssl x509 -inform der"
        )
    return name


def _shown(name: str) -> str:
    """Return a path for a message; text that is not a path may be the key itself."""
    is_path = re.fullmatch(r"[^\s/]*(/[^\s/]{1,80})*/?", name) and re.search(r"[/.<]", name[:40])
    return f": {name}" if is_path and len(name) <= 200 else ""


def _hint(name: str) -> str:
    if name.startswith("~"):
        return "; ~ is not expanded, so write the whole path"
    if not os.path.isabs(name):
        return "; a relative path starts where the service is started"
    return ""


def _address(value: object) -> Address:
    text = strict_str(value).strip()
    if not text:
        raise ValueError("is empty; write a URL or host:port, or leave it out")
    return Address(text)


ADDRESS = Kind("a URL or host:port", _address, json_schema={"type": "string", "pattern": r"\S"})
"""An endpoint; typed as :class:`Address`, a ``str``."""


def _url(value: object) -> Address:
    address = _address(value)
    example = f"http://{address}" if "://" not in address else "http://localhost:8080/path"
    resolve_url(address, example=example, path="/")
    return address


URL = Kind("a URL", _url, json_schema={"type": "string", "pattern": "://|^unix"})
"""The URL of an HTTP receiver; typed as :class:`Address`, a ``str``."""

PEM_FILE = Kind(
    "a PEM file",
    lambda value: check_pem_file(strict_str(value)),
    json_schema={"type": "string", "pattern": r"\S"},
)
"""Path of an existing PEM file; typed as ``str``."""


_HEADERS_HELP = "Headers of every request, as a mapping or a list of pairs."
_ENCODING = "grpc-encoding"
_OPTIONS = {
    "ca_file": "certificate_file",
    "cert_file": "client_certificate_file",
    "key_file": "client_key_file",
}


def with_variables(
    **variables: Sequence[str | Variable],
) -> Callable[[type, list[attrs.Attribute[Any]]], list[attrs.Attribute[Any]]]:
    """Return an attrs ``field_transformer`` that sets the variables of a base class's options.

    ::

        @frozen(field_transformer=with_variables(certificate_file=["ACME_CERTIFICATE"]))
        class AcmeOptions(HTTPClientOptions): ...

    It puts the options of the class before those of its bases.
    """

    def transform(_cls: type, fields: list[attrs.Attribute[Any]]) -> list[attrs.Attribute[Any]]:
        found = [
            _with_env(item, variables[item.name]) if item.name in variables else item
            for item in fields
        ]
        return sorted(found, key=_is_inherited)

    return transform


def _is_inherited(attribute: attrs.Attribute[Any]) -> bool:
    return attribute.inherited  # type: ignore[attr-defined, no-any-return]


def _with_env(
    attribute: attrs.Attribute[Any], variables: Sequence[str | Variable]
) -> attrs.Attribute[Any]:
    env = tuple(Variable(name) if isinstance(name, str) else name for name in variables)
    metadata = {
        key: value._replace(env=env) if isinstance(value, Option) else value
        for key, value in attribute.metadata.items()
    }
    return attribute.evolve(metadata=metadata)


@frozen(slots=False)
class TLSOptions:
    """The option for the authority of a receiver's certificate."""

    certificate_file: str | None = option(
        default=None,
        kind=PEM_FILE,
        help="PEM file of the authority that signed the receiver's certificate.",
    )

    def tls(self) -> TLSConfig:
        """Return the files for a transport."""
        return TLSConfig(ca_file=self.certificate_file)

    def unused_files(self, section: str) -> tuple[str, ...]:
        """Return a note for each file that is set; call it when the endpoint has no TLS.

        Args:
            section: the dotted name of the section that has these options.
        """
        tls = self.tls()
        return tuple(
            f"{section}.{name} is not used: the endpoint has no TLS; write https://"
            for field, name in _OPTIONS.items()
            if getattr(tls, field) is not None
        )

    def check_tls(self, section: str = "") -> None:
        """Check the files; call it from ``__attrs_post_init__`` of the exporter's options.

        Args:
            section: the name of the section that has these options, "" for the exporter's options.

        Raises:
            OptionError: one cannot be used.
        """
        try:
            self.tls().check()
        except TLSFileError as error:
            name = ".".join(filter(None, (section, _OPTIONS[error.option])))
            raise OptionError(name, error.reason) from None


@frozen(slots=False)
class ClientCertificateOptions(TLSOptions):
    """The options for both certificates of mutual TLS."""

    client_certificate_file: str | None = option(
        default=None,
        kind=PEM_FILE,
        help="PEM file of the client's certificate.",
    )
    client_key_file: str | None = option(
        default=None, kind=PEM_FILE, help="PEM file of that certificate's private key."
    )

    def tls(self) -> TLSConfig:
        """Return the files for a transport."""
        return TLSConfig(self.certificate_file, self.client_certificate_file, self.client_key_file)

    def check_tls(self, section: str = "") -> None:
        """Check the files, and that certificate and key are both set."""
        if (self.client_certificate_file is None) != (self.client_key_file is None):
            missing = (
                "client_key_file" if self.client_key_file is None else "client_certificate_file"
            )
            reason = "is missing; set client_certificate_file and client_key_file, or neither"
            raise OptionError(".".join(filter(None, (section, missing))), reason)
        super().check_tls(section)


@frozen(slots=False)
class HTTPClientOptions(TLSOptions):
    """Base of the options of an exporter that sends over HTTP."""

    headers: dict[str, str] = option(
        factory=dict, kind=HTTP_HEADERS, secret=True, help=_HEADERS_HELP
    )

    def header_names(self) -> tuple[str, ...]:
        """Return the names of the headers that are sent."""
        return tuple(self.headers)


@frozen(slots=False)
class GRPCClientOptions(TLSOptions):
    """Base of the options of an exporter that sends over gRPC."""

    insecure: bool = option(default=False, help="Whether an endpoint without a scheme uses no TLS.")
    load_balancing: Literal["pick_first", "round_robin"] | None = option(
        default=None,
        help="How requests are spread over the endpoint's addresses; by default round_robin for "
        "a list such as ipv4:192.0.2.1:4317,192.0.2.2:4317, pick_first for a name.",
    )
    headers: dict[str, str] = option(
        factory=dict, kind=GRPC_HEADERS, secret=True, help=_HEADERS_HELP
    )

    def header_names(self) -> tuple[str, ...]:
        """Return the names of the metadata that is sent."""
        return tuple(name for name in self.headers if name.lower() != _ENCODING)

    @property
    def wants_gzip(self) -> bool:
        """Whether a header turns on compression, as BentoML's guide writes it."""
        return _ENCODING in map(str.lower, self.headers)


def shared_headers(text: str) -> dict[str, str]:
    """Parse a variable for both sections of an exporter with HTTP and gRPC.

    Check the selected section with :func:`check_shared_headers`: the headers need not be valid for
    the other transport.
    """
    return _FromVariable(_parse_headers(text))


def check_shared_headers(headers: Mapping[str, str], kind: Kind, section: str) -> None:
    """Check the headers of the selected section, which may come from a shared variable.

    Raises:
        OptionError: they are not valid for its transport.
    """
    try:
        kind.convert(dict(headers))
    except ValueError as error:
        raise OptionError(f"{section}.headers", str(error)) from None
