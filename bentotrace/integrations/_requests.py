"""Shared by the ASGI middlewares: unrecorded requests, and the shutdown of an application."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from contextvars import ContextVar
from random import getrandbits
from typing import Any

from opentelemetry import context as context_api
from opentelemetry import propagate
from opentelemetry import trace as trace_api
from opentelemetry.propagators.textmap import Getter

from bentotrace.pipeline.urls import URLPatterns

__all__ = [
    "App",
    "ExcludedURLs",
    "Receive",
    "Scope",
    "Send",
    "UnrecordedSpan",
    "before_end",
    "extract_caller",
    "in_current_context",
    "serve_in",
    "with_current_context",
    "with_non_recording_span",
]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_ENDS = ("lifespan.shutdown.complete", "lifespan.shutdown.failed", "lifespan.startup.failed")
# Health checks request the same few URLs; a client that invents URLs cannot fill more than this.
_KEPT_URLS = 128
_KEPT_LENGTH = 512
# A pattern that looks at what follows its match can depend on the query.
_looks_ahead = re.compile(r"\$|\\[bBzZ]|\(\?[=!>]|[*+?}]\+").search
# Newer SDKs flag the ids of unrecorded spans, too, as random.
_RANDOM = trace_api.TraceFlags(getattr(trace_api.TraceFlags, "RANDOM_TRACE_ID", 0))


class UnrecordedSpan(trace_api.NonRecordingSpan):
    """A span that is not recorded, with an attribute ``context``, as the SDK's spans have."""

    @property
    def context(self) -> trace_api.SpanContext:
        """The span context, as from :meth:`get_span_context`."""
        return self.get_span_context()


def with_non_recording_span(context: context_api.Context) -> context_api.Context:
    """Add an unrecorded span, a child of the caller's, to the context of a request's caller."""
    parent = trace_api.get_current_span(context).get_span_context()
    # Zero is not a valid id.
    span_id = getrandbits(64) or 1
    if parent.is_valid:
        flags = trace_api.TraceFlags(parent.trace_flags & ~trace_api.TraceFlags.SAMPLED)
        own = trace_api.SpanContext(parent.trace_id, span_id, False, flags, parent.trace_state)
    else:
        own = trace_api.SpanContext(getrandbits(128) or 1, span_id, False, _RANDOM)
    return trace_api.set_span_in_context(UnrecordedSpan(own), context)


class _Headers(Getter[Scope]):
    """Read the headers of a request; OpenTelemetry's getter decodes all of them for each key."""

    def get(self, carrier: Scope, key: str) -> list[str] | None:
        wanted = key.lower().encode("latin-1")
        headers = carrier.get("headers") or ()
        return [value.decode("latin-1") for name, value in headers if name == wanted] or None

    def keys(self, carrier: Scope) -> list[str]:
        return [name.decode("latin-1") for name, _ in carrier.get("headers") or ()]


_HEADERS = _Headers()


def extract_caller(scope: Scope) -> context_api.Context:
    """Extract the context of a request's caller."""
    return propagate.extract(scope, context_api.Context(), _HEADERS)


def with_current_context(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers of a request with the current context in place of its caller's."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    own = [
        (key.lower().encode("latin-1"), value.encode("latin-1")) for key, value in carrier.items()
    ]
    names = {name for name, _ in own}
    return [(name, value) for name, value in headers if name not in names] + own


async def serve_in(
    context: context_api.Context, app: App, scope: Scope, receive: Receive, send: Send
) -> None:
    """Serve a request in a context."""
    token = context_api.attach(context)
    try:
        await app(scope, receive, send)
    finally:
        context_api.detach(token)


def in_current_context(receive: Receive, send: Send) -> tuple[Receive, Send]:
    """Let the functions of a server run in the current context, instead of that of a span.

    Where it reads on within one of them, uvicorn reads and serves the connection's later requests
    in the context of that call: after a large body they would belong to this request's trace.
    """
    context = context_api.get_current()

    async def receive_in_context() -> MutableMapping[str, Any]:
        token = context_api.attach(context)
        try:
            return await receive()
        finally:
            context_api.detach(token)

    async def send_in_context(message: MutableMapping[str, Any]) -> None:
        token = context_api.attach(context)
        try:
            await send(message)
        finally:
            context_api.detach(token)

    return receive_in_context, send_in_context


def before_end(send: Send, action: Callable[[], object]) -> Send:
    """Call a function when an application has shut down, before its server is notified.

    All requests are served by then, so it may block the event loop.
    """

    async def send_after(message: MutableMapping[str, Any]) -> None:
        if message["type"] in _ENDS:
            action()
        await send(message)

    return send_after


class ExcludedURLs:
    """Excluded URLs for OpenTelemetry's middleware, which creates no span for such a request.

    It passes a URL without the query. Patterns that depend on the query are left to the sampler.

    Attributes:
        needs_url: whether a pattern is searched in the URL, so that the path is not enough.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        decided = [
            text for text in patterns if not URLPatterns([text]).need_url or not _looks_ahead(text)
        ]
        self._patterns = URLPatterns(decided)
        self.needs_url = self._patterns.need_url
        self._decided: dict[str, bool] = {}
        self._found: ContextVar[bool] = ContextVar("bentotrace_excluded", default=False)

    def url_disabled(self, url: str) -> bool:
        """Return whether a URL, or a path, is excluded, and remember it for :meth:`found`."""
        excluded = self._decided.get(url)
        if excluded is None:
            excluded = self._patterns.find({"url.path": url}) is not None
            if len(self._decided) < _KEPT_URLS and len(url) <= _KEPT_LENGTH:
                self._decided[url] = excluded
        self._found.set(excluded)
        return excluded

    def found(self) -> bool:
        """Return whether the current request is excluded."""
        return self._found.get()
