"""A comparison of lean spans with those of the installed SDK."""

from __future__ import annotations

import functools
import os
from typing import Any

from opentelemetry import trace as trace_api
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import (
    ReadableSpan,
    SpanLimits,
    SpanProcessor,
    SynchronousMultiSpanProcessor,
    Tracer,
    TracerProvider,
)
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from bentotrace.spans.processors import LeanProcessors
from bentotrace.spans.tracer import LeanTracer, counts_spans

__all__ = ["find_difference", "find_metrics"]

# The SDK reads it from 1.42 on; 1.40 and 1.41 always count their spans.
_METRICS = "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED"

_FIELDS = (
    "name",
    "kind",
    "context",
    "parent",
    "start_time",
    "end_time",
    "status",
    "attributes",
    "events",
    "links",
    "resource",
    "instrumentation_scope",
    "dropped_attributes",
    "dropped_events",
    "dropped_links",
)
# All of them, because the SDK reads the variables of the others.
_LIMITS = SpanLimits(
    max_attributes=4,
    max_events=2,
    max_links=1,
    max_span_attributes=4,
    max_event_attributes=4,
    max_link_attributes=4,
    max_attribute_length=20,
    max_span_attribute_length=20,
)


@functools.cache
def find_difference() -> str:
    """Create the same spans as the SDK does, once in a process, and compare them.

    Returns:
        "" when they are equal, else the first difference.
    """
    try:
        theirs = _record(lean=False)
        # Another SDK may lack any of the names that lean spans use.
        try:
            ours = _record(lean=True)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        if len(ours) != len(theirs):
            return f"{len(ours)} spans reached a processor instead of {len(theirs)}"
        for our, their in zip(ours, theirs, strict=True):
            for name in our:
                if our[name] != their[name]:
                    return f"span.{name} is {our[name]!r} instead of {their[name]!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def find_metrics() -> str:
    """Return why the SDK counts its spans in metrics; "" if it does not."""
    if not counts_spans(_make_tracer(_make_processors())):
        return ""
    value = os.environ.get(_METRICS)
    by = f"{_METRICS}={value}" if value else "the installed opentelemetry-sdk"
    return f"{by} counts spans in metrics"


class _Ids(RandomIdGenerator):
    """Creates the same ids in each comparison."""

    def __init__(self) -> None:
        self._last = 0

    def generate_trace_id(self) -> int:
        self._last += 1
        return self._last

    generate_span_id = generate_trace_id


class _Recorder(SpanProcessor):
    """Reads each span when it starts and when it has ended."""

    def __init__(self) -> None:
        self.read: list[dict[str, Any]] = []

    def on_start(self, span: ReadableSpan, parent_context: Context | None = None) -> None:
        self.read.append(_read(span))

    def on_end(self, span: ReadableSpan) -> None:
        self.read.append({**_read(span), "json": span.to_json(indent=None)})


def _read(span: ReadableSpan) -> dict[str, Any]:
    read = {name: getattr(span, name) for name in _FIELDS}
    read["context"] = tuple(span.context or ())
    read["status"] = (span.status.status_code, span.status.description)
    read["attributes"] = list((span.attributes or {}).items())
    read["events"] = [
        (event.name, event.timestamp, list((event.attributes or {}).items()))
        for event in span.events
    ]
    read["links"] = [(tuple(link.context), dict(link.attributes or {})) for link in span.links]
    return read


def _record(*, lean: bool) -> list[dict[str, Any]]:
    recorder = _Recorder()
    processors = LeanProcessors() if lean else _make_processors()
    processors.add_span_processor(recorder)
    tracer = _make_tracer(processors)
    if lean and isinstance(tracer, Tracer):
        LeanTracer.adopt(tracer)
    _create_spans(tracer)
    return recorder.read


def _make_tracer(processors: SynchronousMultiSpanProcessor) -> trace_api.Tracer:
    provider = TracerProvider(
        sampler=ALWAYS_ON,
        resource=Resource({"service.name": "check"}),
        shutdown_on_exit=False,
        active_span_processor=processors,
        id_generator=_Ids(),
        span_limits=_LIMITS,
    )
    return provider.get_tracer("check", "1")


def _make_processors() -> SynchronousMultiSpanProcessor:
    return SynchronousMultiSpanProcessor()  # type: ignore[no-untyped-call]


def _create_spans(tracer: trace_api.Tracer) -> None:
    flags = TraceFlags(TraceFlags.SAMPLED)
    remote = SpanContext(7, 7, is_remote=True, trace_flags=flags)
    parent = trace_api.set_span_in_context(trace_api.NonRecordingSpan(remote), Context())
    server = tracer.start_span("server", parent, SpanKind.SERVER, {"a": 1, "b": "two"}, (), 1)
    server.set_attribute("a", 1.5)
    server.set_attributes({"b": True, "c": "three"})
    server.add_event("event", {"key": "value"}, 2)
    server.set_status(Status(StatusCode.ERROR, "reason"))
    within = trace_api.set_span_in_context(server, Context())
    client = tracer.start_span("client", within, SpanKind.CLIENT, {}, (), 3)
    client.set_attribute("list", ["x", "y"])
    client.add_event("empty", None, 4)
    client.add_link(remote, {"link": 1})
    client.update_name("renamed")
    client.end(5)
    server.end(6)
    root = tracer.start_span("root", Context(), attributes={"only": 1}, start_time=7)
    for number in range(3):
        root.add_event(f"event {number}", {"n": number}, number)
    root.end(8)
