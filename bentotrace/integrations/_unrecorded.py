"""Requests that are not recorded, with which OpenTelemetry's middleware for ASGI need not deal.

It asks the sampler only when it has collected what describes the request, and does all else that it
does for a span after that. Here the sampler is asked first, of a request that begins a trace with
the id that it gets, and what it drops is served in a context whose span is not recorded, as it
would be by the middleware; where tracing is disabled, in the context of its caller. Where more than
the span would be missed, the middleware serves it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Coroutine, Mapping, MutableMapping
from operator import attrgetter
from typing import Any

from attrs import frozen
from opentelemetry import context as context_api
from opentelemetry import metrics as metrics_api
from opentelemetry import trace as trace_api
from opentelemetry.instrumentation.asgi import (
    ASGIGetter,
    OpenTelemetryMiddleware,
    collect_request_attributes,
    get_host_port_url_tuple,
)
from opentelemetry.instrumentation.propagators import get_global_response_propagator
from opentelemetry.metrics import get_meter_provider
from opentelemetry.propagate import get_global_textmap
from opentelemetry.propagators.textmap import Getter, TextMapPropagator
from opentelemetry.util.http import parse_excluded_urls

from bentotrace.integrations._unrecorded_span import LateSpan
from bentotrace.pipeline.ids import HandedIds, hand_trace_id
from bentotrace.pipeline.sampler import RequestSampler

__all__ = [
    "Caller",
    "enter_unrecorded",
    "skip_unrecorded",
    "skipping_unrecorded",
]

_Scope = MutableMapping[str, Any]
_Call = Callable[..., Coroutine[Any, Any, None]]
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


class _NoHeaders(ASGIGetter):
    """Reads a request that has no header, and keeps which were asked for."""

    def __init__(self) -> None:
        self.names: set[bytes] = set()
        self.asked_for_all = False

    def get(self, _carrier: Any, key: str) -> None:
        """Keep the name of a header."""
        self.names.add(key.lower().encode())

    def keys(self, _carrier: Any) -> list[str]:
        """Keep that whatever there is may be looked at."""
        self.asked_for_all = True
        return []


_HEADERS: Getter[Any] = _Headers()
_NO_URLS = vars(parse_excluded_urls(""))
_NOTHING = context_api.Context()
# The key of a span in a context; set_span_in_context copies the context twice.
(_SPAN,) = trace_api.set_span_in_context(trace_api.INVALID_SPAN, _NOTHING)
# Where a middleware keeps what is known of it.
_KNOWN = "_bentotrace_known"


class Caller:
    """Reads the context of a request's caller, where a header may say something of it."""

    def __init__(self) -> None:
        self._known: tuple[TextMapPropagator, frozenset[bytes] | None] | None = None

    def extract(self, scope: _Scope) -> context_api.Context:
        """Give the context, which is empty where there is none."""
        propagator = get_global_textmap()
        known = self._known
        if known is None or known[0] is not propagator:
            known = self._known = propagator, _headers_of(propagator)
        headers = known[1]
        if headers is not None:
            for name, _ in scope.get("headers") or ():
                if name in headers:
                    break
            else:
                return _NOTHING
        return propagator.extract(scope, getter=_HEADERS)


def _headers_of(propagator: TextMapPropagator) -> frozenset[bytes] | None:
    """Find which headers a propagator looks for first; a request without them has no context.

    Its fields are those that it writes, and some propagators read others.

    Returns:
        Their names; None where it looks at every header, or finds something without any.
    """
    reader = _NoHeaders()
    context = propagator.extract({"type": "http", "headers": []}, getter=reader)
    return None if reader.asked_for_all or context else frozenset(reader.names)


def skip_unrecorded() -> None:
    """Keep requests that are not recorded from OpenTelemetry's middleware, wherever it is used."""
    kind: Any = OpenTelemetryMiddleware
    kind.__call__ = skipping_unrecorded(kind.__call__)


def skipping_unrecorded(traced: _Call) -> _Call:
    """Keep requests that are not recorded from what a middleware does to trace them."""

    @functools.wraps(traced)
    async def call(middleware: Any, scope: _Scope, receive: Any, send: Any) -> None:
        found = find_unrecorded(middleware, scope)
        if isinstance(found, int):
            # Its span is made before anything is waited for.
            hand_trace_id(found)
            try:
                await traced(middleware, scope, receive, send)
            finally:
                hand_trace_id(0)
            return
        token = context_api.attach(found)
        try:
            await middleware.app(scope, receive, send)
        finally:
            context_api.detach(token)

    return call


