"""What the tests of the encoders share: the spans that they encode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, TraceFlags
from opentelemetry.trace.span import TraceState

RoundTrip = Callable[[Sequence[ReadableSpan]], Sequence[Any]]

RESOURCE = Resource({"service.name": "iris", "process.pid": 7, "host.name": "büro"})
SCOPE = InstrumentationScope("asgi", "1.2")
UINT64 = (1 << 64) - 1
START = 1_700_000_000_000_000_000


def context(
    trace_id: int = 0xF0E1D2C3B4A5968778695A4B3C2D1E0F,
    span_id: int = 0x8877665544332211,
    state: TraceState | None = None,
) -> SpanContext:
    return SpanContext(trace_id, span_id, False, TraceFlags(1), state)


def span(**changes: Any) -> ReadableSpan:
    values: dict[str, Any] = {
        "name": "GET /",
        "context": context(),
        "resource": RESOURCE,
        "instrumentation_scope": SCOPE,
        "start_time": START,
        "end_time": START + 5_000_000,
        "attributes": {},
        **changes,
    }
    return ReadableSpan(**values)
