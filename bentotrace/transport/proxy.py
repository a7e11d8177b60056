"""The proxy variables of the environment."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from urllib.parse import unquote, urlsplit

from attrs import field, frozen

from bentotrace.redaction import basic_credentials, url_secrets, without_credentials

__all__ = ["Proxy", "basic_authorization", "bypasses_proxy", "find_proxy", "proxy_secrets"]

_DEFAULT_PORTS = {"http": 80, "https": 443}
# grpc_proxy is one of gRPC's core.
_VARIABLES = ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy")


@frozen
class Proxy:
    """A proxy to send through.

    Attributes:
        scheme: ``http`` or ``https``: how to talk to the proxy itself.
        host: without the brackets of an IPv6 address.
        port: where it listens.
        authorization: the value of ``Proxy-Authorization``, None when it needs none.
    """

    scheme: str
    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def find_proxy(scheme: str, host: str, port: int, environment: Mapping[str, str]) -> Proxy | None:
    """Return the proxy that the environment names for a URL, None when it names none.

    ``http_proxy`` or ``https_proxy`` by the URL's scheme, in lower case or else in upper case;
    ``no_proxy`` exempts hosts.

    Raises:
        ValueError: the variable holds no URL of a proxy that can be used.
    """
    name = f"{scheme}_proxy"
    value = environment.get(name, "").strip()
    # Under CGI a request header "Proxy" becomes HTTP_PROXY: a client could redirect the spans.
    if not value and not (name == "http_proxy" and "REQUEST_METHOD" in environment):
        value = environment.get(name.upper(), "").strip()
    exempt = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    if not value or bypasses_proxy(host, port, exempt):
        return None
    return _parse(name, value)


def proxy_secrets(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the credentials in the variables that may name a proxy."""
    for name in _VARIABLES:
        for value in (environment.get(name), environment.get(name.upper())):
            if value and "@" in value:
                yield from url_secrets(value.strip())


def _parse(name: str, value: str) -> Proxy:
    shown = without_credentials(value)
    try:
        url = urlsplit(value if "://" in value else f"http://{value}")
        host, port = url.hostname, url.port
    except ValueError:
        raise ValueError(f"the variable {name} holds no URL: {shown}") from None
    if not host:
        raise ValueError(f"the variable {name} holds no URL: {shown}")
    if url.scheme not in _DEFAULT_PORTS:
        raise ValueError(
            f"the variable {name} names a {url.scheme} proxy ({shown}); "
            f"only http and https proxies can be used"
        )
    authorization = None
    if url.username is not None:
        authorization = basic_authorization(url.username, url.password or "")
    return Proxy(url.scheme, host, port or _DEFAULT_PORTS[url.scheme], authorization)


def basic_authorization(username: str, password: str) -> str:
    """Return the header value for a URL's credentials, which are percent-encoded there."""
    return basic_credentials(unquote(username), unquote(password))


def bypasses_proxy(host: str, port: int, exempt: str) -> bool:
    """Return whether ``no_proxy`` exempts a host.

    Args:
        host: a name or an address, without brackets.
        port: the URL's port.
        exempt: names (which cover their subdomains), addresses and networks, each with or without
            ``:port``, separated by commas or spaces; ``*`` is everything.
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
