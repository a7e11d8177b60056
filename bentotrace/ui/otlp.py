"""Reads OTLP: Protobuf as the two wires carry it, and its JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from google.protobuf.message import (
    DecodeError,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from bentotrace.ui.model import Decoded, Event, Link, Source, Span, UnreadableError
from bentotrace.ui.values import clamp, from_bytes, hex_id, json_value, text

__all__ = ["decode_document", "decode_json", "decode_protobuf", "encode_response"]

_MAX_DEPTH = 32


def decode_protobuf(body: bytes) -> Decoded:
    """Decode an ``ExportTraceServiceRequest``.

    Raises:
        UnreadableError: it is not one.
    """
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except (DecodeError, RecursionError) as error:
        raise UnreadableError(f"not an OTLP request in Protobuf: {error}") from error
    spans: list[Span] = []
    refused = 0
    for resource_spans in request.resource_spans:
        resource = _attributes(resource_spans.resource.attributes)
        service = text(resource.get("service.name", ""))
        for scope_spans in resource_spans.scope_spans:
            scope = scope_spans.scope
            source = Source(service, resource, scope.name, scope.version)
            for span in scope_spans.spans:
                trace_id, span_id = span.trace_id, span.span_id
                if len(trace_id) != 16 or len(span_id) != 8 or not any(trace_id):
                    refused += 1
                    continue
                spans.append(_span(span, trace_id.hex(), span_id.hex(), source))
    return Decoded(spans, refused, "a trace id or span id is not valid" if refused else "")


def _span(span: Any, trace_id: str, span_id: str, source: Source) -> Span:
    start = span.start_time_unix_nano
    parent = span.parent_span_id
    status = span.status
    kind = span.kind
    events, links = span.events, span.links
    return Span(
        trace_id,
        span_id,
        parent.hex() if len(parent) == 8 and any(parent) else "",
        span.name,
        kind if 0 <= kind <= 5 else 0,
        clamp(start),
        clamp(span.end_time_unix_nano - start),
        status.code if 0 <= status.code <= 2 else 0,
        source,
        _attributes(span.attributes),
        [
            Event(clamp(event.time_unix_nano), event.name, _attributes(event.attributes))
            for event in events
        ]
        if events
        else (),
        [
            Link(link.trace_id.hex(), link.span_id.hex(), _attributes(link.attributes))
            for link in links
        ]
        if links
        else (),
        status.message,
        span.trace_state,
    )


def _attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    attributes = {}
    for pair in pairs:
        value = pair.value
        # Most are text, and asking which one it is takes longer than reading it.
        string = value.string_value
        if string:
            attributes[pair.key] = string
            continue
        which = value.WhichOneof("value")
        if which == "int_value":
            attributes[pair.key] = value.int_value
        else:
            attributes[pair.key] = _value(value, which, 0)
    return attributes


def _value(value: Any, which: str | None, depth: int) -> Any:
    if which is None:
        return None
    if which == "bytes_value":
        return from_bytes(value.bytes_value)
    if depth >= _MAX_DEPTH:
        return "…"
    if which == "array_value":
        return [
            _value(item, item.WhichOneof("value"), depth + 1) for item in value.array_value.values
        ]
    if which == "kvlist_value":
        return {
            pair.key: _value(pair.value, pair.value.WhichOneof("value"), depth + 1)
            for pair in value.kvlist_value.values
        }
    return json_value(getattr(value, which))


def encode_response(decoded: Decoded) -> bytes:
    """Return an ``ExportTraceServiceResponse``, with what was refused."""
    response = ExportTraceServiceResponse()
    if decoded.refused:
        response.partial_success.rejected_spans = decoded.refused
        response.partial_success.error_message = decoded.reason
    return bytes(response.SerializeToString())


def decode_json(body: bytes) -> Decoded:
    """Decode a request in OTLP's JSON, with ids in hexadecimal digits.

    Raises:
        UnreadableError: it is not one.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"not JSON: {error}") from error
    return decode_document(document)


