"""Jaeger's span, from Thrift or Protobuf, converted by the inverse of OpenTelemetry's rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast, get_args

from bentotrace.testing.receiver import (
    ReceivedEvent,
    ReceivedLink,
    ReceivedSpan,
    SpanKind,
    take_fields,
)

__all__ = ["JaegerProcess", "JaegerReference", "jaeger_span"]

_Tags = Sequence[tuple[str, Any]]

_KINDS = frozenset(get_args(SpanKind))


class JaegerProcess(NamedTuple):
    """The service of a span, with the tags of its resource."""

    service_name: str
    tags: _Tags = ()


class JaegerReference(NamedTuple):
    """A reference to another span: CHILD_OF, or FOLLOWS_FROM."""

    child_of: bool
    trace_id: str
    span_id: str


def jaeger_span(
    *,
    trace_id: str,
    span_id: str,
    parent_id: str | None = None,
    references: Sequence[JaegerReference] = (),
    name: str,
    start_ns: int,
    duration_ns: int,
    tags: _Tags = (),
    logs: Iterable[tuple[int, _Tags]] = (),
    process: JaegerProcess,
    raw: Any = None,
) -> ReceivedSpan:
    """Convert tags, logs and references back to fields, events and links.

    The parent is ``parent_id``, which Thrift has a field for, else the first CHILD_OF reference
    within the trace. The tag ``error`` = true belongs to the status ERROR. Of several tags with one
    key the last is used, because OpenTelemetry has one value for a key. A log is its time in
    nanoseconds since the epoch and its fields.

    Raises:
        ValueError: a tag that is a field has an invalid value.
    """
    attributes = dict(tags)
    fields = take_fields(attributes)
    if fields["status"] == "error" and attributes.get("error") is True:
        del attributes["error"]
    kind: SpanKind = "internal"
    if attributes.get("span.kind") in _KINDS:
        kind = cast(SpanKind, attributes.pop("span.kind"))
    links = list(references)
    for reference in references:
        same_trace = reference.child_of and reference.trace_id == trace_id
        if same_trace and parent_id in (None, reference.span_id):
            parent_id = reference.span_id
            links.remove(reference)
            break
    return ReceivedSpan(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=parent_id,
        name=name,
        kind=kind,
        start_ns=start_ns,
        end_ns=start_ns + duration_ns,
        attributes=attributes,
        events=tuple(_event(time_ns, log_fields) for time_ns, log_fields in logs),
        links=tuple(ReceivedLink(link.trace_id, link.span_id) for link in links),
        status_description=str(attributes.pop("otel.status_description", "")),
        service_name=process.service_name,
        resource={**dict(process.tags), "service.name": process.service_name},
        trace_state=str(attributes.pop("w3c.tracestate", "")),
        **fields,
        raw=raw,
    )


def _event(time_ns: int, fields: _Tags) -> ReceivedEvent:
    """Convert a log to an event, named by the first of its fields ``event`` that is text."""
    name: str | None = None
    attributes: dict[str, Any] = {}
    for key, value in fields:
        if key == "event" and name is None and isinstance(value, str):
            name = value
        else:
            attributes[key] = value
    return ReceivedEvent(name or "", time_ns, attributes)
