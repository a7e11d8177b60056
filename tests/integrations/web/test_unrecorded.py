"""Requests that are not recorded, in an application that OpenTelemetry's middleware does not see."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import bentotrace

pytest.importorskip("opentelemetry.instrumentation.asgi", reason="the extra asgi is not installed")

from opentelemetry.instrumentation.propagators import (
    TraceResponsePropagator,
    set_global_response_propagator,
)
from opentelemetry.util.http import parse_excluded_urls

from .asked import EXCLUDING, SPAN_ID, TRACE_ID, Asked, caller, serving


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


def test_a_request_that_is_dropped_is_shown_to_a_hook_all_the_same() -> None:
    hooked: list[str] = []

    def hook(_span: object, scope: dict[str, Any]) -> None:
        hooked.append(scope["path"])

    with serving(EXCLUDING, server_request_hook=hook) as asked:
        assert asked.ask()[1]

    assert hooked == ["/healthz"]
    assert asked.spans == []


@pytest.mark.parametrize("option", ["default_span_details", "http_capture_headers_server_request"])
def test_what_a_recorded_span_is_to_be_like_makes_no_difference(option: str) -> None:
    with serving(EXCLUDING, **{option: None}) as asked:
        assert not asked.ask()[1]


def test_the_next_request_is_recorded() -> None:
    with serving(EXCLUDING) as asked:
        dropped, _ = asked.ask()
        recorded, in_middleware = asked.ask("/predict")

    assert in_middleware
    assert recorded.trace_flags.sampled
    assert recorded.trace_id != dropped.trace_id
    assert asked.spans == ["work", "GET /predict"]


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


def test_a_provider_that_is_not_bentotraces_decides_itself() -> None:
    theirs = TracerProvider(sampler=ALWAYS_OFF).get_tracer("theirs")
    with serving({"sample_rate": 0}, tracer=theirs) as asked:
        _, in_middleware = asked.ask()

    assert in_middleware


REQUESTS = 400
# Seven times the deviation of so many coins.
HALF = range(130, 271)


@pytest.mark.parametrize(
    "options",
    [
        {"sample_rate": 0.5},
        {"sample_rate": 1, "sample_rates": [{"match": "/predict", "rate": 0.5}]},
    ],
    ids=["of all", "of a route"],
)
def test_of_requests_that_begin_a_trace_the_share_of_the_rate_is_recorded(
    options: dict[str, Any],
) -> None:
    with serving(options) as asked:
        asked.ask_at_once(REQUESTS)

    contexts = [context for context, _ in asked.seen]
    assert len({context.trace_id for context in contexts}) == REQUESTS
    recorded = sum(context.trace_flags.sampled for context in contexts)
    assert recorded in HALF
    assert asked.spans.count("GET /predict") == recorded


def test_a_caller_that_sends_baggage_only_begins_no_trace() -> None:
    with serving({"sample_rate": 0.5}) as asked:
        for _ in range(REQUESTS):
            asked.ask(headers=[(b"baggage", b"customer=7")])

    assert sum(context.trace_flags.sampled for context, _ in asked.seen) in HALF
    assert asked.baggage == [{"customer": "7"}] * REQUESTS


@pytest.mark.parametrize("sampler", ["parentbased_traceidratio", "traceidratio"])
def test_below_a_caller_its_trace_id_decides(sampler: str) -> None:
    with serving({"sample_rate": 0.5, "sampler": sampler}) as asked:
        context, in_middleware = asked.ask(headers=caller("01"))

    assert in_middleware
    assert context.trace_id == TRACE_ID
    assert context.span_id != SPAN_ID
    assert asked.spans == ["work", "GET /healthz"]
