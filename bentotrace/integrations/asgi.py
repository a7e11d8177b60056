"""Tracing for an ASGI application.

::

    import bentotrace
    from bentotrace.integrations.asgi import TracingMiddleware

    tracing = bentotrace.configure("tracing.yaml")


    async def app(scope, receive, send):
        ...


    app = TracingMiddleware(app, tracing)

With Starlette or FastAPI, call ``app.add_middleware(TracingMiddleware, tracing=tracing)``. The
extra ``asgi`` installs the dependencies.
"""

from __future__ import annotations

from typing import Any

from opentelemetry.trace import get_tracer_provider

from bentotrace.integrations import _requires
from bentotrace.integrations._requests import (
    Receive,
    Scope,
    Send,
    before_end,
    in_current_context,
    serve_in,
)
from bentotrace.pipeline.provider import ProcessProvider
from bentotrace.pipeline.tracing import Tracing

with _requires("asgi"):
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

    from bentotrace.integrations._skipping import find_skipped

__all__ = ["TracingMiddleware"]

_FLUSH_TIMEOUT = 5.0
# Options that affect recorded spans only.
_OF_SPANS = {
    "default_span_details",
    "exclude_spans",
    "http_capture_headers_sanitize_fields",
    "http_capture_headers_server_request",
    "http_capture_headers_server_response",
}


class TracingMiddleware:
    """Create a server span for every HTTP request and WebSocket connection.

    A request continues its caller's trace. ``excluded_urls`` and ``sample_rates`` apply if
    bentotrace built the tracing. At the end of the lifespan, queued spans are exported.

    Attributes:
        app: OpenTelemetry's middleware, which has the application.
    """

    def __init__(self, app: Any, tracing: Tracing | None = None, **options: Any) -> None:
        """Wrap an application.

        Args:
            app: the ASGI application.
            tracing: exports the spans; None for the global tracer provider.
            options: passed to OpenTelemetry's middleware, for example ``server_request_hook``.
        """
        provider = tracing.provider if tracing is not None else None
        self._app = app
        self._tracing = tracing
        # FastAPI looks for OpenTelemetry's middleware among its own, and then creates no span.
        self.app = OpenTelemetryMiddleware(app, tracer_provider=provider, **options)
        self._may_skip = options.keys() <= _OF_SPANS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or the lifespan of the application."""
        if scope["type"] == "lifespan":
            send = before_end(send, self._flush)
        else:
            receive, send = in_current_context(receive, send)
            # Where FastAPI is within, it creates no second span.
            scope.setdefault("fastapi.telemetry", None)
        if self._may_skip:
            tracing = self._tracing
            provider = tracing.provider if tracing is not None else get_tracer_provider()
            context = find_skipped(scope, provider)
            if context is not None:
                await serve_in(context, self._app, scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _flush(self) -> None:
        provider: Any = get_tracer_provider() if self._tracing is None else self._tracing.provider
        replaced = isinstance(provider, ProcessProvider) and provider.current() is not provider
        if self._tracing is not None and not replaced:
            self._tracing.flush(self._tracing.shutdown_timeout)
            return
        flush = getattr(provider, "force_flush", None)
        if flush is not None:
            flush(int(_FLUSH_TIMEOUT * 1000))
