"""Requests of which a share is recorded, by the ids of the traces that begin with them."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import trace as trace_api
from opentelemetry.context import Context

pytest.importorskip("opentelemetry.instrumentation.asgi", reason="the extra asgi is not installed")

from opentelemetry.util.http import parse_excluded_urls

from .asked import SPAN_ID, TRACE_ID, caller, serving

REQUESTS = 400
# Seven times the deviation of so many coins.
HALF = range(130, 271)


def is_taken(context: trace_api.SpanContext) -> bool:
    """Tell whether a ratio of a half takes a trace, by the low half of its id."""
    return context.trace_id & (2**64 - 1) < 2**63


def test_a_trace_that_is_not_taken_is_served_without_the_middleware() -> None:
    with serving({"sample_rate": 0.5}) as asked:
        asked.ask_at_once(REQUESTS)

    assert len({context.trace_id for context, _ in asked.seen}) == REQUESTS
    for context, in_middleware in asked.seen:
        assert context.is_valid
        assert context.trace_flags.sampled is in_middleware is is_taken(context)
    recorded = sum(in_middleware for _, in_middleware in asked.seen)
    assert recorded in HALF
    assert asked.spans.count("GET /predict") == recorded


@pytest.mark.parametrize("sampler", ["parentbased_traceidratio", "traceidratio"])
def test_below_a_caller_no_id_is_drawn(sampler: str) -> None:
    with serving({"sample_rate": 0.5, "sampler": sampler}) as asked:
        context, in_middleware = asked.ask(headers=caller("01"))

    assert is_taken(context)
    assert in_middleware
    assert context.trace_id == TRACE_ID
    assert context.span_id != SPAN_ID
    assert asked.spans == ["work", "GET /healthz"]


def test_a_caller_that_sends_baggage_only_begins_no_trace() -> None:
    with serving({"sample_rate": 0.5}) as asked:
        for _ in range(REQUESTS):
            asked.ask(headers=[(b"baggage", b"customer=7")])

    assert sum(in_middleware for _, in_middleware in asked.seen) in HALF
    assert asked.baggage == [{"customer": "7"}] * REQUESTS


def test_a_route_s_own_rate_decides_in_the_same_way() -> None:
    rates = [{"match": "/half", "rate": 0.5}]
    with serving({"sample_rate": 1, "sample_rates": rates}) as asked:
        asked.ask_at_once(REQUESTS, "/half")
        asked.ask_at_once(10, "/predict")

    assert sum(in_middleware for _, in_middleware in asked.seen[:REQUESTS]) in HALF
    assert all(in_middleware for _, in_middleware in asked.seen[REQUESTS:])


def test_the_id_goes_to_no_other_trace_that_begins_in_the_request() -> None:
    begun: list[tuple[int, int]] = []

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        own = trace_api.get_current_span().get_span_context()
        tracer = tracing.provider.get_tracer("test")
        other = tracer.start_span("other", context=Context()).get_span_context()
        begun.append((own.trace_id, other.trace_id))

    with serving({"sample_rate": 0.5}) as asked:
        tracing = asked.tracing
        asked.middleware.app = app
        asked.ask_at_once(100)

    assert len(begun) == 100
    assert len({trace_id for pair in begun for trace_id in pair}) == 200


def test_where_the_middleware_leaves_requests_alone_the_share_is_the_same() -> None:
    left_alone = parse_excluded_urls("healthz")
    with serving({"sample_rate": 0.5}, excluded_urls=left_alone) as asked:
        asked.ask_at_once(REQUESTS)
        asked.ask_at_once(10, "/healthz")

    contexts = [context for context, _ in asked.seen]
    assert sum(context.trace_flags.sampled for context in contexts[:REQUESTS]) in HALF
    assert not any(context.is_valid for context in contexts[REQUESTS:])