def decode_document(document: Any) -> Decoded:
    """Decode a request in OTLP's JSON that is parsed already.

    Raises:
        UnreadableError: it is not one.
    """
    if not isinstance(document, dict):
        raise UnreadableError("the JSON is not an object with resourceSpans")
    spans: list[Span] = []
    refused, reason = 0, ""
    for resource_spans in _objects(document, "resourceSpans"):
        resource = _json_attributes(_object(resource_spans, "resource"))
        service = text(resource.get("service.name", ""))
        scopes = _objects(resource_spans, "scopeSpans")
        for scope_spans in scopes or _objects(resource_spans, "instrumentationLibrarySpans"):
            scope = _object(scope_spans, "scope")
            source = Source(
                service, resource, text(scope.get("name", "")), text(scope.get("version", ""))
            )
            for span in _objects(scope_spans, "spans"):
                try:
                    spans.append(_json_span(span, source))
                except (ValueError, TypeError) as error:
                    refused += 1
                    reason = reason or str(error)
    return Decoded(spans, refused, reason)


def _json_span(span: Mapping[str, Any], source: Source) -> Span:
    trace_id = hex_id(span.get("traceId"), 32, "traceId")
    span_id = hex_id(span.get("spanId"), 16, "spanId")
    if not trace_id or not span_id:
        raise UnreadableError("a trace id or span id is not valid")
    start = int(span.get("startTimeUnixNano", 0))
    status = _object(span, "status")
    return Span(
        trace_id,
        span_id,
        hex_id(span.get("parentSpanId"), 16, "parentSpanId"),
        text(span.get("name", "")),
        _enum(span.get("kind", 0), "SPAN_KIND_", _KIND_NAMES),
        clamp(start),
        clamp(int(span.get("endTimeUnixNano", 0)) - start),
        _enum(status.get("code", 0), "STATUS_CODE_", _STATUS_NAMES),
        source,
        _json_attributes(span),
        [
            Event(
                clamp(int(event.get("timeUnixNano", 0))),
                text(event.get("name", "")),
                _json_attributes(event),
            )
            for event in _objects(span, "events")
        ],
        [
            Link(
                hex_id(link.get("traceId"), 32, "traceId"),
                hex_id(link.get("spanId"), 16, "spanId"),
                _json_attributes(link),
            )
            for link in _objects(span, "links")
        ],
        text(status.get("message", "")),
        text(span.get("traceState", "")),
    )


_KIND_NAMES = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_STATUS_NAMES = ("UNSET", "OK", "ERROR")


def _enum(value: object, prefix: str, names: tuple[str, ...]) -> int:
    if isinstance(value, str) and value.removeprefix(prefix) in names:
        return names.index(value.removeprefix(prefix))
    return value if isinstance(value, int) and 0 <= value < len(names) else 0


def _objects(values: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    items = values.get(key)
    if items is None:
        return []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise UnreadableError(f"{key} is not a list of objects")
    return items


def _object(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = values.get(key)
    return value if isinstance(value, dict) else {}


def _json_attributes(owner: Mapping[str, Any]) -> dict[str, Any]:
    return {
        text(pair.get("key", "")): _json_any(_object(pair, "value"), 0)
        for pair in _objects(owner, "attributes")
    }


def _json_any(value: Mapping[str, Any], depth: int) -> Any:
    for key, convert in _SCALARS.items():
        if key in value:
            return convert(value[key])
    if depth >= _MAX_DEPTH:
        return "…"
    if "arrayValue" in value:
        items = _objects(_object(value, "arrayValue"), "values")
        return [_json_any(item, depth + 1) for item in items]
    if "kvlistValue" in value:
        pairs = _objects(_object(value, "kvlistValue"), "values")
        return {
            text(pair.get("key", "")): _json_any(_object(pair, "value"), depth + 1)
            for pair in pairs
        }
    return None


_SCALARS: Mapping[str, Callable[[Any], Any]] = {
    "stringValue": text,
    "intValue": int,
    "boolValue": bool,
    "doubleValue": lambda value: json_value(float(value)),
    "bytesValue": lambda value: {"bytes": text(value)},
}