@frozen
class _Known:
    """What is the same for the requests to a middleware, as long as its settings are.

    Attributes:
        settings: the middleware's.
        caller: what reads the headers of its requests.
        is_needed: whether it is to serve them all.
        sampler: what decides on them; None where tracing is disabled.
        ids: where traces get their ids, if the next one can be handed one.
        names: which names of attributes it uses.
        excluded_urls: its own; None where it has none.
    """

    settings: tuple[Any, ...]
    caller: Caller
    is_needed: bool = True
    sampler: RequestSampler | None = None
    ids: HandedIds | None = None
    names: Any = None
    excluded_urls: Any = None

    @classmethod
    def of(cls, settings: tuple[Any, ...]) -> _Known:
        """Find it."""
        caller = Caller()
        _, tracer, meter, excluded_urls, names, *hooks = settings
        disabled = type(tracer) is trace_api.NoOpTracer
        sampler = getattr(tracer, "sampler", None)
        if (
            not (disabled or isinstance(sampler, RequestSampler))
            or any(hooks)
            or not (_is_of_api(meter) and _is_of_api(get_meter_provider()))
        ):
            return cls(settings, caller)
        if not excluded_urls or vars(excluded_urls) == _NO_URLS:
            excluded_urls = None
        ids = getattr(tracer, "id_generator", None)
        # What its own list excludes gets no span, and would leave the id to another trace.
        if not isinstance(ids, HandedIds) or excluded_urls is not None:
            ids = None
        return cls(settings, caller, False, sampler, ids, names, excluded_urls)


def find_unrecorded(middleware: Any, scope: _Scope) -> context_api.Context | int:
    """Find the context in which a request is served without OpenTelemetry's middleware.

    Args:
        middleware: it.
        scope: the request.

    Returns:
        A context in which nothing is recorded. Where the middleware is to serve, the id of the
        trace that begins, on which was decided, or zero.
    """
    # A span above makes the middleware's no server span, and other values may tell it to keep out.
    if scope["type"] not in _REQUESTS or context_api.get_current():
        return 0
    try:
        settings = _settings_of(middleware)
    except AttributeError:
        # It is another one than those that are known; the sampler does what is to be done.
        return 0
    known: _Known | None = vars(middleware).get(_KNOWN)
    if known is None or known.settings != settings:
        known = vars(middleware)[_KNOWN] = _Known.of(settings)
    sampler = known.sampler
    # get_meter_provider() would look at the environment every time, as long as there is none.
    internal = getattr(metrics_api, "_internal", metrics_api)
    meters = getattr(internal, "_METER_PROVIDER", internal)
    if (
        known.is_needed
        or not (meters is None or _is_of_api(meters))
        or get_global_response_propagator() is not None
    ):
        return 0
    context, request, trace_id = known.caller.extract(scope), None, 0
    if sampler is not None and not sampler.excludes_path(scope.get("path") or ""):
        begins = not (context and trace_api.get_current_span(context).get_span_context().is_valid)
        if begins and sampler.drops_by_path_only:
            return 0
        if begins and known.ids is not None:
            trace_id = known.ids.generate_trace_id()
        request = _describe(scope, known.names, sampler.needs_url)
        if not sampler.drops(context, request, trace_id):
            return trace_id
    if known.excluded_urls is not None and _leaves_alone(known.excluded_urls, request, scope):
        return 0
    return context if sampler is None else enter_unrecorded(context, LateSpan, trace_id)


def enter_unrecorded(
    context: context_api.Context,
    start_span: Callable[[trace_api.SpanContext, int], trace_api.Span],
    trace_id: int = 0,
) -> context_api.Context:
    """Give the context of a request's caller with a span in it that is not recorded."""
    if not context:
        return context_api.Context({_SPAN: start_span(trace_api.INVALID_SPAN_CONTEXT, trace_id)})
    parent = trace_api.get_current_span(context).get_span_context()
    return context_api.Context({**context, _SPAN: start_span(parent, trace_id)})


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


def _leaves_alone(excluded_urls: Any, request: Mapping[str, Any] | None, scope: _Scope) -> bool:
    """Tell whether the middleware makes no span, so that traces of its own begin below."""
    url = request.get("url.full") if request is not None else None
    return bool(excluded_urls.url_disabled(url or _url_of(scope)))


def _url_of(scope: _Scope) -> str:
    """Give the URL without its query, as the middleware puts it together."""
    url: str = get_host_port_url_tuple(scope)[2]
    return url


def _is_of_api(metrics: Any) -> bool:
    """Tell whether a meter, or what makes them, only waits for somebody to take the metrics."""
    return type(metrics).__module__.startswith("opentelemetry.metrics")
