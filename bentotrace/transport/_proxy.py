"""The proxy variables of the environment."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from urllib.parse import SplitResult, unquote, urlsplit

from attrs import field

from bentotrace.redaction import basic_credentials, url_secrets, without_credentials
from bentotrace.values import frozen

__all__ = [
    "Proxy",
    "basic_authorization",
    "bracketed",
    "bypasses_proxy",
    "find_grpc_proxy",
    "find_proxy",
    "host_of",
    "proxy_secrets",
]

_DEFAULT_PORTS = {"http": 80, "https": 443}
# grpc_proxy is one of gRPC's core.
_VARIABLES = ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy")


@frozen
class Proxy:
    """A proxy.

    Attributes:
        scheme: ``http`` or ``https``: how the proxy itself is reached.
        host: its name or address, without the brackets of an IPv6 address.
        port: its port.
        authorization: the value of ``Proxy-Authorization``, None without credentials.
    """

    scheme: str
    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.scheme}://{bracketed(self.host)}:{self.port}"


def bracketed(host: str) -> str:
    """Return a host for a URL, with the brackets of an IPv6 address."""
    return f"[{host}]" if ":" in host else host


def host_of(url: SplitResult) -> str:
    """Return the host of a URL, without brackets; "" without one.

    The zone of an IPv6 address, as in ``[fe80::1%25eth0]``, follows a single ``%`` for the system.
    """
    host = url.hostname or ""
    address, escaped, zone = host.partition("%25")
    # Source: RFC 6874. Without the escape, 25 is a zone.
    return f"{address}%{zone}" if escaped and zone and ":" in address else host


def find_proxy(scheme: str, host: str, port: int, environment: Mapping[str, str]) -> Proxy | None:
    """Return the proxy of the environment for a URL, or None.

    Reads ``http_proxy`` or ``https_proxy``, by the URL's scheme, in lower case before upper case,
    and ``no_proxy``.

    Raises:
        ValueError: the variable is not the URL of a supported proxy.
    """
    name = f"{scheme}_proxy"
    value = _read(name, environment)
    if not value or bypasses_proxy(host, port, _read("no_proxy", environment)):
        return None
    return _parse(name, value)


def find_grpc_proxy(
    scheme: str, host: str, port: int, environment: Mapping[str, str]
) -> tuple[Proxy, str] | None:
    """Return the proxy of the environment for a gRPC target, and its URL; or None.

    ``grpc_proxy`` and ``no_grpc_proxy`` override the variables of :func:`find_proxy`.

    Raises:
        ValueError: the variable is not the URL of an http proxy.
    """
    name = "grpc_proxy" if _read("grpc_proxy", environment) else f"{scheme}_proxy"
    value = _read(name, environment)
    exempt = _read("no_grpc_proxy", environment) or _read("no_proxy", environment)
    if not value or bypasses_proxy(host, port, exempt):
        return None
    proxy = _parse(name, value)
    if proxy.scheme != "http":
        shown = without_credentials(value)
        raise ValueError(
            f"the variable {name} names an https proxy ({shown}); gRPC supports http proxies only"
        )
    return proxy, value if "://" in value else f"http://{value}"


def _read(name: str, environment: Mapping[str, str]) -> str:
    """Return a variable in lower case, else in upper case; "" without one."""
    value = environment.get(name, "").strip()
    # Under CGI a request header "Proxy" becomes HTTP_PROXY: a client could redirect the spans.
    if not value and not (name == "http_proxy" and "REQUEST_METHOD" in environment):
        value = environment.get(name.upper(), "").strip()
    return value


def proxy_secrets(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the credentials in the proxy variables."""
    for name in _VARIABLES:
        for value in (environment.get(name), environment.get(name.upper())):
            if value and "@" in value:
                yield from url_secrets(value.strip())


def _parse(name: str, value: str) -> Proxy:
    shown = without_credentials(value)
    try:
        url = urlsplit(value if "://" in value else f"http://{value}")
        host, port = host_of(url), url.port
    except ValueError:
        raise ValueError(f"the variable {name} is not a URL: {shown}") from None
    if not host:
        raise ValueError(f"the variable {name} is not a URL: {shown}")
    if url.scheme not in _DEFAULT_PORTS:
        raise ValueError(
            f"the variable {name} names a {url.scheme} proxy ({shown}); "
            f"only http and https proxies are supported"
        )
    authorization = None
    if url.username is not None:
        authorization = basic_authorization(url.username, url.password or "")
    return Proxy(url.scheme, host, port or _DEFAULT_PORTS[url.scheme], authorization)


def basic_authorization(username: str, password: str) -> str:
    """Return the header value for the percent-encoded credentials of a URL."""
    return basic_credentials(unquote(username), unquote(password))


def bypasses_proxy(host: str, port: int, exempt: str) -> bool:
    """Return whether ``no_proxy`` exempts a host.

    Args:
        host: a name or an address, without brackets.
        port: the URL's port.
        exempt: names (with their subdomains), addresses and networks, each with or without
            ``:port``, separated by commas or spaces; ``*`` exempts every host.
    """
    host = host.lower().rstrip(".")
    address = _address(host)
    for entry in exempt.lower().replace(",", " ").split():
        if entry == "*":
            return True
        name, entry_port = _split_port(entry)
        if entry_port is not None and entry_port != str(port):
            continue
        if address is not None:
            try:
                if address in ipaddress.ip_network(name, strict=False):
                    return True
            except ValueError:
                continue
        else:
            name = name.removeprefix("*").strip(".")
            if name and (host == name or host.endswith(f".{name}")):
                return True
    return False


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _split_port(entry: str) -> tuple[str, str | None]:
    """Split ``name:port`` and ``[address]:port``, but not a bare IPv6 address."""
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, rest.removeprefix(":") or None
    name, colon, port = entry.rpartition(":")
    return (name, port) if colon and ":" not in name else (entry, None)
