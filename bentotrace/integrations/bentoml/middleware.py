"""The middleware within which a BentoML service is served."""

from __future__ import annotations

from collections.abc import MutableMapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Tracer, get_current_span

from bentotrace._version import __version__
from bentotrace.integrations._requests import (
    App,
    ExcludedURLs,
    Receive,
    Scope,
    Send,
    before_end,
    extract_caller,
    serve_in,
    with_current_context,
    with_non_recording_span,
)
from bentotrace.integrations.bentoml.spans import SCOPE, current_tracer
from bentotrace.integrations.bentoml.starts import current_start
from bentotrace.integrations.bentoml.streams import Stream

if TYPE_CHECKING:
    from bentotrace.integrations.bentoml.starts import Start
    from bentotrace.pipeline.tracing import Tracing

__all__ = ["ServiceMiddleware"]


class ServiceMiddleware:
    """Record nothing below an excluded request, and shut tracing down with the application.

    It is within OpenTelemetry's middleware and BentoML's timer for requests, which keeps the
    context that it starts in for a minute.
    """

    def __init__(
        self,
        app: App,
        tracing: Tracing,
        excluded_urls: ExcludedURLs,
        start: Start | None = None,
        *,
        is_proxy: bool = False,
    ) -> None:
        """Wrap the application of a service.

        Args:
            app: the application.
            tracing: the pipeline of the service.
            excluded_urls: the requests of which nothing is recorded.
            start: the start of this worker.
            is_proxy: whether BentoML forwards requests, with their headers, to another server.
        """
        self._app = app if not is_proxy else _forward_context(app)
        self._tracing = tracing
        self._excluded_urls = excluded_urls
        self._start = start
        options = tracing.config.options
        self._tracer: Tracer | None = None
        if options.bentoml_spans and not options.disabled:
            self._tracer = tracing.provider.get_tracer(SCOPE, __version__)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or the lifespan of the application."""
        token = current_tracer.set(self._tracer)
        try:
            await self._serve(scope, receive, send)
        finally:
            current_tracer.reset(token)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan" and not self._tracing.config.options.disabled:
            # A mounted FastAPI would create a second span of the request, in another trace.
            scope.setdefault("fastapi.telemetry", None)
        if scope["type"] == "lifespan":
            # The service's own shutdown hooks run before the lifespan ends.
            await self._live(scope, receive, before_end(send, self._tracing.shutdown))
        elif self._excluded_urls.found() and not self._tracing.config.options.disabled:
            # BentoML reads the trace id of every request.
            context = with_non_recording_span(extract_caller(scope))
            await serve_in(context, self._app, scope, receive, send)
        else:
            span = get_current_span()
            if self._tracer is None or scope["type"] != "http" or not span.is_recording():
                await self._app(scope, receive, send)
                return
            stream = Stream(span, receive, send)
            try:
                await self._app(scope, stream.receive, stream.send)
            finally:
                stream.end()

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = self._start
        if start is None:
            await self._app(scope, receive, send)
            return

        starting = ExitStack()

        async def send_after(message: MutableMapping[str, Any]) -> None:
            if message["type"].startswith("lifespan.startup."):
                start.end(failed=message["type"].endswith("failed"))
                starting.close()
            await send(message)

        token = current_start.set(start)
        try:
            with starting:
                starting.enter_context(start.current())
                await self._app(scope, receive, send_after)
        finally:
            current_start.reset(token)


def _forward_context(app: App) -> App:
    async def with_own_headers(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["headers"] = with_current_context(scope["headers"])
        await app(scope, receive, send)

    return with_own_headers
