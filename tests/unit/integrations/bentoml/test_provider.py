from __future__ import annotations

import pytest
from opentelemetry import trace as trace_api
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from bentotrace.integrations.bentoml.provider import ServiceTracerProvider


@pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF])
def test_a_span_has_its_context_as_an_attribute_whether_it_is_recorded_or_not(
    sampler: object,
) -> None:
    inner = TracerProvider(sampler=sampler, shutdown_on_exit=False)  # type: ignore[arg-type]
    span = ServiceTracerProvider(inner).get_tracer("test").start_span("request")

    assert span.context == span.get_span_context()  # type: ignore[attr-defined]
    assert span.context.span_id  # type: ignore[attr-defined]
    assert span.is_recording() is (sampler is ALWAYS_ON)


def test_spans_below_an_unrecorded_one_are_of_its_trace() -> None:
    provider = ServiceTracerProvider(TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False))
    tracer = provider.get_tracer("test")

    request = tracer.start_span("request")
    with trace_api.use_span(request), tracer.start_as_current_span("child") as child:
        assert child.get_span_context().trace_id == request.get_span_context().trace_id


def test_all_else_of_the_provider_is_there() -> None:
    inner = TracerProvider(shutdown_on_exit=False)

    assert ServiceTracerProvider(inner).resource is inner.resource
