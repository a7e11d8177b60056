"""Builds spans from the fields of Jaeger's Thrift and Protobuf: tags, logs and references."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from bentotrace.ui.model import ERROR, KINDS, OK, UNSET, Event, Link, Source, Span, UnreadableError
from bentotrace.ui.values import clamp, json_value, text

__all__ = ["JaegerSpan", "Reference", "make_sources", "make_span"]

_STATUSES = {"OK": OK, "ERROR": ERROR}


class Reference(NamedTuple):
    """A reference to another span; the first CHILD_OF within the trace is the parent."""

    child_of: bool
    trace_id: str
    span_id: str


class JaegerSpan(NamedTuple):
    """A span of Jaeger, as Thrift and Protobuf have it; times in nanoseconds."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    start: int
    duration: int
    tags: dict[str, Any]
    logs: Iterable[tuple[int, dict[str, Any]]]
    references: Iterable[Reference]


def make_sources(service: str, tags: Mapping[str, Any]) -> dict[tuple[str, str], Source]:
    """Return a mapping for the sources of one process, by name and version of the scope."""
    resource = {"service.name": service, **tags}
    return {("", ""): Source(service, resource)}


def make_span(span: JaegerSpan, sources: dict[tuple[str, str], Source]) -> Span:
    """Return the span; tags that stand for a field of OpenTelemetry become that field.

    Raises:
        UnreadableError: an id is zero.
    """
    if not span.trace_id.strip("0") or not span.span_id.strip("0"):
        raise UnreadableError("a trace id or span id is zero")
    tags = span.tags
    kind = tags.get("span.kind")
    if kind in KINDS[1:]:
        del tags["span.kind"]
    error = tags.get("error")
    status = _STATUSES.get(tags.pop("otel.status_code", None) or "", UNSET)
    if error is True or error == "true":
        del tags["error"]
        status = ERROR
    scope = (_scope(tags, "name"), _scope(tags, "version"))
    message = text(tags.pop("otel.status_description", ""))
    state = text(tags.pop("w3c.tracestate", ""))
    plain = sources["", ""]
    source = sources.setdefault(scope, Source(plain.service, plain.resource, *scope))
    parent = span.parent_id if span.parent_id.strip("0") else ""
    links = []
    for reference in span.references:
        own = reference.trace_id == span.trace_id
        if own and reference.child_of and parent in ("", reference.span_id):
            parent = reference.span_id
        else:
            links.append(Link(reference.trace_id, reference.span_id, {}))
    return Span(
        span.trace_id,
        span.span_id,
        parent,
        span.name,
        KINDS.index(kind) if kind in KINDS else 0,
        clamp(span.start),
        clamp(span.duration),
        status,
        source,
        {key: json_value(value) for key, value in tags.items()},
        [_event(time, fields) for time, fields in span.logs],
        links,
        message,
        state,
    )


def _scope(tags: dict[str, Any], field: str) -> str:
    old = tags.pop(f"otel.library.{field}", "")
    return text(tags.pop(f"otel.scope.{field}", old))


def _event(time: int, fields: dict[str, Any]) -> Event:
    name = fields.pop("event", None)
    if name is None:
        name = fields.pop("message", "log")
    return Event(clamp(time), text(name), {key: json_value(value) for key, value in fields.items()})
