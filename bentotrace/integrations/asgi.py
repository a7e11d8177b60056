"""Tracing for an ASGI application.

::

    import bentotrace
    from bentotrace.integrations.asgi import TracingMiddleware

    tracing = bentotrace.configure("tracing.yaml")


    async def app(scope, receive, send):
        ...


    app = TracingMiddleware(app, tracing)

Starlette and FastAPI take it as ``app.add_middleware(TracingMiddleware, tracing=tracing)``. The
extra ``asgi`` brings what it needs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from opentelemetry.trace import get_tracer_provider

from bentotrace.integrations._extra import extra
from bentotrace.pipeline.tracing import Tracing

with extra("asgi"):
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

    from bentotrace.integrations._unrecorded import skipping_unrecorded

__all__ = ["TracingMiddleware"]

_Message = MutableMapping[str, Any]
_Send = Callable[[_Message], Awaitable[None]]
_FLUSH_TIMEOUT = 5.0


class TracingMiddleware(OpenTelemetryMiddleware):
    """Makes a server span of every HTTP request and WebSocket connection.

    A request continues its caller's trace. Where the tracing was built by bentotrace,
    ``excluded_urls`` and ``sample_rates`` are applied. When the application has shut down, as its
    lifespan tells, what is queued is exported; the server may then go on, or end by a signal.
    """

    def __init__(self, app: Any, tracing: Tracing | None = None, **options: Any) -> None:
        """Wrap an application.

        Args:
            app: the ASGI application.
            tracing: where its spans go; None takes the global tracer provider.
            options: what OpenTelemetry's middleware takes, as ``server_request_hook``.
        """
        provider = tracing.provider if tracing is not None else None
        super().__init__(app, tracer_provider=provider, **options)
        self._tracing = tracing

    @skipping_unrecorded
    async def __call__(
        self, scope: _Message, receive: Callable[[], Awaitable[_Message]], send: _Send
    ) -> None:
        """Serve a request, or the lifespan of the application."""
        if scope["type"] == "lifespan":
            send = self._flushing(send)
        await super().__call__(scope, receive, send)

    def _flushing(self, send: _Send) -> _Send:
        async def flush_and_send(message: _Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                # All requests are served by now, so nobody minds that the event loop waits.
                self._flush()
            await send(message)

        return flush_and_send

    def _flush(self) -> None:
        if self._tracing is not None:
            self._tracing.flush(self._tracing.shutdown_timeout)
            return
        flush = getattr(get_tracer_provider(), "force_flush", None)
        if flush is not None:
            flush(int(_FLUSH_TIMEOUT * 1000))
