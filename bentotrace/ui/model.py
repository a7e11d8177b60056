"""The form in which the viewer keeps spans of every wire format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

__all__ = [
    "ERROR",
    "KINDS",
    "OK",
    "UNSET",
    "Decoded",
    "Event",
    "Link",
    "Source",
    "Span",
    "UnreadableError",
]

# OTLP's numbers of a span's kind; 0 is unspecified.
KINDS = ("", "internal", "server", "client", "producer", "consumer")
UNSET, OK, ERROR = 0, 1, 2


class UnreadableError(ValueError):
    """A request, a datagram or a file is not in the format that was expected."""


class Event(NamedTuple):
    """An event of a span: nanoseconds since the epoch, a name, attributes."""

    time: int
    name: str
    attributes: Mapping[str, Any]


class Link(NamedTuple):
    """A reference of a span to another one, both ids in hexadecimal digits."""

    trace_id: str
    span_id: str
    attributes: Mapping[str, Any]


class Source(NamedTuple):
    """Where spans come from: a service, its resource, an instrumentation scope."""

    service: str
    resource: Mapping[str, Any]
    scope_name: str = ""
    scope_version: str = ""


class Span(NamedTuple):
    """A span; ids are hexadecimal digits in lower case, times are nanoseconds.

    Values of attributes are what JSON has; bytes are ``{"bytes": base64}``, and a number that
    JSON lacks is text.
    """

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: int
    start: int
    duration: int
    status: int
    source: Source
    attributes: Mapping[str, Any]
    events: Sequence[Event] = ()
    links: Sequence[Link] = ()
    status_message: str = ""
    trace_state: str = ""


class Decoded(NamedTuple):
    """The spans of one request, and how many were refused, with the first reason."""

    spans: list[Span]
    refused: int = 0
    reason: str = ""
