"""Copies of spans in which every invalid field is converted."""

from __future__ import annotations

import logging
import math
import operator
from collections.abc import Callable, Iterable
from numbers import Real
from typing import Any, NamedTuple

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from bentotrace.encoding.spans import MAX_TIME, NO_TRACE_STATE
from bentotrace.encoding.values import plain_attributes, plain_value, safe_str
from bentotrace.interruptions import log_safely

__all__ = ["PlainEvent", "PlainLink", "PlainSpan", "Repaired", "Repairs", "repair"]

_UINT32 = (1 << 32) - 1


class PlainEvent(Event):
    """An event with the number of attributes that it had dropped before it was copied.

    Attributes:
        dropped: that number.
        dropped_attributes: the same, under the SDK's name.
    """

    dropped = 0
    dropped_attributes = property(lambda self: self.dropped)


class PlainLink(Link):
    """A link with the number of attributes that it had dropped before it was copied.

    Attributes:
        dropped: that number.
        dropped_attributes: the same, under the SDK's name.
    """

    dropped = 0
    dropped_attributes = property(lambda self: self.dropped)


class PlainSpan(ReadableSpan):
    """A span with the numbers of attributes, events and links dropped before it was copied.

    Attributes:
        dropped: the three numbers, in that order.
        dropped_attributes: the first.
        dropped_events: the second.
        dropped_links: the third.
        instrumentation_info: the instrumentation scope.
    """

    dropped = (0, 0, 0)
    dropped_attributes = property(lambda self: self.dropped[0])
    dropped_events = property(lambda self: self.dropped[1])
    dropped_links = property(lambda self: self.dropped[2])
    # The SDK's own is deprecated and warns.
    instrumentation_info = property(lambda self: self.instrumentation_scope)


class Repaired(NamedTuple):
    """The result of :func:`repair`.

    Attributes:
        spans: the repaired spans, in their order.
        lost: the number of spans without valid ids, which cannot be sent.
        fields: the fields that were converted, as "start_time" or "event.name".
    """

    spans: list[ReadableSpan]
    lost: int
    fields: frozenset[str]


def repair(spans: Iterable[Any], *, bytes_as_text: bool = False) -> Repaired:
    """Copy spans and convert every invalid field; never raise.

    A span without a valid trace id and span id is lost. A field that cannot be read gets its
    default; an event or link that cannot be read counts as dropped.

    Args:
        spans: the spans, or anything else.
        bytes_as_text: whether attribute values of bytes are decoded, for formats without them.
    """
    worker = _Repair(bytes_as_text)
    good: list[ReadableSpan] = []
    lost = 0
    for span in spans:
        try:
            good.append(worker.span(span))
        except Exception:
            # An object that is not a span must not lose the others.
            lost += 1
    return Repaired(good, lost, frozenset(worker.fields))


class Repairs:
    """Repairs the batches of one exporter, and logs each field that it converts once."""

    def __init__(self, logger: logging.Logger, *, bytes_as_text: bool = False) -> None:
        """``bytes_as_text`` as in :func:`repair`."""
        self._logger = logger
        self._bytes_as_text = bytes_as_text
        self._logged: set[str] = set()

    def repair(self, spans: Iterable[Any]) -> Repaired:
        """Do the same as :func:`repair`, and log fields that have not been logged."""
        repaired = repair(spans, bytes_as_text=self._bytes_as_text)
        new = repaired.fields - self._logged
        if new:
            self._logged |= new
            log_safely(
                self._logger,
                logging.WARNING,
                "fields of spans are out of range or of a wrong type and were converted: %s; "
                "correct the code that sets them (logged once for each field)",
                ", ".join(sorted(new)),
            )
        return repaired


