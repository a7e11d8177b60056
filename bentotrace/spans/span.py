"""The lean span and its events.

Names with an underscore, other than ``_tracer``, are those that the SDK's classes read and write;
:mod:`bentotrace.spans.check` finds an SDK that has others.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping, Sequence
from time import time_ns
from types import MappingProxyType
from typing import Any, Protocol

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanLimits
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationInfo, InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode

from bentotrace.spans.attributes import clean, copy_plain, plain_value

__all__ = ["LeanSpan", "Owner", "to_sdk_span"]


class Owner(Protocol):
    """What the spans of a tracer have in common."""

    sampler: Sampler
    resource: Resource
    limits: SpanLimits
    scope: InstrumentationScope
    instrumentation_info: InstrumentationInfo
    span_processor: Any

    def finish(self, span: LeanSpan) -> None:
        """Pass an ended span on."""


class LeanEvent(Event):
    """An event whose attributes are a read-only view of a plain dict."""

    # Here and below, the SDK's properties ask an abstract class, for 0.1 µs each.
    dropped_attributes = 0

    def __init__(self, name: str, attributes: dict[str, Any], timestamp: int | None) -> None:
        self._name = name
        self._attributes: dict[str, Any] = attributes
        self._timestamp = time_ns() if timestamp is None else timestamp

    @property
    def attributes(self) -> Mapping[str, Any]:
        """The attributes."""
        # Made here, since the garbage collector visits each that a queued span holds.
        return MappingProxyType(self._attributes)

    def fields(self) -> tuple[str, int, dict[str, Any], int]:
        """Return name, timestamp, attributes and number of dropped attributes."""
        return self._name, self._timestamp, self._attributes, 0

    def __deepcopy__(self, memo: dict[int, Any]) -> Event:
        return Event(
            self.name,
            BoundedAttributes(attributes=copy.deepcopy(dict(self.attributes), memo)),
            self.timestamp,
        )


class LeanSpan(Span):
    """A span that keeps its attributes in a plain dict, as long as none needs to be cleaned."""

    # Most spans have these values; only others are stored in the span.
    _end_time: int | None = None
    _events: Sequence[Event] = ()
    _kind = SpanKind.INTERNAL
    _links: Sequence[Link] = ()
    _parent: SpanContext | None = None
    _record_end_metrics = None
    _record_exception = True
    _set_status_on_exception = True
    _status = Status(StatusCode.UNSET)
    _trace_config = None

    def __init__(
        self,
        tracer: Owner,
        name: str,
        context: SpanContext,
        attributes: Mapping[str, Any] | None,
        start_time: int | None,
    ) -> None:
        # Not the SDK's constructor, which takes most of the time.
        self._tracer = tracer
        self._name = name
        self._context = context
        self._resource = tracer.resource
        limits = tracer.limits
        limit, length = limits.max_span_attributes, limits.max_span_attribute_length
        plain = {} if attributes is None else copy_plain(attributes, limit, length)
        self._attributes: Any = clean(attributes, limit, length) if plain is None else plain
        self._lock = threading.Lock()
        self._start_time = time_ns() if start_time is None else start_time

    _limits = property(lambda self: self._tracer.limits)
    _sampler = property(lambda self: self._tracer.sampler)
    _span_processor = property(lambda self: self._tracer.span_processor)
    _instrumentation_info = property(lambda self: self._tracer.instrumentation_info)
    _instrumentation_scope = property(lambda self: self._tracer.scope)

    def fields(self) -> tuple[Any, ...]:
        """Return what :func:`bentotrace.encoding.read_span` does, of the ended span."""
        attributes, events, links = self._attributes, self._events, self._links
        dropped = (0, 0, 0)
        if type(attributes) is not dict:
            attributes = attributes.copy()
            dropped = (self.dropped_attributes, self.dropped_events, self.dropped_links)
        elif type(events) is BoundedList or type(links) is BoundedList:
            dropped = (0, self.dropped_events, self.dropped_links)
        return (
            self._context,
            self._parent,
            self._resource,
            self._tracer.scope,
            self._name,
            self._kind,
            self._start_time,
            self._end_time,
            (attributes, events, links, self._status, dropped),
        )

    @property
    def dropped_attributes(self) -> int:
        """The number of attributes beyond the limit, or of invalid names."""
        return 0 if type(self._attributes) is dict else super().dropped_attributes

    @property
    def dropped_events(self) -> int:
        """The number of events beyond the limit."""
        return 0 if type(self._events) is not BoundedList else super().dropped_events

    @property
    def dropped_links(self) -> int:
        """The number of links beyond the limit."""
        return 0 if type(self._links) is tuple else super().dropped_links

    def set_attribute(self, key: str, value: Any) -> None:
        """Set an attribute, and move it behind all others."""
        limits = self._tracer.limits
        with self._lock:
            own = self._attributes
            if self._end_time is None and type(own) is dict:
                plain = plain_value(key, value, limits.max_span_attribute_length)
                if plain is not None:
                    if key in own:
                        del own[key]
                    if limits.max_span_attributes is None or len(own) < limits.max_span_attributes:
                        own[key] = plain
                        return
                self._leave_to_sdk()
        super().set_attribute(key, value)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes."""
        limits = self._tracer.limits
        with self._lock:
            own = self._attributes
            if self._end_time is None and type(own) is dict:
                new = copy_plain(
                    attributes, limits.max_span_attributes, limits.max_span_attribute_length
                )
                if new is not None and (
                    limits.max_span_attributes is None
                    or len(own) + len(new) <= limits.max_span_attributes
                ):
                    for key in own.keys() & new.keys():
                        del own[key]
                    own.update(new)
                    return
                self._leave_to_sdk()
        super().set_attributes(attributes)

    def add_event(
        self,
        name: str,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
    ) -> None:
        """Add an event, now or at a time in nanoseconds since the epoch."""
        limits = self._tracer.limits
        limit, length = limits.max_event_attributes, limits.max_attribute_length
        plain = copy_plain(attributes or {}, limit, length)
        if plain is None or self._end_time is not None:
            super().add_event(name, attributes, timestamp)
            return
        event = LeanEvent(name, plain, timestamp)
        with self._lock:
            if self._end_time is None and type(self._events) is not BoundedList:
                if limits.max_events is None or len(self._events) < limits.max_events:
                    if type(self._events) is list:
                        self._events.append(event)
                    else:
                        self._events = [event]
                    return
                self._events = BoundedList.from_seq(limits.max_events, self._events)
        self._add_event(event)

    def _add_event(self, event: Any) -> None:
        with self._lock:
            if type(self._events) is not BoundedList:
                self._events = BoundedList.from_seq(self._tracer.limits.max_events, self._events)
        super()._add_event(event)

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        """Add a link."""
        with self._lock:
            if type(self._links) is tuple:
                self._links = BoundedList(self._tracer.limits.max_links)
        super().add_link(context, attributes)

    def end(self, end_time: int | None = None) -> None:
        """End the span, now or at a time in nanoseconds since the epoch."""
        try:
            if type(self._attributes) is dict:
                with self._lock:
                    ends = self._end_time is None
                    if ends:
                        self._end_time = time_ns() if end_time is None else end_time
                if ends:
                    self._tracer.finish(self)
                    return
            super().end(end_time)
        except MemoryError:
            # There may be none for a number; the span is counted if there is some for that.
            if self._end_time is None:
                self._end_time = self._start_time
                try:
                    self._tracer.finish(self)
                except MemoryError:
                    return

    def _leave_to_sdk(self) -> None:
        limits = self._tracer.limits
        self._attributes = clean(
            self._attributes, limits.max_span_attributes, limits.max_span_attribute_length
        )

    def _readable_span(self) -> ReadableSpan:
        """Return the SDK's span for processors and exporters of others."""
        limits = self._tracer.limits
        attributes = self._attributes
        if type(attributes) is dict:
            attributes = BoundedAttributes(
                limits.max_span_attributes,
                attributes,
                immutable=self._end_time is not None,
                max_value_len=limits.max_span_attribute_length,
            )
        return ReadableSpan(
            name=self._name,
            context=self._context,
            parent=self._parent,
            resource=self._resource,
            attributes=attributes,
            events=self._sdk_events(),
            links=BoundedList(limits.max_links) if type(self._links) is tuple else self._links,
            kind=self._kind,
            status=self._status,
            start_time=self._start_time,
            end_time=self._end_time,
            instrumentation_info=self._tracer.instrumentation_info,
            instrumentation_scope=self._tracer.scope,
        )

    def _sdk_events(self) -> Sequence[Event]:
        events: BoundedList[Event] = BoundedList(self._tracer.limits.max_events)
        events.extend([self._sdk_event(event) for event in self._events])
        events.dropped = self.dropped_events
        return events

    def _sdk_event(self, event: Event) -> Event:
        if type(event) is not LeanEvent:
            return event
        limits = self._tracer.limits
        return Event(
            event.name,
            BoundedAttributes(
                limits.max_event_attributes,
                event.attributes,
                max_value_len=limits.max_attribute_length,
            ),
            event.timestamp,
        )


def to_sdk_span(span: ReadableSpan) -> ReadableSpan:
    """Return the SDK's form of an ended span; any other span as it is."""
    return span._readable_span() if isinstance(span, LeanSpan) else span
