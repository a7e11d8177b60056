"""Endpoints: URLs and gRPC targets."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Mapping
from typing import Literal, NamedTuple
from urllib.parse import SplitResult, quote, unquote, urlencode, urlsplit

from attrs import field

from bentotrace._files import absolute
from bentotrace.redaction import without_credentials
from bentotrace.transport._proxy import basic_authorization, bracketed, host_of
from bentotrace.values import frozen

__all__ = [
    "Address",
    "Endpoint",
    "ResolvedEndpoint",
    "absolute_socket",
    "bracketed",
    "parse_endpoint",
    "resolve_target",
    "resolve_url",
]

_SOCKET_SCHEME = "http+unix"
_DEFAULT_PORTS = {"http": 80, "https": 443, _SOCKET_SCHEME: 80}
_UNQUOTED = "/%:@!$&'()*+,;=~-._"
_GRPC_TARGET_SCHEMES = ("dns:", "ipv4:", "ipv6:", "vsock:", "xds:")
# Source: unix(7); the path ends with a zero byte.
_SOCKET_PATH_LIMIT = 107 if sys.platform == "linux" else 103


class Address(str):
    """A URL or ``host:port`` as configured; its repr has no credentials."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(without_credentials(str(self)))


class ResolvedEndpoint(NamedTuple):
    """The final endpoint of requests.

    Attributes:
        address: the URL of an HTTP request, or the target of a gRPC channel.
        tls: whether the connection is encrypted.
        warnings: likely mistakes, with the fix.
    """

    address: Address
    tls: bool
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        return without_credentials(self.address)


def resolve_url(
    text: str,
    *,
    example: str,
    path: str,
    append: Literal["to none", "always", "never"] = "to none",
    query: Mapping[str, str] | None = None,
    other_ports: Mapping[int, str] | None = None,
) -> ResolvedEndpoint:
    """Parse the URL of an HTTP request, and complete its path and its query.

    Args:
        text: the URL as configured, or ``unix:/path/of/socket``.
        example: a valid URL, for messages.
        path: the receiver's path for spans.
        append: when that path is added: to a URL without one, to any, or never.
        query: parameters, unquoted; those of the URL itself stay, before them.
        other_ports: for ports of other receivers, what those accept, and the fix.

    Raises:
        ValueError: it is not a URL; the message has the fix.
    """
    if text.startswith(("unix:", "unix-abstract:")):
        # It has no place for a path.
        text, append = _socket_url(text), "always"
    _check_slashes(text, example)
    if "://" not in text:
        raise ValueError(f"has no scheme; write it as {example}")
    url = _split(text, example)
    if append == "always" or (append == "to none" and url.path in {"", "/"}):
        url = url._replace(path=url.path.rstrip("/") + path)
    if query:
        url = url._replace(query="&".join(filter(None, (url.query, urlencode(query)))))
    address = Address(url._replace(path=url.path or "/").geturl())
    return ResolvedEndpoint(address, url.scheme == "https", _mistaken(url, other_ports))


def resolve_target(
    text: str,
    *,
    example: str,
    port: int,
    insecure: bool,
    option: str,
    other_ports: Mapping[int, str] | None = None,
    http_setting: str = "",
) -> ResolvedEndpoint:
    """Parse the target of a gRPC channel: a URL, ``host:port``, or one of gRPC's schemes.

    Args:
        text: the target as configured.
        example: a valid target, for messages.
        port: the default port.
        insecure: whether a target without ``http://`` or ``https://`` uses no TLS.
        option: the name of that option.
        other_ports: for ports of other receivers, what those accept, and the fix.
        http_setting: the setting with which a URL with a path is right, for messages.

    Raises:
        ValueError: it is not a target; the message has the fix.
    """
    if text.startswith(("unix:", "unix-abstract:")):
        text = _socket_url(text)
    if text.startswith(_GRPC_TARGET_SCHEMES):
        return ResolvedEndpoint(Address(text), not insecure)
    _check_slashes(text, example)
    if text.isdecimal() and len(text) <= 5:
        raise ValueError(f"has no host; write it as {example}")
    has_scheme = "://" in text
    url = _split(text if has_scheme else f"//{text}", example)
    if url.path not in {"", "/"} or url.query or url.fragment:
        own = _without_path(url, port, other_ports)
        fix = f"write {http_setting}, or {own}" if http_setting else f"write it as {own}"
        raise ValueError(f"has a path, which gRPC does not use; {fix}")
    if url.scheme == _SOCKET_SCHEME:
        return ResolvedEndpoint(Address(_socket_name(_socket_path(url))), False)
    tls = url.scheme == "https" if has_scheme else not insecure
    warnings = _mistaken(url, other_ports)
    if url.scheme == "https" and insecure:
        warnings += (
            f"{option} is true, but the endpoint's https:// decides for TLS; write http:// for a "
            f"connection without",
        )
    default = 443 if url.scheme == "https" else port
    userinfo, at, _ = url.netloc.rpartition("@")
    address = Address(f"{userinfo}{at}{bracketed(url.hostname or '')}:{url.port or default}")
    return ResolvedEndpoint(address, tls, warnings)