class _Repair:
    """Copies spans; ``fields`` are those that it has converted.

    The types of values are compared, since ``isinstance`` reads an attribute, which may raise.
    """

    def __init__(self, bytes_as_text: bool) -> None:
        self.fields: set[str] = set()
        self._bytes_as_text = bytes_as_text
        # The originals are held, so that their ids are not reused.
        self._shared: dict[tuple[int, str], tuple[object, Any]] = {}

    def span(self, span: Any) -> ReadableSpan:
        context = self._context(span.context)
        if context is None:
            raise ValueError("the span has no valid ids")
        start = self._time(span, "start_time")
        end = self._time(span, "end_time")
        events, lost_events = self._each(span, "events", self._event)
        links, lost_links = self._each(span, "links", self._link)
        scope = self._read(span, "instrumentation_scope")
        copy = PlainSpan(
            self._text(span, "name") or "",
            context=context,
            parent=self._parent(span),
            resource=self._once(self._read(span, "resource"), self._resource),
            attributes=self._attributes(span),
            events=events,
            links=links,
            kind=self._kind(span),
            status=self._status(span),
            start_time=start,
            end_time=end,
            instrumentation_scope=None if scope is None else self._once(scope, self._scope),
        )
        copy.dropped = (
            self._count(span, "dropped_attributes"),
            min(self._count(span, "dropped_events") + lost_events, _UINT32),
            min(self._count(span, "dropped_links") + lost_links, _UINT32),
        )
        return copy

    def _read(self, owner: Any, name: str, of: str = "") -> Any:
        try:
            # Older versions of the SDK do not have every field.
            return getattr(owner, name, None)
        except Exception:
            self.fields.add(of + name)
            return None

    def _once(self, original: Any, copy: Callable[[Any], Any]) -> Any:
        """Copy a resource or scope once, so that spans still share it."""
        key = (id(original), copy.__name__)
        found = self._shared.get(key)
        if found is None:
            found = self._shared[key] = (original, copy(original))
        return found[1]

    def _text(self, owner: Any, name: str, of: str = "") -> str | None:
        value = self._read(owner, name, of)
        if value is None or type(value) is str:
            return value
        self.fields.add(of + name)
        return safe_str(value)

    def _time(self, owner: Any, name: str, of: str = "") -> int | None:
        value = self._read(owner, name, of)
        if value is None or (type(value) is int and 0 <= value <= MAX_TIME):
            return value
        self.fields.add(of + name)
        try:
            number: Any = value if issubclass(type(value), Real) else math.nan
            return None if math.isnan(number) else int(min(max(number, 0), MAX_TIME))
        except OverflowError:
            # An integer beyond a float's range.
            return MAX_TIME if value > 0 else 0
        except Exception:
            return None

    def _count(self, owner: Any, name: str, of: str = "") -> int:
        value = self._read(owner, name, of)
        if value is None or (type(value) is int and 0 <= value <= _UINT32):
            return value or 0
        self.fields.add(of + name)
        return min(max(value, 0), _UINT32) if type(value) is int else 0

    def _attributes(self, owner: Any, of: str = "") -> dict[str, Any]:
        value = self._read(owner, "attributes", of)
        try:
            items = dict(plain_attributes(value)).items()
        except Exception:
            self.fields.add(of + "attributes")
            return {}
        return {safe_str(key): self._value(plain_value(item)) for key, item in items}

    def _value(self, value: Any) -> Any:
        """Return lists as tuples, as the SDK has them, and bytes as text where asked for."""
        if isinstance(value, list):
            return tuple(map(self._value, value))
        if isinstance(value, dict):
            return {key: self._value(item) for key, item in value.items()}
        if self._bytes_as_text and isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        return value

    def _each(self, owner: Any, name: str, copy: Callable[[Any], Any]) -> tuple[list[Any], int]:
        """Copy events or links; return them and the number of those that cannot be read."""
        try:
            originals = list(getattr(owner, name) or ())
        except Exception:
            self.fields.add(name)
            return [], 0
        copies = []
        for original in originals:
            try:
                copies.append(copy(original))
            except Exception:
                self.fields.add(name)
        return copies, len(originals) - len(copies)

    def _event(self, event: Any) -> Event:
        copy = PlainEvent(
            self._text(event, "name", "event.") or "",
            self._attributes(event, "event."),
            self._time(event, "timestamp", "event.") or 0,
        )
        copy.dropped = self._count(event, "dropped_attributes", "event.")
        return copy

    def _link(self, link: Any) -> Link:
        context = self._context(link.context, "link.")
        if context is None:
            raise ValueError("the link has no valid ids")
        copy = PlainLink(context, self._attributes(link, "link."))
        copy.dropped = self._count(link, "dropped_attributes", "link.")
        return copy

    def _parent(self, span: Any) -> SpanContext | None:
        parent = self._read(span, "parent")
        if parent is None:
            return None
        context = self._context(parent, "parent.")
        if context is None:
            self.fields.add("parent")
        return context

    def _context(self, context: Any, of: str = "") -> SpanContext | None:
        """Copy a span context; return None if its ids are not valid."""
        try:
            # A subclass of int is a number too.
            trace_id, span_id = map(operator.index, (context.trace_id, context.span_id))
        except Exception:
            return None
        if not (0 < trace_id < 1 << 128 and 0 < span_id < 1 << 64):
            return None
        remote = self._read(context, "is_remote", of)
        if type(remote) is not bool:
            self.fields.add(of + "is_remote")
        return SpanContext(
            trace_id,
            span_id,
            remote is True,
            self._flags(context, of),
            self._trace_state(context, of),
        )

    def _flags(self, context: Any, of: str) -> TraceFlags:
        flags = self._read(context, "trace_flags", of)
        try:
            number = operator.index(flags)
        except Exception:
            number = -1
        if not 0 <= number <= 0xFF:
            self.fields.add(of + "trace_flags")
            number = TraceFlags.SAMPLED if number < 0 else number & 0xFF
        return TraceFlags(number)

    def _trace_state(self, context: Any, of: str) -> TraceState:
        """Return the trace state with those of its entries that are valid."""
        state = self._read(context, "trace_state", of)
        if state is NO_TRACE_STATE or state is None:
            return NO_TRACE_STATE
        try:
            entries = [*state.items()]
            copy = TraceState([pair for pair in entries if set(map(type, pair)) == {str}])
            if [*copy.items()] == entries and copy.to_header() == state.to_header():
                return copy
        except Exception:
            copy = NO_TRACE_STATE
        self.fields.add(of + "trace_state")
        return copy

    def _kind(self, span: Any) -> SpanKind:
        kind = self._read(span, "kind")
        if type(kind) is SpanKind:
            return kind
        self.fields.add("kind")
        return SpanKind.INTERNAL

    def _status(self, span: Any) -> Status:
        status = self._read(span, "status")
        code = self._read(status, "status_code", "status.")
        if type(code) is not StatusCode:
            self.fields.add("status")
            return Status(StatusCode.UNSET)
        description = self._text(status, "description", "status.")
        return Status(code, description if code is StatusCode.ERROR else None)

    def _resource(self, resource: Any) -> Resource:
        if not issubclass(type(resource), Resource):
            self.fields.add("resource")
        return Resource(
            self._attributes(resource, "resource."),
            self._text(resource, "schema_url", "resource."),
        )

    def _scope(self, scope: Any) -> InstrumentationScope:
        if not issubclass(type(scope), InstrumentationScope):
            self.fields.add("instrumentation_scope")
        return InstrumentationScope(
            self._text(scope, "name", "scope.") or "",
            self._text(scope, "version", "scope."),
            self._text(scope, "schema_url", "scope."),
            self._attributes(scope, "scope."),
        )
