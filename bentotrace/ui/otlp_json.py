"""Writes spans as a request in OTLP's JSON, for the download."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bentotrace.ui.model import Source, Span

__all__ = ["encode_document"]


def encode_document(spans: Iterable[Span]) -> dict[str, Any]:
    """Return an ``ExportTraceServiceRequest`` in OTLP's JSON."""
    sources: dict[str, tuple[Source, list[dict[str, Any]]]] = {}
    for span in spans:
        sources.setdefault(repr(span.source), (span.source, []))[1].append(_span(span))
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(source.resource)},
                "scopeSpans": [
                    {
                        "scope": {"name": source.scope_name, "version": source.scope_version},
                        "spans": encoded,
                    }
                ],
            }
            for source, encoded in sources.values()
        ]
    }


def _span(span: Span) -> dict[str, Any]:
    encoded: dict[str, Any] = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": str(span.start),
        "endTimeUnixNano": str(span.start + span.duration),
        "attributes": _attributes(span.attributes),
        "status": {"code": span.status, "message": span.status_message},
    }
    if span.parent_id:
        encoded["parentSpanId"] = span.parent_id
    if span.trace_state:
        encoded["traceState"] = span.trace_state
    if span.events:
        encoded["events"] = [
            {
                "timeUnixNano": str(event.time),
                "name": event.name,
                "attributes": _attributes(event.attributes),
            }
            for event in span.events
        ]
    if span.links:
        encoded["links"] = [
            {
                "traceId": link.trace_id,
                "spanId": link.span_id,
                "attributes": _attributes(link.attributes),
            }
            for link in span.links
        ]
    return encoded


def _attributes(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    if isinstance(value, dict):
        if value.keys() == {"bytes"}:
            return {"bytesValue": value["bytes"]}
        return {"kvlistValue": {"values": _attributes(value)}}
    return {} if value is None else {"stringValue": value}
