"""Requests that are not recorded, in an application that OpenTelemetry's middleware does not see."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry import baggage
from opentelemetry import context as context_api
from opentelemetry import trace as trace_api
from opentelemetry.propagate import get_global_textmap, set_global_textmap
from opentelemetry.propagators.textmap import default_getter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import bentotrace
from bentotrace.pipeline.urls import URLPatterns

pytest.importorskip("opentelemetry.instrumentation.asgi", reason="the extra asgi is not installed")

from opentelemetry.instrumentation.asgi import collect_request_attributes
from opentelemetry.instrumentation.propagators import (
    TraceResponsePropagator,
    set_global_response_propagator,
)
from opentelemetry.util.http import parse_excluded_urls

from bentotrace.integrations._unrecorded import _describe
from bentotrace.integrations.asgi import TracingMiddleware

TRACE_ID, SPAN_ID = 0x5555, 0x7777


def caller(flags: str) -> list[tuple[bytes, bytes]]:
    parent = f"00-{TRACE_ID:032x}-{SPAN_ID:016x}-{flags}"
    return [(b"traceparent", parent.encode()), (b"tracestate", b"shop=1")]


class Asked:
    """What an application saw of the requests that it was sent.

    Attributes:
        seen: of each, its span's context, and whether the middleware was between.
        baggage: what came with each.
        sent: what the client was.
        spans: the names of the server spans and those in the application.
    """

    def __init__(self, tracing: bentotrace.Tracing, **options: Any) -> None:
        self.seen: list[tuple[trace_api.SpanContext, bool]] = []
        self.baggage: list[dict[str, object]] = []
        self.sent: list[dict[str, Any]] = []
        self._exporter = InMemorySpanExporter()
        tracing.provider.add_span_processor(SimpleSpanProcessor(self._exporter))  # type: ignore[attr-defined]
        self._tracer = tracing.provider.get_tracer("test")
        self.middleware = TracingMiddleware(self._app, tracing, **options)

    @property
    def spans(self) -> list[str]:
        made = self._exporter.get_finished_spans()
        return [span.name for span in made if not span.name.endswith((" send", " receive"))]

    def ask(self, path: str = "/healthz", **more: Any) -> tuple[trace_api.SpanContext, bool]:
        """Send a request; the context is then as it was."""
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": b"",
            "headers": [],
            "server": ("10.0.0.1", 8000),
            "scheme": "http",
            **more,
        }
        asyncio.run(self._serve(scope))
        return self.seen[-1]

    async def _serve(self, scope: dict[str, Any]) -> None:
        before = context_api.get_current()
        await self.middleware(scope, self._receive, self._send)
        assert context_api.get_current() == before

    async def _receive(self) -> dict[str, Any]:
        return {"type": "http.request"}

    async def _send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    async def _app(self, _scope: Any, _receive: Any, send: Any) -> None:
        with self._tracer.start_as_current_span("work"):
            pass
        span = trace_api.get_current_span()
        assert span.get_span_context() is span.get_span_context()
        self.baggage.append(dict(baggage.get_all()))
        self.seen.append((span.get_span_context(), send != self._send))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})


@contextmanager
def serving(options: dict[str, Any], **middleware: Any) -> Iterator[Asked]:
    with bentotrace.build({"exporter_type": "none", **options}) as tracing:
        yield Asked(tracing, **middleware)


EXCLUDING = {"sample_rate": 1, "excluded_urls": ["/healthz", "internal=1"]}


@pytest.mark.parametrize(
    "options",
    [EXCLUDING, {**EXCLUDING, "sampler": "always_on"}, {"sample_rate": 0}],
    ids=["excluded", "excluded where parents do not count", "unsampled"],
)
def test_a_request_that_is_dropped_is_served_without_the_middleware(
    options: dict[str, Any],
) -> None:
    with serving(options) as asked:
        first, in_middleware = asked.ask()
        second, _ = asked.ask()

    assert not in_middleware
    assert first.is_valid
    assert not first.trace_flags.sampled
    assert not first.is_remote
    assert first.trace_id != second.trace_id
    assert asked.spans == []


def test_its_span_continues_the_trace_of_its_caller() -> None:
    with serving(EXCLUDING) as asked:
        context, in_middleware = asked.ask(headers=caller("01"))

    assert not in_middleware
    assert context.trace_id == TRACE_ID
    assert context.span_id != SPAN_ID
    assert not context.trace_flags.sampled
    assert context.trace_state.to_header() == "shop=1"
    assert asked.spans == []


def test_the_baggage_of_its_caller_stays() -> None:
    with serving(EXCLUDING) as asked:
        asked.ask(headers=[(b"baggage", b"customer=7")])

    assert asked.baggage == [{"customer": "7"}]


class Prefixed(TraceContextTextMapPropagator):
    """Takes as baggage what begins with its prefix, which none of its fields tells."""

    def extract(self, carrier: Any, context: Any = None, getter: Any = default_getter) -> Any:
        context = super().extract(carrier, context, getter)
        for key in getter.keys(carrier):
            if key.startswith("shop-"):
                context = baggage.set_baggage(key, getter.get(carrier, key)[0], context)
        return context


class Renamed(TraceContextTextMapPropagator):
    """Reads another header than it writes."""

    _TRACEPARENT_HEADER_NAME = "x-parent"

    @property
    def fields(self) -> set[str]:
        return {"traceparent"}


def test_propagators_that_are_set_later_read_what_they_read() -> None:
    before = get_global_textmap()
    parent = caller("01")[0][1]
    try:
        with serving(EXCLUDING) as asked:
            asked.ask()
            set_global_textmap(Prefixed())
            asked.ask(headers=[(b"shop-customer", b"7")])
            set_global_textmap(Renamed())
            context, in_middleware = asked.ask(headers=[(b"x-parent", parent)])
    finally:
        set_global_textmap(before)

    assert asked.baggage == [{}, {"shop-customer": "7"}, {}]
    assert context.trace_id == TRACE_ID
    assert not in_middleware


def test_settings_that_change_after_a_request_count_from_then_on() -> None:
    hooked: list[str] = []

    def hook(_span: object, scope: dict[str, Any]) -> None:
        hooked.append(scope["path"])

    with serving(EXCLUDING) as asked:
        assert not asked.ask()[1]
        asked.middleware.server_request_hook = hook
        assert asked.ask()[1]
        asked.middleware.server_request_hook = None
        assert not asked.ask()[1]
        asked.middleware.excluded_urls = parse_excluded_urls("healthz")
        assert not asked.ask()[0].is_valid

    assert hooked == ["/healthz"]


def test_the_next_request_is_recorded() -> None:
    with serving(EXCLUDING) as asked:
        dropped, _ = asked.ask()
        recorded, in_middleware = asked.ask("/predict")

    assert in_middleware
    assert recorded.trace_flags.sampled
    assert recorded.trace_id != dropped.trace_id
    assert asked.spans == ["work", "GET /predict"]


def test_what_a_caller_does_not_record_is_dropped_whatever_the_rate() -> None:
    with serving({"sample_rate": 1}) as asked:
        unsampled, dropped_in_middleware = asked.ask(headers=caller("00"))
        _, in_middleware = asked.ask(headers=caller("01"))

    assert (dropped_in_middleware, in_middleware) == (False, True)
    assert unsampled.trace_id == TRACE_ID
    assert asked.spans == ["work", "GET /healthz"]


def test_a_share_of_the_traces_is_what_it_was() -> None:
    with serving({"sample_rate": 0.5}) as asked:
        contexts = [asked.ask() for _ in range(200)]

    recorded = [context for context, _ in contexts if context.trace_flags.sampled]
    assert all(in_middleware for _, in_middleware in contexts)
    assert 50 < len(recorded) < 150
    assert all(context.trace_id & (2**64 - 1) < 2**63 for context in recorded)


def test_a_route_with_a_rate_of_its_own_is_found_before() -> None:
    rates = [{"match": "/predict", "rate": 1}]
    with serving({"sample_rate": 0, "sample_rates": rates}) as asked:
        assert not asked.ask()[1]
        assert asked.ask("/predict")[1]

    assert asked.spans == ["work", "GET /predict"]


def test_a_rate_that_changes_counts_from_then_on() -> None:
    with bentotrace.build({"exporter_type": "none", "sample_rate": 1}) as tracing:
        asked = Asked(tracing)
        tracing.set_sample_rate(0)
        assert not asked.ask()[1]
        tracing.set_sample_rate(1)
        assert asked.ask()[1]


def test_an_application_that_raises_leaves_no_context() -> None:
    async def failing(*_arguments: Any) -> None:
        raise RuntimeError("failed")

    async def serve(asked: Asked) -> None:
        with pytest.raises(RuntimeError, match="failed"):
            await asked.middleware({"type": "http", "path": "/healthz"}, None, None)  # type: ignore[arg-type]
        assert not trace_api.get_current_span().get_span_context().is_valid

    with serving(EXCLUDING) as asked:
        asked.middleware.app = failing
        asyncio.run(serve(asked))


def test_below_a_span_the_middleware_makes_one_that_is_no_server_span() -> None:
    async def ask(asked: Asked) -> None:
        with asked._tracer.start_as_current_span("above"):
            await asyncio.to_thread(asked.ask)

    with serving(EXCLUDING) as asked:
        asyncio.run(ask(asked))

    assert asked.seen[0][1]
    assert asked.spans == ["work", "GET /healthz", "above"]


def test_a_request_that_is_dropped_is_measured_all_the_same() -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    with serving(EXCLUDING, meter_provider=provider) as asked:
        asked.ask()
        data = reader.get_metrics_data()
    provider.shutdown()

    assert data is not None
    (scope,) = data.resource_metrics[0].scope_metrics
    assert any(metric.name.startswith("http.server") for metric in scope.metrics)
    assert asked.spans == []


def test_a_request_that_is_dropped_is_answered_with_its_trace_all_the_same() -> None:
    set_global_response_propagator(TraceResponsePropagator())
    try:
        with serving(EXCLUDING) as asked:
            context, _ = asked.ask()
    finally:
        set_global_response_propagator(None)

    headers = dict(asked.sent[0]["headers"])
    assert f"{context.trace_id:032x}".encode() in headers[b"traceresponse"]


def test_what_the_middleware_leaves_alone_by_itself_begins_traces_of_its_own() -> None:
    with serving(EXCLUDING, excluded_urls=parse_excluded_urls("healthz")) as asked:
        context, _ = asked.ask()

    assert not context.is_valid
    assert asked.spans == ["work"]


def test_where_the_middleware_is_another_one_the_sampler_drops_the_request() -> None:
    with serving(EXCLUDING) as asked:
        del asked.middleware.meter
        context, in_middleware = asked.ask()

    assert in_middleware
    assert not context.trace_flags.sampled
    assert asked.spans == []


def test_a_provider_that_is_not_bentotraces_decides_itself() -> None:
    with serving({"sample_rate": 0}) as asked:
        asked.middleware.tracer = TracerProvider(sampler=ALWAYS_OFF).get_tracer("theirs")
        _, in_middleware = asked.ask()

    assert in_middleware


def test_where_tracing_is_disabled_a_request_has_the_context_of_its_caller() -> None:
    with serving({"disabled": True}) as asked:
        none, first_in_middleware = asked.ask()
        headers = [*caller("01"), (b"baggage", b"customer=7")]
        context, in_middleware = asked.ask(headers=headers)

    assert (first_in_middleware, in_middleware) == (False, False)
    assert not none.is_valid
    assert (context.trace_id, context.span_id) == (TRACE_ID, SPAN_ID)
    assert context.trace_flags.sampled
    assert context.trace_state.to_header() == "shop=1"
    assert asked.baggage == [{}, {"customer": "7"}]


def test_where_it_is_disabled_what_the_middleware_leaves_alone_has_no_context() -> None:
    with serving({"disabled": True}, excluded_urls=parse_excluded_urls("healthz")) as asked:
        context, _ = asked.ask(headers=caller("01"))

    assert not context.is_valid


STABILITY: Any = type(TracingMiddleware(None)._sem_conv_opt_in_mode)

PATTERNS = [
    "/healthz",
    "healthz",
    "z$",
    "/$",
    "shop",
    r"\.test:8000/",
    "sig=1",
    "secret",
    "^/",
    "//",
]


@pytest.mark.parametrize("names", STABILITY)
@pytest.mark.parametrize(
    "scope",
    [
        {"path": "/healthz"},
        {"path": ""},
        {"path": "//shop/cart", "query_string": b"a=%2Fhealthz"},
        {"path": "/cart?healthz#"},
        {"path": "/he\nalthz;"},
        {"path": "/cart", "headers": [(b"host", b"shop.test")]},
        {"path": "/cart", "headers": [(b"host", b"me:secret@shop.test:8000")], "scheme": "https"},
        {"path": "/cart", "server": None},
        {"path": "/cart", "server": ("shop.test", 80), "query_string": b"sig=1"},
    ],
)
def test_patterns_match_what_they_match_in_the_attributes_of_the_middleware(
    scope: dict[str, Any], names: Any
) -> None:
    scope = {"type": "http", "method": "GET", "scheme": "http", "headers": [], **scope}
    given = collect_request_attributes(scope, names)
    for pattern in PATTERNS:
        patterns = URLPatterns([pattern])
        described = _describe(scope, names, patterns.need_url)
        assert patterns.find(described) == patterns.find(given), pattern
        # The path alone may decide, but only as the whole does.
        if patterns.match_path(scope["path"]):
            assert patterns.find(given) == 0, pattern
