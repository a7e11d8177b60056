"""Requests that are not traced, for which OpenTelemetry's middleware need not be asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import unquote

from opentelemetry import context as context_api
from opentelemetry import propagate
from opentelemetry import trace as trace_api
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from bentotrace.integrations.bentoml.provider import UnrecordedSpan
from bentotrace.pipeline.urls import URLPatterns

__all__ = ["Excluded", "ExclusionMiddleware"]

_Scope = dict[str, Any]
_IDS = RandomIdGenerator()


class ExclusionMiddleware:
    """Gives an excluded request a span that is not recorded, and so nothing below it is.

    The sampler would drop the request too, but OpenTelemetry's middleware asks it only when it has
    collected what describes the request, and does all else that it does for a span after that.
    """

    def __init__(
        self,
        app: Callable[..., Awaitable[None]],
        excluded_urls: URLPatterns,
        on_request: Callable[[int], None],
    ) -> None:
        """Wrap an application.

        Args:
            app: the ASGI application.
            excluded_urls: finds the requests.
            on_request: is told the id of the span of such a request.
        """
        self._app = app
        self._excluded_urls = excluded_urls
        self._on_request = on_request

    def __call__(self, scope: _Scope, receive: Any, send: Any) -> Awaitable[None]:
        """Serve a request."""
        if scope["type"] == "lifespan":
            return self._app(scope, receive, send)
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        if self._excluded_urls.find(_attributes(scope, headers)) is None:
            return self._app(scope, receive, send)
        return self._serve_untraced(propagate.extract(headers), scope, receive, send)

    async def _serve_untraced(
        self, context: context_api.Context, scope: _Scope, receive: Any, send: Any
    ) -> None:
        parent = trace_api.get_current_span(context).get_span_context()
        span = _ExcludedSpan(
            trace_api.SpanContext(
                parent.trace_id if parent.is_valid else _IDS.generate_trace_id(),
                _IDS.generate_span_id(),
                is_remote=False,
                trace_state=parent.trace_state,
            )
        )
        token = context_api.attach(trace_api.set_span_in_context(span, context))
        try:
            self._on_request(span.context.span_id)
            await self._app(scope, receive, send)
        finally:
            context_api.detach(token)


class Excluded:
    """Takes the place of OpenTelemetry's list of excluded URLs in its middleware."""

    def url_disabled(self, _url: str) -> bool:
        """Tell whether the request was found to be excluded."""
        return isinstance(trace_api.get_current_span(), _ExcludedSpan)


class _ExcludedSpan(UnrecordedSpan):
    pass


def _attributes(scope: _Scope, headers: Mapping[str, str]) -> dict[str, str]:
    """Give the attributes of a request that its exclusion depends on, as the middleware would."""
    host = headers.get("host")
    if host is None:
        server, port = scope.get("server") or ("0.0.0.0", 80)
        host = server if port == 80 else f"{server}:{port}"
    path = scope["path"]
    url = f"{scope.get('scheme', 'http')}://{host}{path}"
    query = scope.get("query_string")
    if query:
        url += "?" + unquote(query.decode("utf-8", "replace"))
    return {"http.target": path, "http.url": url}
