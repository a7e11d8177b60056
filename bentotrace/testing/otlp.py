"""OTLP: its receiver over HTTP, and its request, read with the messages of opentelemetry-proto.

The fields are those of ``opentelemetry/proto/trace/v1/trace.proto``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from bentotrace.testing.http_server import HTTPReceiver, Response
from bentotrace.testing.receiver import (
    ReceivedEvent,
    ReceivedLink,
    ReceivedSpan,
    SpanKind,
    SpanStatus,
    identifier,
    parse_protobuf,
)

__all__ = ["OTLPHTTPReceiver", "decode_request", "partial_success"]

_PROTOBUF = "application/x-protobuf"

# The kind is optional; the specification then permits to assume internal.
_KINDS: tuple[SpanKind, ...] = ("internal", "internal", "server", "client", "producer", "consumer")
_STATUSES: tuple[SpanStatus, ...] = ("unset", "ok", "error")

_Name = TypeVar("_Name", SpanKind, SpanStatus)


class OTLPHTTPReceiver(HTTPReceiver):
    """Receives ``POST /v1/traces``, protobuf, plain or gzip; arguments as :class:`HTTPReceiver`."""

    path = "/v1/traces"
    content_types = frozenset({_PROTOBUF})
    success = Response(200, {"content-type": _PROTOBUF})

    def respond_with_partial_success(
        self, rejected_spans: int, message: str = "", *, times: int = 1
    ) -> None:
        """Respond 200 to the next requests, and report spans of each as rejected.

        The last ``rejected_spans`` of each request are not kept.
        """
        body = partial_success(rejected_spans, message)
        response = Response(
            200, {"content-type": _PROTOBUF}, body, rejected_spans=max(rejected_spans, 0)
        )
        self._scripted.extend([response] * times)

    def decode(self, body: bytes) -> list[ReceivedSpan]:
        """Decode an ``ExportTraceServiceRequest``."""
        return decode_request(body)


def decode_request(body: bytes) -> list[ReceivedSpan]:
    """Decode an ``ExportTraceServiceRequest``.

    Raises:
        ValueError: it is malformed.
    """
    request = ExportTraceServiceRequest()
    parse_protobuf(request, body)
    return [
        _span(span, _attributes(resource_spans.resource.attributes), scope_spans.scope)
        for resource_spans in request.resource_spans
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
    ]


def partial_success(rejected_spans: int, message: str) -> bytes:
    """Return a response that reports some spans as rejected."""
    response = ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(
            rejected_spans=rejected_spans, error_message=message
        )
    )
    return bytes(response.SerializeToString())


def _span(span: Any, resource: dict[str, Any], scope: Any) -> ReceivedSpan:
    return ReceivedSpan(
        trace_id=identifier(span.trace_id, 16, "trace_id"),
        span_id=identifier(span.span_id, 8, "span_id"),
        parent_id=identifier(span.parent_span_id, 8, "parent_span_id")
        if span.parent_span_id
        else None,
        name=span.name,
        kind=_name_of(_KINDS, span.kind, "kind"),
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        attributes=_attributes(span.attributes),
        events=tuple(
            ReceivedEvent(
                event.name,
                event.time_unix_nano,
                _attributes(event.attributes),
                event.dropped_attributes_count,
            )
            for event in span.events
        ),
        links=tuple(
            ReceivedLink(
                identifier(link.trace_id, 16, "link's trace_id"),
                identifier(link.span_id, 8, "link's span_id"),
                _attributes(link.attributes),
                link.trace_state,
                link.dropped_attributes_count,
            )
            for link in span.links
        ),
        status=_name_of(_STATUSES, span.status.code, "status code"),
        status_description=span.status.message,
        service_name=str(resource.get("service.name", "")),
        resource=resource,
        scope_name=scope.name,
        scope_version=scope.version,
        trace_state=span.trace_state,
        dropped_attributes=span.dropped_attributes_count,
        dropped_events=span.dropped_events_count,
        dropped_links=span.dropped_links_count,
        raw=span,
    )


def _name_of(names: Sequence[_Name], number: int, what: str) -> _Name:
    if not 0 <= number < len(names):
        raise ValueError(f"{what} is {number}, expected 0 to {len(names) - 1}")
    return names[number]


def _attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    for pair in pairs:
        if pair.key in attributes:
            raise ValueError(f"duplicate attribute {pair.key!r}")
        attributes[pair.key] = _value(pair.value)
    return attributes


def _value(value: Any) -> Any:
    which = value.WhichOneof("value")
    if which is None:
        return None
    if which == "array_value":
        return tuple(_value(item) for item in value.array_value.values)
    if which == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    if which in ("string_value", "bool_value", "int_value", "double_value", "bytes_value"):
        return getattr(value, which)
    raise ValueError(f"an attribute's value is a {which}, which traces do not use")
