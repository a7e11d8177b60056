from __future__ import annotations

from collections.abc import Sequence

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags
from opentelemetry.trace.propagation import set_span_in_context

START = 1_700_000_000_000_000_000
RESOURCE = {
    "service.name": "iris",
    "service.version": "7",
    "replica": 2,
    "canary": True,
    "share": 0.25,
}
ATTRIBUTES = {
    "text": 'a "quote", ünïcode 🌸',
    "empty": "",
    "yes": True,
    "no": False,
    "zero": 0,
    "small": 5,
    "largest": (1 << 63) - 1,
    "smallest": -(1 << 63),
    "part": 0.25,
    "texts": ("a", "ü"),
    "numbers": (1, 2),
    "booleans": (True, False),
    "long": "x" * 3000,
}


@pytest.fixture(scope="session")
def spans() -> Sequence[ReadableSpan]:
    """Return spans of one trace, made by the SDK: every field and every type of attribute."""
    memory = InMemorySpanExporter()
    limits = SpanLimits(max_attributes=len(ATTRIBUTES), max_events=3, max_links=2)
    provider = TracerProvider(
        resource=Resource(RESOURCE), span_limits=limits, shutdown_on_exit=False
    )
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("iris.service", "1.2.3")
    elsewhere = SpanContext(0xABCDEF, 0x1234, True, TraceFlags(1))
    root = tracer.start_span("root", kind=SpanKind.SERVER, attributes=ATTRIBUTES, start_time=START)
    inside = set_span_in_context(root)
    for number, kind in enumerate(SpanKind):
        at = START + number * 1_000_000
        child = tracer.start_span(
            f"child {kind.name}",
            inside,
            kind,
            attributes={"number": number, "numbers": (number,)},
            links=[Link(elsewhere, {"why": "retry"})],
            start_time=at,
        )
        child.add_event("plain", timestamp=at + 1_000)
        child.add_event("detailed", {"text": "ü", "n": 1, "yes": True}, timestamp=at + 2_000)
        if kind is SpanKind.CLIENT:
            child.set_status(StatusCode.ERROR, "no such model")
        if kind is SpanKind.PRODUCER:
            child.set_status(StatusCode.OK)
        child.end(at + 3_000_000)
    crowded = tracer.start_span(
        "crowded",
        inside,
        attributes={**ATTRIBUTES, "one": 1, "too": 2, "many": 3},
        links=[Link(elsewhere)] * 4,
        start_time=START,
    )
    for number in range(5):
        crowded.add_event(f"event {number}", timestamp=START + number * 1_000)
    crowded.end(START + 1_000_000)
    root.end(START + 9_000_000)
    return memory.get_finished_spans()
