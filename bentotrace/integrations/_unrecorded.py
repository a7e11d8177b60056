"""Requests that are not recorded, with which OpenTelemetry's middleware for ASGI need not deal.

It asks the sampler only when it has collected what describes the request, and does all else that it
does for a span after that. Here the sampler is asked first, and a request that it drops, whatever
trace id the request may get, is served in a context whose span is not recorded, as it would be by
the middleware. Where more than the span would be missed, the middleware serves it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from operator import attrgetter
from typing import Any

from opentelemetry import context as context_api
from opentelemetry import trace as trace_api
from opentelemetry.instrumentation.asgi import (
    OpenTelemetryMiddleware,
    asgi_getter,
    collect_request_attributes,
    get_host_port_url_tuple,
)
from opentelemetry.instrumentation.propagators import get_global_response_propagator
from opentelemetry.metrics import get_meter_provider
from opentelemetry.propagate import extract
from opentelemetry.propagators.textmap import Getter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from bentotrace.pipeline.sampler import RequestSampler

__all__ = ["extract_unrecorded", "serve", "serve_within", "skip_unrecorded"]

_Scope = MutableMapping[str, Any]
_App = Callable[..., Awaitable[None]]
_HEADERS: Getter[Any] = asgi_getter
_IDS = RandomIdGenerator()
_REQUESTS = ("http", "websocket")
_NAMES_WITH_URL = ("default", "http/dup")
# What else is in a URL may be taken out of it.
_is_plain = re.compile(r"[\w:/.~%+,=-]+", re.ASCII).fullmatch
_settings_of = attrgetter("app", "tracer", "meter", "excluded_urls", "_sem_conv_opt_in_mode")
_hooks_of = attrgetter("server_request_hook", "client_request_hook", "client_response_hook")


def skip_unrecorded() -> None:
    """Keep requests that are not recorded from OpenTelemetry's middleware, wherever it is used."""
    kind: Any = OpenTelemetryMiddleware
    traced = kind.__call__

    @functools.wraps(traced)
    async def call(middleware: Any, scope: _Scope, receive: Any, send: Any) -> None:
        await serve(middleware, functools.partial(traced, middleware), scope, receive, send)

    kind.__call__ = call


async def serve(middleware: Any, traced: _App, scope: _Scope, receive: Any, send: Any) -> None:
    """Serve a request.

    Args:
        middleware: OpenTelemetry's.
        traced: what the middleware does with a request.
        scope: the request, as for the rest.
        receive: gives what the client sends.
        send: takes what the client receives.
    """
    context = _find_unrecorded(middleware, scope)
    if context is None:
        await traced(scope, receive, send)
    else:
        await serve_within(context, middleware.app, scope, receive, send)


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
    return _with_unrecorded(extract(scope, getter=_HEADERS), make_span)


def _find_unrecorded(middleware: Any, scope: _Scope) -> context_api.Context | None:
    """Find the context in which a request is served; None where it is the middleware's to serve."""
    # A span above makes the middleware's no server span, and other values may tell it to keep out.
    if scope["type"] not in _REQUESTS or context_api.get_current():
        return None
    try:
        _, tracer, meter, excluded_urls, names = _settings_of(middleware)
        hooks = _hooks_of(middleware)
    except AttributeError:
        # It is another one than those that are known; the sampler does what is to be done.
        return None
    sampler = getattr(tracer, "sampler", None)
    if not isinstance(sampler, RequestSampler):
        return None
    context = extract(scope, getter=_HEADERS)
    request = _Attributes(scope, names)
    if (
        not sampler.drops(context, request)
        or any(hooks)
        or get_global_response_propagator() is not None
        or _is_metered(meter)
        # Then the middleware makes no span at all, and what is below begins traces of its own.
        or (excluded_urls and excluded_urls.url_disabled(request.url))
    ):
        return None
    return _with_unrecorded(context, trace_api.NonRecordingSpan)


def _with_unrecorded(
    context: context_api.Context, make_span: Callable[[trace_api.SpanContext], trace_api.Span]
) -> context_api.Context:
    parent = trace_api.get_current_span(context).get_span_context()
    span = trace_api.SpanContext(
        parent.trace_id if parent.is_valid else _IDS.generate_trace_id(),
        _IDS.generate_span_id(),
        is_remote=False,
        trace_flags=trace_api.TraceFlags(parent.trace_flags & ~trace_api.TraceFlags.SAMPLED),
        trace_state=parent.trace_state,
    )
    return trace_api.set_span_in_context(make_span(span), context)


def _is_metered(meter: Any) -> bool:
    """Tell whether anybody may take the metrics that the middleware makes of a request."""
    # What the API itself has only waits for a provider.
    return any(
        not type(each).__module__.startswith("opentelemetry.metrics")
        for each in (meter, get_meter_provider())
    )


class _Attributes(Mapping[str, Any]):
    """What the middleware would give the sampler, collected when that needs more than the URL."""

    def __init__(self, scope: _Scope, names: Any) -> None:
        self._scope = scope
        self._names = names
        self._path = scope.get("path")
        self._collected: Mapping[str, Any] | None = None

    @functools.cached_property
    def url(self) -> str:
        """The URL without its query."""
        url: str = get_host_port_url_tuple(self._scope)[2]
        return url

    def get(self, name: str, default: Any = None) -> Any:
        if name == "url.path" and self._path:
            return self._path
        if name == "url.full" and self._has_url():
            return self.url
        return self._all().get(name, default)

    def __getitem__(self, name: str) -> Any:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __bool__(self) -> bool:
        return True

    def _has_url(self) -> bool:
        """Tell whether the URL is among what is collected, just as it is."""
        names = getattr(self._names, "value", None)
        return (
            names in _NAMES_WITH_URL
            and not self._scope.get("query_string")
            and _is_plain(self.url) is not None
        )

    def _all(self) -> Mapping[str, Any]:
        if self._collected is None:
            self._collected = collect_request_attributes(self._scope, self._names)
        return self._collected
