"""Requests that are not traced, for which OpenTelemetry's middleware need not be asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from opentelemetry import context as context_api
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

from bentotrace.integrations._unrecorded import (
    Caller,
    UnrecordedSpan,
    enter_unrecorded,
    serve_within,
)
from bentotrace.pipeline.urls import URLPatterns

__all__ = ["ExcludedURLs", "TracingMiddleware", "watch_exclusion"]

_Scope = dict[str, Any]


class ExcludedURLs:
    """Takes the place of OpenTelemetry's list of excluded URLs in its middleware."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = URLPatterns(patterns)
        self._caller = Caller()

    def url_disabled(self, _url: str) -> bool:
        """Exclude nothing, which :class:`TracingMiddleware` does, or else the sampler."""
        return False

    def enter(self, scope: _Scope) -> context_api.Context | None:
        """Give the context in which an excluded request is served, None for any other.

        It has a span that is not recorded, and so nothing below it is.
        """
        patterns = self._patterns
        if not patterns.match_path(scope["path"]):
            request = _attributes(scope) if patterns.need_url else {"url.path": scope["path"]}
            if patterns.find(request) is None:
                return None
        return enter_unrecorded(self._caller.extract(scope), UnrecordedSpan)


class TracingMiddleware(OpenTelemetryMiddleware):
    """Leaves an excluded request alone.

    The sampler would drop it too, but OpenTelemetry's middleware asks that only when it has
    collected what describes the request, and does all else that it does for a span after that.
    """

    def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Serve a request, or the lifespan of the application."""
        if scope["type"] != "lifespan":
            excluded_urls: Any = self.excluded_urls
            context = excluded_urls.enter(scope)
            if context is not None:
                return serve_within(context, self.app, scope, receive, send)
        return super().__call__(scope, receive, send)


def watch_exclusion(app: Any) -> None:
    """Let a Starlette application that traces with :class:`ExcludedURLs` leave requests alone."""
    for middleware in app.user_middleware:
        if middleware.cls is OpenTelemetryMiddleware:
            middleware.cls = TracingMiddleware


def _attributes(scope: _Scope) -> dict[str, Any]:
    """Give the attributes of a request that its exclusion depends on."""
    attributes = {"url.scheme": scope.get("scheme"), "url.path": scope["path"]}
    for name, value in scope["headers"]:
        if name == b"host":
            attributes["server.address"] = value.decode("latin-1")
            break
    else:
        host = scope.get("server") or ("0.0.0.0", 80)
        attributes["server.address"], attributes["server.port"] = host
    query = scope.get("query_string")
    if query:
        attributes["url.query"] = unquote(query.decode("utf-8", "replace"))
    return attributes