@frozen
class Endpoint:
    """A URL, split into the parts of a connection and a request.

    Attributes:
        scheme: ``http``, ``https``, or ``http+unix``.
        host: without the brackets of an IPv6 address.
        port: the scheme's default if the URL has none.
        netloc: the value of the ``Host`` header.
        target: path and query, quoted.
        authorization: the value of ``Authorization`` for the credentials in the URL.
        socket_path: the path of a Unix socket; None for host and port.
    """

    scheme: str
    host: str
    port: int
    netloc: str
    target: str = field(repr=without_credentials)
    authorization: str | None = field(repr=False)
    socket_path: str | None = None

    def __str__(self) -> str:
        if self.socket_path is not None:
            return f"{self.scheme}://{quote(self.socket_path, safe='')}{self.target}"
        return f"{self.scheme}://{self.netloc}{self.target}"

    @property
    def peer(self) -> str:
        """``host:port``, or ``unix:`` and the path."""
        if self.socket_path is not None:
            return _socket_name(self.socket_path)
        return f"{bracketed(self.host)}:{self.port}"


def parse_endpoint(url: str) -> Endpoint:
    """Split an http, https or http+unix URL.

    Raises:
        ValueError: it is not one; the message has the URL without credentials.
    """
    try:
        parts = _split(url, "http://host:port/path")
        if parts.scheme not in _DEFAULT_PORTS:
            raise ValueError("has no scheme; write it as http://host:port/path")
        is_socket = parts.scheme == _SOCKET_SCHEME
        socket_path = absolute_socket(_socket_path(parts)) if is_socket else None
        host = "localhost" if socket_path is not None else host_of(parts)
        host = host if host.isascii() else host.encode("idna").decode("ascii")
    except ValueError as error:
        reason = "is not a URL" if isinstance(error, UnicodeError) else str(error)
        raise ValueError(f"endpoint {without_credentials(url)!r} {reason}") from None
    # Source: RFC 6874, section 3: the zone of an address is never sent.
    netloc = bracketed(host.partition("%")[0] if ":" in host else host)
    default = _DEFAULT_PORTS[parts.scheme]
    target = quote(parts.path or "/", safe=_UNQUOTED)
    if parts.query:
        target += "?" + quote(parts.query, safe=_UNQUOTED + "?[]")
    authorization = None
    if parts.username is not None:
        authorization = basic_authorization(parts.username, parts.password or "")
    return Endpoint(
        scheme=parts.scheme,
        host=host,
        port=default if parts.port is None else parts.port,
        netloc=netloc if parts.port in (None, default) else f"{netloc}:{parts.port}",
        target=target,
        authorization=authorization,
        socket_path=socket_path,
    )


def _socket_url(text: str) -> str:
    """Return the URL of a Unix socket that is named as for gRPC.

    Source: gRPC Name Resolution, "Name Syntax": ``unix:path``, ``unix:///absolute_path`` and
    ``unix-abstract:name``.
    """
    scheme, _, path = text.partition(":")
    if path.startswith("//"):
        path = path[2:]
        if not path.startswith("/"):
            raise ValueError("has no absolute path; write it as unix:///path/of/socket")
    if scheme == "unix-abstract":
        path = f"\0{path}"
    return f"{_SOCKET_SCHEME}://{quote(path, safe='')}"


def _socket_path(url: SplitResult) -> str:
    path = unquote(url.netloc.rpartition("@")[2])
    if not hasattr(socket, "AF_UNIX"):
        raise ValueError("is a Unix socket, which Python does not support on this system")
    if len(os.fsencode(path)) > _SOCKET_PATH_LIMIT:
        raise ValueError(f"has a path of more than {_SOCKET_PATH_LIMIT} bytes; shorten it")
    return path


def absolute_socket(path: str) -> str:
    """Return the path of the same socket after the process has changed its directory."""
    whole = path if path.startswith("\0") else absolute(path)
    return whole if len(os.fsencode(whole)) <= _SOCKET_PATH_LIMIT else path


def _socket_name(path: str) -> str:
    return f"unix-abstract:{path[1:]}" if path.startswith("\0") else f"unix:{path}"


def _check_slashes(text: str, example: str) -> None:
    if re.match("https?:/[^/]", text):
        raise ValueError(f"has one slash after {text.partition(':')[0]}:; write it as {example}")
    if text.startswith(("http//", "https//")):
        raise ValueError(f"has no colon after {text.partition('/')[0]}; write it as {example}")


def _split(text: str, example: str) -> SplitResult:
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ValueError(f"is not a URL, or its port is invalid; write it as {example}") from None
    if url.scheme not in {"", *_DEFAULT_PORTS}:
        raise ValueError(f"has the scheme {url.scheme}; only http, https and unix are supported")
    if not url.hostname or port == 0:
        raise ValueError(f"has no host; write it as {example}")
    if "$" in url.hostname:
        raise ValueError("contains a $ in its host; write ${NAME} for a variable")
    if any(character.isspace() or character < " " or character == "\x7f" for character in text):
        raise ValueError("contains a space or a control character; remove it")
    if url.scheme == _SOCKET_SCHEME:
        _socket_path(url)
    return url


def _without_path(url: SplitResult, port: int, other_ports: Mapping[int, str] | None) -> str:
    """Return the target that a URL with a path likely is, without credentials."""
    if url.scheme == _SOCKET_SCHEME:
        return _socket_name(_socket_path(url))
    own = port if url.port in (None, *(other_ports or {})) else url.port
    # Without http:// it may use TLS.
    scheme = f"{url.scheme}://" if url.scheme else ""
    return f"{scheme}{bracketed(url.hostname or '')}:{own}"


def _mistaken(url: SplitResult, other_ports: Mapping[int, str] | None) -> tuple[str, ...]:
    what = (other_ports or {}).get(url.port or 0)
    return (f"the endpoint's port {url.port} is where receivers {what}",) if what else ()
