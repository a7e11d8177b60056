"""Protects the page from other sites and users: the Host header, a token, a content policy."""

from __future__ import annotations

import hmac
import ipaddress
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Guard", "is_loopback"]

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# The page's own files are public: they hold no span, and a script tag cannot send a token.
_PUBLIC = ("/static/", "/favicon.ico")


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """Refuses requests of other sites' pages, and adds the security headers of our own page.

    Args:
        app: the application behind it.
        token: when it is not empty, reading needs it, as ``Authorization: Bearer TOKEN`` or as
            the parameter ``token``; then any Host is accepted, since no other site knows it.
    """

    def __init__(self, app: ASGIApp, token: str = "") -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        # Receivers decide for themselves; they return nothing that was stored.
        problem = None if scope["method"] == "POST" else self._problem(scope, headers)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        app = self._app if problem is None else problem
        await app(scope, receive, send_with_headers)

    def _problem(self, scope: Scope, headers: Headers) -> PlainTextResponse | None:
        if self._token:
            path = scope["path"]
            if path == "/" or path.startswith(_PUBLIC) or self._has_token(scope, headers):
                return None
            return PlainTextResponse(
                "the token is missing or wrong; open the address that the command printed\n", 401
            )
        if not is_loopback(_without_port(headers.get("host", ""))):
            return PlainTextResponse("the Host header does not name this machine\n", 403)
        origin = headers.get("origin")
        if origin is not None and not is_loopback(_without_port(origin.rpartition("//")[2])):
            return PlainTextResponse("pages of other sites may not read here\n", 403)
        return None

    def _has_token(self, scope: Scope, headers: Headers) -> bool:
        given = headers.get("authorization", "").removeprefix("Bearer ").strip()
        if not given:
            query = parse_qs(scope["query_string"].decode("latin-1"))
            given = query.get("token", [""])[0]
        return hmac.compare_digest(given.encode(), self._token.encode())


def _without_port(host: str) -> str:
    host = host.strip().lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
