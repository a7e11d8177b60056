"""What a receiver keeps: the spans, the requests that brought them, and what it could not read."""

from __future__ import annotations

from typing import Any, Literal

from attrs import field, frozen

__all__ = [
    "ReceivedEvent",
    "ReceivedLink",
    "ReceivedSpan",
    "Rejected",
    "Request",
    "SpanKind",
    "SpanStatus",
]

SpanKind = Literal["internal", "server", "client", "producer", "consumer"]
SpanStatus = Literal["unset", "ok", "error"]


@frozen
class ReceivedEvent:
    """An event of a span.

    Attributes:
        name: the event's name; empty when the wire carries none.
        time_ns: nanoseconds since the epoch, to the precision of the wire.
        attributes: typed values, as the wire carries them.
        dropped_attributes: how many the sender says it dropped; only OTLP tells.
    """

    name: str
    time_ns: int
    attributes: dict[str, Any] = field(factory=dict)
    dropped_attributes: int = 0


@frozen
class ReceivedLink:
    """A link of a span; only OTLP carries more than the two ids.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits.
        attributes: typed values.
        trace_state: the W3C header's text.
        dropped_attributes: how many the sender says it dropped.
    """

    trace_id: str
    span_id: str
    attributes: dict[str, Any] = field(factory=dict)
    trace_state: str = ""
    dropped_attributes: int = 0


@frozen(kw_only=True)
class ReceivedSpan:
    """A span as it arrived, in one shape for every wire format.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits.
        parent_id: 16 hexadecimal digits; None for a root.
        name: the span's name.
        kind: "internal" where the wire says nothing.
        start_ns: nanoseconds since the epoch, to the precision of the wire (Thrift and Zipkin
            carry microseconds).
        end_ns: the same; start and duration added where the wire carries those.
        attributes: typed values, as the wire carries them: OTLP's arrays are tuples and its
            key-value lists dicts, Jaeger's sequences are JSON text, all of Zipkin's are text.
            What the wire carries as tags, but is a field here, is not among them.
        events: in the order of the wire.
        links: in the order of the wire.
        status: "unset" where the wire says nothing.
        status_description: empty where there is none.
        service_name: empty where the wire says nothing.
        resource: the resource's attributes, ``service.name`` included. Zipkin mixes all others
            with the span's attributes, and there they stay.
        scope_name: the instrumentation scope's name.
        scope_version: the instrumentation scope's version.
        trace_state: the W3C header's text.
        dropped_attributes: how many the sender says it dropped.
        dropped_events: how many the sender says it dropped.
        dropped_links: how many the sender says it dropped.
        raw: the decoded span itself: a protobuf message, or a dict for Thrift and JSON.
    """

    trace_id: str
    span_id: str
    parent_id: str | None = None
    name: str
    kind: SpanKind = "internal"
    start_ns: int
    end_ns: int
    attributes: dict[str, Any] = field(factory=dict)
    events: tuple[ReceivedEvent, ...] = ()
    links: tuple[ReceivedLink, ...] = ()
    status: SpanStatus = "unset"
    status_description: str = ""
    service_name: str = ""
    resource: dict[str, Any] = field(factory=dict)
    scope_name: str = ""
    scope_version: str = ""
    trace_state: str = ""
    dropped_attributes: int = 0
    dropped_events: int = 0
    dropped_links: int = 0
    raw: Any = field(default=None, repr=False, eq=False)


@frozen(kw_only=True)
class Request:
    """A request, or a datagram, as it arrived.

    Attributes:
        path: the HTTP path with its query, the gRPC method, or the Thrift message's name.
        headers: HTTP headers or gRPC metadata, names in lower case, binary values in base64;
            empty for UDP.
        body_size: bytes of the body on the wire; for gRPC those of the message, decompressed.
        encoding: the content encoding, as "gzip"; empty for none, and for gRPC, which hides it.
        span_count: spans in it, refused ones included; 0 when it could not be read.
        status: what was answered: the HTTP status or the number of the gRPC code; 0 for UDP.
        body: the body as it was on the wire, for gRPC decompressed; empty when it was too large.
    """

    path: str
    headers: dict[str, str] = field(factory=dict)
    body_size: int
    encoding: str = ""
    span_count: int
    status: int
    body: bytes = field(default=b"", repr=False)


@frozen
class Rejected:
    """Something that arrived and could not be read.

    Attributes:
        path: as in :class:`Request`; empty when the connection failed before there was one.
        reason: what is wrong with it.
        body: what could not be read, as it was on the wire.
    """

    path: str
    reason: str
    body: bytes = field(default=b"", repr=False)
