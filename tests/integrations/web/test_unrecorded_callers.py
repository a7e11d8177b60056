"""What a request that OpenTelemetry's middleware does not see has of its caller."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import baggage
from opentelemetry.propagate import get_global_textmap, set_global_textmap
from opentelemetry.propagators.textmap import default_getter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

pytest.importorskip("opentelemetry.instrumentation.asgi", reason="the extra asgi is not installed")

from opentelemetry.util.http import parse_excluded_urls

from .asked import EXCLUDING, SPAN_ID, TRACE_ID, caller, serving


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


def test_what_a_caller_does_not_record_is_dropped_whatever_the_rate() -> None:
    with serving({"sample_rate": 1}) as asked:
        unsampled, dropped_in_middleware = asked.ask(headers=caller("00"))
        _, in_middleware = asked.ask(headers=caller("01"))

    assert (dropped_in_middleware, in_middleware) == (False, True)
    assert unsampled.trace_id == TRACE_ID
    assert asked.spans == ["work", "GET /healthz"]


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
