"""The receiver of Zipkin's JSON, version 2, converted by the inverse of OpenTelemetry's rules."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from bentotrace.testing.http_server import HTTPReceiver, Response
from bentotrace.testing.receiver import ReceivedEvent, ReceivedSpan, SpanKind, take_fields

__all__ = ["ZipkinReceiver"]

_HEX = re.compile(r"[0-9a-f]+")
_KINDS: dict[str | None, SpanKind] = {
    None: "internal",
    "CLIENT": "client",
    "SERVER": "server",
    "PRODUCER": "producer",
    "CONSUMER": "consumer",
}


class ZipkinReceiver(HTTPReceiver):
    """Receives ``POST /api/v2/spans``, JSON, plain or gzip; arguments as :class:`HTTPReceiver`."""

    path = "/api/v2/spans"
    content_types = frozenset({"application/json"})
    success = Response(202)

    def decode(self, body: bytes) -> list[ReceivedSpan]:
        """Decode a list of spans."""
        # json.loads alone would also accept UTF-16 and UTF-32, which Zipkin does not.
        try:
            spans = json.loads(body.decode(), parse_constant=_refuse_constant)
        except RecursionError as error:
            raise ValueError("the JSON is nested too deeply") from error
        if not isinstance(spans, list):
            raise ValueError(f"a JSON {type(spans).__name__}, expected a list of spans")
        return [_span(span) for span in spans]


def _span(span: Any) -> ReceivedSpan:
    if not isinstance(span, dict):
        raise ValueError(f"a JSON {type(span).__name__} among the spans, expected an object")
    tags = _tags(span)
    fields = take_fields(tags)
    kind = _typed(span, "kind", str, None)
    if kind not in _KINDS:
        raise ValueError(f"kind is {kind!r}, expected one of CLIENT, SERVER, PRODUCER, CONSUMER")
    start_ns = _nanoseconds(span, "timestamp")
    service_name = _typed(_typed(span, "localEndpoint", dict, {}), "serviceName", str, "")
    parent_id = _typed(span, "parentId", str, None)
    return ReceivedSpan(
        trace_id=_identifier(span.get("traceId"), (16, 32), "traceId").zfill(32),
        span_id=_identifier(span.get("id"), (16,), "id"),
        parent_id=None if parent_id is None else _identifier(parent_id, (16,), "parentId"),
        name=_typed(span, "name", str, ""),
        kind=_KINDS[kind],
        start_ns=start_ns,
        end_ns=start_ns + _nanoseconds(span, "duration"),
        attributes=tags,
        events=tuple(_event(item) for item in _typed(span, "annotations", list, [])),
        status_description=tags.pop("error", "") if fields["status"] == "error" else "",
        service_name=service_name,
        resource={"service.name": service_name} if service_name else {},
        **fields,
        raw=span,
    )


def _tags(span: dict[str, Any]) -> dict[str, Any]:
    tags = dict(_typed(span, "tags", dict, {}))
    for key, value in tags.items():
        if not isinstance(value, str):
            raise ValueError(f"the tag {key!r} is {value!r}, expected a string")
    return tags


def _event(annotation: Any) -> ReceivedEvent:
    if not isinstance(annotation, dict):
        raise ValueError(f"a JSON {type(annotation).__name__} among the annotations")
    value = _typed(annotation, "value", str, "")
    name, attributes = _name_and_attributes(value)
    return ReceivedEvent(name, _nanoseconds(annotation, "timestamp"), attributes)


def _name_and_attributes(value: str) -> tuple[str, dict[str, Any]]:
    """Split ``{"name": {attributes}}``; any other text is a name."""
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        return value, {}
    if isinstance(parsed, dict) and len(parsed) == 1:
        ((name, attributes),) = parsed.items()
        if isinstance(attributes, dict):
            return name, attributes
    return value, {}


def _typed(values: dict[str, Any], key: str, kind: type, default: Any) -> Any:
    """Return a value of exactly this JSON type, or the default where it is null or missing."""
    value = values.get(key)
    if value is None:
        return default
    if type(value) is not kind:
        raise ValueError(f"{key} is {value!r}, expected a JSON {kind.__name__}")
    return value


def _nanoseconds(values: dict[str, Any], key: str) -> int:
    """Return whole microseconds as nanoseconds; 0 where there are none."""
    value: int = _typed(values, key, int, 0)
    if value < 0:
        raise ValueError(f"{key} is {value}, expected 0 or more")
    return value * 1000


def _identifier(value: Any, lengths: tuple[int, ...], name: str) -> str:
    if not isinstance(value, str) or len(value) not in lengths or not _HEX.fullmatch(value):
        digits = " or ".join(map(str, lengths))
        raise ValueError(f"{name} is {value!r}, expected {digits} lower-case hexadecimal digits")
    if not value.strip("0"):
        raise ValueError(f"{name} is all zeros")
    return value


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
