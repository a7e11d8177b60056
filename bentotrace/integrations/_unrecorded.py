"""Requests that are not recorded, with which OpenTelemetry's middleware for ASGI need not deal.

It asks the sampler only when it has collected what describes the request, and does all else that it
does for a span after that. Here the sampler is asked first, and a request that it drops, whatever
trace id the request may get, is served in a context whose span is not recorded, as it would be by
the middleware. Where more than the span would be missed, the middleware serves it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from operator import attrgetter
from typing import Any, cast

from opentelemetry import context as context_api
from opentelemetry import trace as trace_api
from opentelemetry.instrumentation.asgi import (
    ASGIGetter,
    OpenTelemetryMiddleware,
    collect_request_attributes,
    get_host_port_url_tuple,
)
from opentelemetry.instrumentation.propagators import get_global_response_propagator
from opentelemetry.metrics import get_meter_provider
from opentelemetry.propagate import extract
from opentelemetry.propagators.textmap import Getter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.util.http import parse_excluded_urls

from bentotrace.pipeline.sampler import RequestSampler

__all__ = ["extract_unrecorded", "find_unrecorded", "serve_within", "skip_unrecorded"]

_Scope = MutableMapping[str, Any]
_App = Callable[..., Awaitable[None]]
_REQUESTS = ("http", "websocket")
_NAMES_WITH_URL = ("default", "http/dup")
# What else is in a URL may be taken out of it.
_is_plain = re.compile(r"[\w:/.~%+,=-]+", re.ASCII).fullmatch
_settings_of = attrgetter(
    "app",
    "tracer",
    "meter",
    "excluded_urls",
    "_sem_conv_opt_in_mode",
    "server_request_hook",
    "client_request_hook",
    "client_response_hook",
)


class _Headers(ASGIGetter):
    """Reads a request's headers as the middleware does, but does not decode the others for it."""

    def get(self, carrier: Any, key: str) -> list[str] | None:
        """Give the values of a header."""
        wanted = key.lower().encode()
        for name, _ in carrier.get("headers") or ():
            if name == wanted:
                values: list[str] | None = super().get(carrier, key)
                return values
        return None


_HEADERS: Getter[Any] = _Headers()
_NO_URLS = vars(parse_excluded_urls(""))
_IDS = RandomIdGenerator()


def skip_unrecorded() -> None:
    """Keep requests that are not recorded from OpenTelemetry's middleware, wherever it is used."""
    kind: Any = OpenTelemetryMiddleware
    traced = kind.__call__

    @functools.wraps(traced)
    async def call(middleware: Any, scope: _Scope, receive: Any, send: Any) -> None:
        context = find_unrecorded(middleware, scope)
        if context is None:
            await traced(middleware, scope, receive, send)
        else:
            await serve_within(context, middleware.app, scope, receive, send)

    kind.__call__ = call


def find_unrecorded(middleware: Any, scope: _Scope) -> context_api.Context | None:
    """Find the context in which a request is served without OpenTelemetry's middleware.

    Args:
        middleware: it.
        scope: the request.

    Returns:
        A context with a span that is not recorded; None where the middleware is to serve.
    """
    # A span above makes the middleware's no server span, and other values may tell it to keep out.
    if scope["type"] not in _REQUESTS or context_api.get_current():
        return None
    try:
        _, tracer, meter, excluded_urls, names, *hooks = _settings_of(middleware)
    except AttributeError:
        # It is another one than those that are known; the sampler does what is to be done.
        return None
    sampler = getattr(tracer, "sampler", None)
    if not isinstance(sampler, RequestSampler):
        return None
    context = extract(scope, getter=_HEADERS)
    request = _describe(scope, names, sampler.needs_url)
    if (
        not sampler.drops(context, request)
        or any(hooks)
        or get_global_response_propagator() is not None
        or not (_is_of_api(meter) and _is_of_api(get_meter_provider()))
        or _leaves_alone(excluded_urls, request, scope)
    ):
        return None
    return trace_api.set_span_in_context(_UnrecordedSpan(_parent_in(context)), context)


async def serve_within(
    context: context_api.Context, app: _App, scope: _Scope, receive: Any, send: Any
) -> None:
    """Let an application serve a request in a context, and leave that."""
    token = context_api.attach(context)
    try:
        await app(scope, receive, send)
    finally:
        context_api.detach(token)


def extract_unrecorded(
    scope: _Scope, make_span: Callable[[trace_api.SpanContext], trace_api.Span]
) -> context_api.Context:
    """Give the context of a request's caller with a span in it that is not recorded."""
    context = extract(scope, getter=_HEADERS)
    return trace_api.set_span_in_context(make_span(_make_below(_parent_in(context))), context)


def _describe(scope: _Scope, names: Any, with_url: bool) -> Mapping[str, Any]:
    """Give what the patterns look at in what the middleware would give the sampler."""
    path = scope.get("path")
    if path and not with_url:
        return {"url.path": path}
    if path and not scope.get("query_string") and getattr(names, "value", None) in _NAMES_WITH_URL:
        url = _url_of(scope)
        if _is_plain(url) is not None:
            return {"url.path": path, "url.full": url}
    collected: Mapping[str, Any] = collect_request_attributes(scope, names)
    return collected


def _leaves_alone(excluded_urls: Any, request: Mapping[str, Any], scope: _Scope) -> bool:
    """Tell whether the middleware makes no span, so that traces of its own begin below."""
    if not excluded_urls or vars(excluded_urls) == _NO_URLS:
        return False
    return bool(excluded_urls.url_disabled(request.get("url.full") or _url_of(scope)))


def _url_of(scope: _Scope) -> str:
    """Give the URL without its query, as the middleware puts it together."""
    url: str = get_host_port_url_tuple(scope)[2]
    return url


class _UnrecordedSpan(trace_api.NonRecordingSpan):
    """A span that is not recorded, whose ids are made when something asks for them."""

    def __init__(self, parent: trace_api.SpanContext) -> None:
        super().__init__(parent)
        self._parent = parent

    def get_span_context(self) -> trace_api.SpanContext:
        """Give its context, the same one to every thread."""
        own = vars(self).get("_own")
        if own is None:
            own = vars(self).setdefault("_own", _make_below(self._parent))
        return cast("trace_api.SpanContext", own)


def _parent_in(context: context_api.Context) -> trace_api.SpanContext:
    return trace_api.get_current_span(context).get_span_context()


def _make_below(parent: trace_api.SpanContext) -> trace_api.SpanContext:
    """Make the context of a span that is not recorded, and that may be the first of its trace."""
    return trace_api.SpanContext(
        parent.trace_id if parent.is_valid else _IDS.generate_trace_id(),
        _IDS.generate_span_id(),
        is_remote=False,
        trace_flags=trace_api.TraceFlags(parent.trace_flags & ~trace_api.TraceFlags.SAMPLED),
        trace_state=parent.trace_state,
    )


def _is_of_api(metrics: Any) -> bool:
    """Tell whether a meter, or what makes them, only waits for somebody to take the metrics."""
    return type(metrics).__module__.startswith("opentelemetry.metrics")
