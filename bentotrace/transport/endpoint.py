"""The URL of an endpoint, taken apart once."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from attrs import field, frozen

from bentotrace.redaction import without_credentials
from bentotrace.transport.proxy import basic_authorization

__all__ = ["Endpoint", "parse_endpoint"]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_UNQUOTED = "/%:@!$&'()*+,;=~-._"


@frozen
class Endpoint:
    """Where to send.

    Attributes:
        scheme: ``http`` or ``https``.
        host: without the brackets of an IPv6 address.
        port: the scheme's own where the URL has none.
        netloc: host and port as the ``Host`` header has them.
        target: path and query, quoted.
        authorization: the value of ``Authorization`` for the credentials in the URL.
    """

    scheme: str
    host: str
    port: int
    netloc: str
    target: str = field(repr=without_credentials)
    authorization: str | None = field(repr=False)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}{self.target}"

    @property
    def peer(self) -> str:
        """``host:port``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_endpoint(url: str) -> Endpoint:
    """Return the parts of an http or https URL.

    Raises:
        ValueError: it is none; the message has the URL without credentials.
    """
    shown = without_credentials(url)
    if any(character <= " " or character == "\x7f" for character in url):
        raise ValueError(f"endpoint {shown!r} has a space or a control character in it")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host = host if host.isascii() else host.encode("idna").decode("ascii")
    except ValueError:
        raise ValueError(f"endpoint {shown!r} is no URL") from None
    if parts.scheme not in _DEFAULT_PORTS or not host:
        raise ValueError(f"endpoint {shown!r} is no URL of the form http(s)://host:port/path")
    bracketed = f"[{host}]" if ":" in host else host
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
        port=default if port is None else port,
        netloc=bracketed if port in (None, default) else f"{bracketed}:{port}",
        target=target,
        authorization=authorization,
    )
