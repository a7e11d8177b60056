"""Jaeger's span, from Thrift or Protobuf, to the one shape.

This undoes OpenTelemetry's transformation rules to Jaeger.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast, get_args

from attrs import field, frozen

from bentotrace.testing.spans import ReceivedEvent, ReceivedLink, ReceivedSpan, SpanKind
from bentotrace.testing.tags import take_fields

__all__ = ["JaegerLog", "JaegerProcess", "JaegerReference", "JaegerSpan", "identifier"]

Tags = Sequence[tuple[str, Any]]

_KINDS = frozenset(get_args(SpanKind))


@frozen
class JaegerProcess:
    """The service that made a span.

    Attributes:
        service_name: its name.
        tags: key and typed value, in the order of the wire.
    """

    service_name: str
    tags: Tags = ()


@frozen
class JaegerReference:
    """A reference to another span: CHILD_OF, or FOLLOWS_FROM."""

    child_of: bool
    trace_id: str
    span_id: str


@frozen
class JaegerLog:
    """What happened at a time, in nanoseconds since the epoch."""

    time_ns: int
    fields: Tags


@frozen(kw_only=True)
class JaegerSpan:
    """A span as both encodings carry it.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits.
        parent_id: 16 hexadecimal digits, where the encoding has a field for it (Thrift).
        references: in the order of the wire.
        name: the operation's name.
        start_ns: nanoseconds since the epoch.
        duration_ns: nanoseconds.
        tags: key and typed value, in the order of the wire.
        logs: in the order of the wire.
        process: who made it.
        raw: the decoded span itself.
    """

    trace_id: str
    span_id: str
    parent_id: str | None = None
    references: Sequence[JaegerReference] = ()
    name: str
    start_ns: int
    duration_ns: int
    tags: Tags = ()
    logs: Sequence[JaegerLog] = ()
    process: JaegerProcess
    raw: Any = field(default=None, repr=False)

    def to_received(self) -> ReceivedSpan:
        """Turn tags, logs and references back into fields, events and links.

        The parent is the parent's field, else the first CHILD_OF reference within the trace. The
        tag ``error`` = true goes with the status ERROR. Of tags of one key the last one counts, as
        OpenTelemetry has one value for a key.

        Raises:
            ValueError: a tag that is a field has an impossible value.
        """
        tags = dict(self.tags)
        fields = take_fields(tags)
        if fields.status == "error" and tags.get("error") is True:
            del tags["error"]
        kind: SpanKind = "internal"
        if tags.get("span.kind") in _KINDS:
            kind = cast(SpanKind, tags.pop("span.kind"))
        description = tags.pop("otel.status_description", "")
        parent_id, links = self._split_references()
        return ReceivedSpan(
            trace_id=self.trace_id,
            span_id=self.span_id,
            parent_id=parent_id,
            name=self.name,
            kind=kind,
            start_ns=self.start_ns,
            end_ns=self.start_ns + self.duration_ns,
            attributes=tags,
            events=tuple(_event(log) for log in self.logs),
            links=links,
            status=fields.status,
            status_description=str(description),
            service_name=self.process.service_name,
            resource={**dict(self.process.tags), "service.name": self.process.service_name},
            scope_name=fields.scope_name,
            scope_version=fields.scope_version,
            trace_state=str(tags.pop("w3c.tracestate", "")),
            dropped_attributes=fields.dropped_attributes,
            dropped_events=fields.dropped_events,
            dropped_links=fields.dropped_links,
            raw=self.raw,
        )

    def _split_references(self) -> tuple[str | None, tuple[ReceivedLink, ...]]:
        parent_id = self.parent_id
        references = list(self.references)
        for reference in references:
            same_trace = reference.child_of and reference.trace_id == self.trace_id
            if same_trace and parent_id in (None, reference.span_id):
                parent_id = reference.span_id
                references.remove(reference)
                break
        return parent_id, tuple(ReceivedLink(r.trace_id, r.span_id) for r in references)


def identifier(value: bytes, size: int, name: str) -> str:
    """Write an id of ``size`` bytes in hexadecimal digits.

    Raises:
        ValueError: it has another size, or is zero.
    """
    if len(value) != size or not any(value):
        raise ValueError(f"{name} is {value.hex()!r}, expected {size} bytes that are not all zero")
    return value.hex()


def _event(log: JaegerLog) -> ReceivedEvent:
    """Turn a log into an event, named by the first of its fields ``event`` that is text."""
    name: str | None = None
    attributes: dict[str, Any] = {}
    for key, value in log.fields:
        if key == "event" and name is None and isinstance(value, str):
            name = value
        else:
            attributes[key] = value
    return ReceivedEvent(name or "", log.time_ns, attributes)
