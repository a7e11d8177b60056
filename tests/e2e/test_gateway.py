"""The configurations of ``deploy/`` in real servers: services, a gateway that samples, Jaeger."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode, TracerProvider

import bentotrace

from .backends import Jaeger, JaegerTrace, poll

pytestmark = pytest.mark.e2e

TRACES = 400
FAILED_EVERY = 10


def request(front: TracerProvider, back: TracerProvider, *, fails: bool) -> str:
    """Make a trace of three spans in two services, and give its id."""
    ask = front.get_tracer("front").start_as_current_span("ask", kind=SpanKind.CLIENT)
    tracer = back.get_tracer("back")
    answer = tracer.start_as_current_span("answer", kind=SpanKind.SERVER)
    with ask as asked, answer, tracer.start_as_current_span("look up") as look_up:
        if fails:
            look_up.set_status(StatusCode.ERROR, "no such flower")
    return trace.format_trace_id(asked.get_span_context().trace_id)


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_the_gateway_keeps_errors_thins_the_rest_and_tears_no_trace(
    protocol: str, gateway: Jaeger, deployed_jaeger: Jaeger
) -> None:
    suffix = secrets.token_hex(4)
    endpoint = gateway.url(gateway.otlp_http if protocol == "http" else gateway.otlp_grpc)
    with ExitStack() as stack:
        front, back = (
            stack.enter_context(
                bentotrace.build(
                    {
                        "exporter_type": "otlp",
                        "sample_rate": 1.0,
                        "resource": {"attributes": {"service.name": f"{name}-{suffix}"}},
                        "otlp": {"protocol": protocol, "endpoint": endpoint},
                    }
                )
            )
            for name in ("front", "back")
        )
        made = [
            request(front.provider, back.provider, fails=number % FAILED_EVERY == 0)
            for number in range(TRACES)
        ]
        # The one service's spans come after the other's, as from another machine.
        assert front.flush()
        assert back.flush()
        # Once this one has been decided on, so have all before it.
        last = request(front.provider, back.provider, fails=True)
    deployed_jaeger.trace(last, spans=3, within=90.0)

    kept = {found.trace_id: found for found in arrived(deployed_jaeger, f"front-{suffix}")}

    del kept[last]
    failed = set(made[::FAILED_EVERY])
    rest = kept.keys() - failed
    assert failed <= kept.keys() <= set(made)
    # One in ten, more or less.
    assert 0 < len(rest) < (TRACES - len(failed)) / 3
    for found in kept.values():
        assert len(found.spans) == 3
        assert found.span("answer").parent_id == found.span("ask").span_id
        assert found.span("look up").parent_id == found.span("answer").span_id
    assert {found.span("ask").service for found in kept.values()} == {f"front-{suffix}"}
    assert {found.span("answer").service for found in kept.values()} == {f"back-{suffix}"}


def arrived(jaeger: Jaeger, service: str) -> tuple[JaegerTrace, ...]:
    """Give the traces once all that arrived are whole."""
    return poll(
        lambda: jaeger.traces(service),
        lambda traces: all(len(found.spans) == 3 for found in traces),
        within=30.0,
    )


@pytest.mark.parametrize("way", ["udp", "thrift", "grpc", "zipkin"])
def test_the_deployed_jaeger_takes_the_older_protocols(way: str, deployed_jaeger: Jaeger) -> None:
    url = deployed_jaeger.url
    agent = {"agent_host_name": deployed_jaeger.host, "agent_port": deployed_jaeger.thrift_compact}
    section: dict[str, Any] = {
        "udp": {"thrift": agent},
        "thrift": {"collector_endpoint": f"{url(deployed_jaeger.thrift_http)}/api/traces"},
        "grpc": {"protocol": "grpc", "collector_endpoint": url(deployed_jaeger.grpc)},
        "zipkin": {"endpoint": f"{url(deployed_jaeger.zipkin)}/api/v2/spans"},
    }[way]
    exporter = "zipkin" if way == "zipkin" else "jaeger"

    with bentotrace.build(
        {"exporter_type": exporter, "sample_rate": 1.0, exporter: section}
    ) as tracing:
        span = tracing.provider.get_tracer("old").start_span("ask")
        span.end()
        assert tracing.flush()

    trace_id = trace.format_trace_id(span.get_span_context().trace_id)
    assert deployed_jaeger.trace(trace_id, spans=1).span("ask")
