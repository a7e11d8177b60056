"""Requests that are not traced, for which OpenTelemetry's middleware need not be asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import unquote

from opentelemetry import trace as trace_api
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

from bentotrace.integrations._unrecorded import (
    Caller,
    UnrecordedSpan,
    enter_unrecorded,
    serve_within,
)
from bentotrace.pipeline.urls import URLPatterns

__all__ = ["Excluded", "ExclusionMiddleware", "exclude"]

_Scope = dict[str, Any]


class ExclusionMiddleware:
    """Gives an excluded request a span that is not recorded, and so nothing below it is.

    The sampler would drop the request too, but OpenTelemetry's middleware asks it only when it has
    collected what describes the request, and does all else that it does for a span after that.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], excluded_urls: URLPatterns) -> None:
        self._app = app
        self._excluded_urls = excluded_urls
        self._caller = Caller()

    def __call__(self, scope: _Scope, receive: Any, send: Any) -> Awaitable[None]:
        """Serve a request."""
        if scope["type"] == "lifespan" or not self._excludes(scope):
            return self._app(scope, receive, send)
        context = enter_unrecorded(self._caller.extract(scope), _ExcludedSpan)
        return serve_within(context, self._app, scope, receive, send)

    def _excludes(self, scope: _Scope) -> bool:
        urls = self._excluded_urls
        if urls.match_path(scope["path"]):
            return True
        request = _attributes(scope) if urls.need_url else {"url.path": scope["path"]}
        return urls.find(request) is not None


class _TracingMiddleware(OpenTelemetryMiddleware):
    """Leaves an excluded request alone, before it puts together the URL that it would look for."""

    def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Serve a request."""
        # isinstance() takes several times as long, since a span's class is an abstract one.
        if type(trace_api.get_current_span()) is _ExcludedSpan:
            return self.app(scope, receive, send)
        return super().__call__(scope, receive, send)


def exclude(app: Any, patterns: Sequence[str]) -> None:
    """Keep the requests to a Starlette application that are excluded from being traced."""
    for middleware in app.user_middleware:
        if middleware.cls is OpenTelemetryMiddleware:
            middleware.cls = _TracingMiddleware
    app.add_middleware(ExclusionMiddleware, excluded_urls=URLPatterns(patterns))


class Excluded:
    """Takes the place of OpenTelemetry's list of excluded URLs in its middleware."""

    def url_disabled(self, _url: str) -> bool:
        """Tell whether the request was found to be excluded."""
        return isinstance(trace_api.get_current_span(), _ExcludedSpan)


class _ExcludedSpan(UnrecordedSpan):
    @property
    def context(self) -> trace_api.SpanContext:
        """What BentoML takes a request's id from."""
        return self.get_span_context()


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
