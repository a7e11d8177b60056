"""The middleware that records the requests of a BentoML service."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware, get_host_port_url_tuple
from opentelemetry.trace import TracerProvider, get_current_span, set_span_in_context

from bentotrace.integrations._requests import (
    ExcludedURLs,
    Receive,
    Scope,
    Send,
    UnrecordedSpan,
    serve_in,
)
from bentotrace.integrations._skipping import find_skipped

if TYPE_CHECKING:
    from bentotrace.pipeline.tracing import Tracing

__all__ = ["RequestMiddleware", "replace_middleware"]

_HOOKS = ("client_request_hook", "client_response_hook")
_EXCLUDES_SPANS = "exclude_spans" in inspect.signature(OpenTelemetryMiddleware).parameters


def replace_middleware(app: Any, tracing: Tracing, provider: TracerProvider) -> None:
    """Use :class:`RequestMiddleware` in an application of BentoML's."""
    for index, entry in enumerate(app.user_middleware):
        middleware, *_, options = entry
        if (
            middleware is OpenTelemetryMiddleware
            and options.get("tracer_provider") is provider
            # They are called for each message of each request.
            and not any(options.get(hook) for hook in _HOOKS)
        ):
            app.user_middleware[index] = type(entry)(RequestMiddleware, tracing=tracing, **options)


class RequestMiddleware(OpenTelemetryMiddleware):
    """Let a request that is not recorded go around OpenTelemetry's middleware.

    That costs more than all else that bentotrace does for a request.
    """

    def __init__(
        self, app: Any, tracing: Tracing, *, excluded_urls: ExcludedURLs, **options: Any
    ) -> None:
        """Wrap an application.

        Args:
            app: the application.
            tracing: the pipeline of the service.
            excluded_urls: the requests of which nothing is recorded.
            options: as for OpenTelemetry's middleware.
        """
        if _EXCLUDES_SPANS and not tracing.config.options.asgi_message_spans:
            options["exclude_spans"] = ["receive", "send"]
        super().__init__(app, **options)
        self._tracing = tracing
        self._excluded_urls = excluded_urls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or the lifespan of the application."""
        if scope["type"] in ("http", "websocket") and self._excludes(scope):
            await self.app(scope, receive, send)
            return
        context = find_skipped(scope, self._tracing.provider)
        if context is None:
            await super().__call__(scope, receive, send)
            return
        span = get_current_span(context)
        if not isinstance(span, UnrecordedSpan):
            # Where tracing is disabled, BentoML's hook reads the id of the caller's span.
            span = UnrecordedSpan(span.get_span_context())
            context = set_span_in_context(span, context)
        if self.server_request_hook is not None:
            self.server_request_hook(span, scope)
        await serve_in(context, self.app, scope, receive, send)

    def _excludes(self, scope: Scope) -> bool:
        path = scope.get("path")
        if path and not self._excluded_urls.needs_url:
            return self._excluded_urls.url_disabled(path)
        return self._excluded_urls.url_disabled(get_host_port_url_tuple(scope)[2])
