"""Traces and spans in the shapes that the page reads; :mod:`bentotrace.ui.page_api` lists them."""

from __future__ import annotations

import json
from typing import Any

from bentotrace.ui.model import KINDS, Span
from bentotrace.ui.search import Summary

__all__ = ["MAX_VALUE", "full_span", "short_span", "summary"]

MAX_VALUE = 20_000
_MAX_NAME = 1000
_MAX_SAFE = (1 << 53) - 1
_STATUSES = ("unset", "ok", "error")


def summary(trace: Summary) -> dict[str, Any]:
    """Return a trace without its spans."""
    return {
        "trace_id": trace.trace_id,
        "start": str(trace.start),
        "duration": str(trace.end - trace.start),
        "spans": trace.spans,
        "errors": trace.errors,
        "services": {_cut(name): spans for name, spans in trace.services.items()},
        "root_service": _cut(trace.root_service),
        "root_name": _cut(trace.root_name),
        "has_root": trace.has_root,
    }


def short_span(number: int, span: Span, trace_start: int) -> dict[str, Any]:
    """Return what a row of the trace shows of a span."""
    return {
        "id": number,
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "service": _cut(span.source.service),
        "name": _cut(span.name),
        "kind": KINDS[span.kind],
        "start": str(span.start - trace_start),
        "duration": str(span.duration),
        "status": _STATUSES[span.status],
        "events": len(span.events),
        "links": len(span.links),
    }


def full_span(span: Span, longest: int | None = MAX_VALUE) -> dict[str, Any]:
    """Return all of a span, values longer than a number of characters cut."""
    source = span.source
    return {
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "service": _shown(source.service, longest),
        "name": _shown(span.name, longest),
        "kind": KINDS[span.kind],
        "start": str(span.start),
        "duration": str(span.duration),
        "status": _STATUSES[span.status],
        "status_message": _shown(span.status_message, longest),
        "trace_state": span.trace_state,
        "attributes": _shown(span.attributes, longest),
        "events": [
            {
                "time": str(event.time),
                "name": _shown(event.name, longest),
                "attributes": _shown(event.attributes, longest),
            }
            for event in span.events
        ],
        "links": [
            {
                "trace_id": link.trace_id,
                "span_id": link.span_id,
                "attributes": _shown(link.attributes, longest),
            }
            for link in span.links
        ],
        "resource": _shown(source.resource, longest),
        "scope": {"name": source.scope_name, "version": source.scope_version},
    }


def _cut(name: str) -> str:
    return name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}…"


def _shown(value: Any, longest: int | None) -> Any:
    """Return a value as the page can read it; a list or mapping that is too long is cut as text."""
    if isinstance(value, dict):
        items = [(key, _item(item, longest)) for key, item in value.items()]
        return {key if longest is None else _cut(key): item for key, item in items}
    return _item(value, longest)


def _item(value: Any, longest: int | None) -> Any:
    if isinstance(value, dict | list):
        text = json.dumps(value, ensure_ascii=False)
        return _safe(value) if longest is None or len(text) <= longest else _item(text, longest)
    if isinstance(value, str) and longest is not None and len(value) > longest:
        return f"{value[:longest]}… ({len(value)} characters)"
    return _safe(value)


def _safe(value: Any) -> Any:
    """Return integers that JavaScript has no number for as text."""
    if isinstance(value, dict):
        return {key: _safe(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_safe(item) for item in value]
    if isinstance(value, int) and not -_MAX_SAFE <= value <= _MAX_SAFE:
        return str(value)
    return value
