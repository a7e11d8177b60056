"""What a span says in Jaeger's tags, whatever the encoding.

Source: OpenTelemetry specification, "OpenTelemetry to Jaeger Transformation".
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanKind, StatusCode

from bentotrace.encoding import INT64_MAX, INT64_MIN, NO_TRACE_STATE, json_text, number_text, shown

__all__ = [
    "DROPPED_ATTRIBUTES",
    "constant_tags",
    "process_tags",
    "service_name",
    "span_tags",
    "tag_value",
]

DROPPED_ATTRIBUTES = "otel.dropped_attributes_count"

Tag = tuple[str, Any]


def tag_value(value: Any) -> str | bool | int | float | bytes:
    """Turn any value into one of a tag's types.

    Jaeger's JSON has no number for NaN, infinity and integers beyond 64 bits: they become text.
    Sequences and mappings become JSON, anything else its ``str()``.
    """
    if isinstance(value, (str, bool, bytes)):
        return value
    if isinstance(value, int):
        return int(value) if INT64_MIN <= value <= INT64_MAX else number_text(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else number_text(value)
    if isinstance(value, (Sequence, Mapping)):
        return json_text(value)
    return "" if value is None else shown(value)


def constant_tags(scope: InstrumentationScope | None, kind: SpanKind) -> list[Tag]:
    """Give the tags that all spans of a scope and a kind share."""
    tags: list[Tag] = []
    if kind is not SpanKind.INTERNAL:
        tags.append(("span.kind", kind.name.lower()))
    if scope is not None:
        for key, value in (("name", scope.name), ("version", scope.version)):
            if value:
                # The library names are deprecated, and what older dashboards look for.
                tags += ((f"otel.scope.{key}", value), (f"otel.library.{key}", value))
    return tags


def span_tags(span: ReadableSpan) -> list[Tag]:
    """Give the tags of status, trace state, and what was dropped; most spans have none.

    The trace state's name is the one that Jaeger gives it when it comes over OTLP.
    """
    tags: list[Tag] = []
    status = span.status
    code = status.status_code
    if code is not StatusCode.UNSET:
        tags.append(("otel.status_code", code.name))
        if status.description:
            tags.append(("otel.status_description", status.description))
        if code is StatusCode.ERROR:
            tags.append(("error", True))
    state = span.context.trace_state
    if state is not NO_TRACE_STATE and state:
        tags.append(("w3c.tracestate", state.to_header()))
    if span.dropped_attributes:
        tags.append((DROPPED_ATTRIBUTES, span.dropped_attributes))
    if span.dropped_events:
        tags.append(("otel.dropped_events_count", span.dropped_events))
    if span.dropped_links:
        tags.append(("otel.dropped_links_count", span.dropped_links))
    return tags


def service_name(resource: Resource) -> str:
    """Give the name of the process; Jaeger refuses an empty one."""
    return shown(resource.attributes.get(SERVICE_NAME) or "unknown_service")


def process_tags(resource: Resource) -> Iterator[Tag]:
    """Give the tags of the process: every resource attribute but the service's name."""
    for key, value in resource.attributes.items():
        if key != SERVICE_NAME:
            yield key, value
