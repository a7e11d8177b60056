"""Requests that are not traced, for which OpenTelemetry's middleware need not be asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import unquote

from opentelemetry import context as context_api
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

from bentotrace.integrations._unrecorded import Caller, enter_unrecorded
from bentotrace.integrations._unrecorded_span import start_unrecorded
from bentotrace.pipeline.urls import URLPatterns

__all__ = ["ExcludedURLs", "ExclusionMiddleware", "TracingMiddleware", "watch_exclusion"]

_Scope = dict[str, Any]
_FOUND = "bentotrace.excluded"


class ExcludedURLs:
    """Takes the place of OpenTelemetry's list of excluded URLs in its middleware."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = URLPatterns(patterns)
        self._caller = Caller()

    def url_disabled(self, _url: str) -> bool:
        """Exclude nothing, which :class:`TracingMiddleware` does, or else the sampler."""
        return False

    def match(self, scope: _Scope) -> bool:
        """Tell whether a request is excluded."""
        patterns = self._patterns
        if patterns.match_path(scope["path"]):
            return True
        request = _attributes(scope) if patterns.need_url else {"url.path": scope["path"]}
        return patterns.find(request) is not None

    def enter(self, scope: _Scope) -> context_api.Context:
        """Give the context of an excluded request, in which nothing is recorded."""
        # BentoML asks for the ids of every request.
        return enter_unrecorded(self._caller.extract(scope), start_unrecorded)


class TracingMiddleware(OpenTelemetryMiddleware):
    """Leaves an excluded request alone, and has it known.

    The sampler would drop it too, but OpenTelemetry's middleware asks that only when it has
    collected what describes the request, and does all else that it does for a span after that.
    """

    def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Serve a request, or the lifespan of the application."""
        excluded_urls: Any = self.excluded_urls
        if scope["type"] != "lifespan" and excluded_urls.match(scope):
            scope[_FOUND] = True
            return self.app(scope, receive, send)
        return super().__call__(scope, receive, send)


class ExclusionMiddleware:
    """Serves an excluded request in a context in which nothing is recorded."""

    def __init__(self, app: Callable[..., Awaitable[None]], excluded_urls: ExcludedURLs) -> None:
        self._app = app
        self._excluded_urls = excluded_urls

    async def __call__(self, scope: _Scope, receive: Any, send: Any) -> None:
        """Serve a request, or the lifespan of the application."""
        if _FOUND not in scope:
            await self._app(scope, receive, send)
            return
        token = context_api.attach(self._excluded_urls.enter(scope))
        try:
            await self._app(scope, receive, send)
        finally:
            context_api.detach(token)


def watch_exclusion(app: Any, excluded_urls: ExcludedURLs) -> None:
    """Let a BentoML application that traces with :class:`ExcludedURLs` leave requests alone."""
    from bentoml._internal.server.http.traffic import TimeoutMiddleware
    from starlette.middleware import Middleware

    stack = app.user_middleware
    traced = [index for index, each in enumerate(stack) if each.cls is OpenTelemetryMiddleware]
    timed = [index for index, each in enumerate(stack) if each.cls is TimeoutMiddleware]
    for index in traced:
        stack[index].cls = TracingMiddleware
        # Its timer keeps the context in which it is started for a minute.
        within = max([index, *timed])
        stack.insert(within + 1, Middleware(ExclusionMiddleware, excluded_urls=excluded_urls))


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
