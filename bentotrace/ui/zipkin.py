"""Reads Zipkin's spans: JSON of version 2 and 1, and Protobuf of version 2."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Mapping
from typing import Any

from bentotrace.ui.model import (
    ERROR,
    KINDS,
    OK,
    UNSET,
    Decoded,
    Event,
    Source,
    Span,
    UnreadableError,
)
from bentotrace.ui.protobuf_wire import Message, message, number, parts, read_message, string
from bentotrace.ui.values import clamp, hex_id, json_value, text

__all__ = ["PREFIX", "decode_document", "decode_json", "decode_protobuf"]

# Of the attributes that keep what only Zipkin has fields for.
PREFIX = "zipkin."
_PROTOBUF_KINDS = ("", "CLIENT", "SERVER", "PRODUCER", "CONSUMER")
_STATUSES = {"OK": OK, "ERROR": ERROR}
_V1_KINDS = {"cs": "CLIENT", "cr": "CLIENT", "sr": "SERVER", "ss": "SERVER"}


def decode_json(body: bytes) -> Decoded:
    """Decode a list of spans in JSON, of either version.

    Raises:
        UnreadableError: it is not one.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"not JSON: {error}") from error
    return decode_document(document)


def decode_document(document: Any) -> Decoded:
    """Decode a list of spans of either version that is parsed already; errors as above."""
    if not isinstance(document, list):
        raise UnreadableError("the JSON is not a list of spans")
    return _decode(document)


def decode_protobuf(body: bytes) -> Decoded:
    """Decode a ``ListOfSpans`` of zipkin.proto; errors as :func:`decode_json`."""
    return _decode(_from_protobuf(part) for part in parts(read_message(body), 1))


def _from_protobuf(part: bytes) -> dict[str, Any]:
    fields = read_message(part)
    kind = number(fields, 4)
    pairs = [read_message(pair) for pair in parts(fields, 11)]
    notes = [read_message(note) for note in parts(fields, 10)]
    return {
        "traceId": (parts(fields, 1) or [b""])[-1].hex(),
        "parentId": (parts(fields, 2) or [b""])[-1].hex(),
        "id": (parts(fields, 3) or [b""])[-1].hex(),
        "kind": _PROTOBUF_KINDS[kind] if kind < len(_PROTOBUF_KINDS) else "",
        "name": string(fields, 5),
        "timestamp": number(fields, 6),
        "duration": number(fields, 7),
        "localEndpoint": _endpoint_from_protobuf(message(fields, 8)),
        "remoteEndpoint": _endpoint_from_protobuf(message(fields, 9)),
        "annotations": [{"timestamp": number(note, 1), "value": string(note, 2)} for note in notes],
        "tags": {string(pair, 1): string(pair, 2) for pair in pairs},
        "debug": bool(number(fields, 12)),
        "shared": bool(number(fields, 13)),
    }


def _endpoint_from_protobuf(fields: Message) -> dict[str, Any]:
    found: dict[str, Any] = {"serviceName": string(fields, 1), "port": number(fields, 4)}
    for key, name, size in ((2, "ipv4", 4), (3, "ipv6", 16)):
        packed = (parts(fields, key) or [b""])[-1]
        if len(packed) == size:
            found[name] = str(ipaddress.ip_address(packed))
    return found


def _decode(items: Iterable[Any]) -> Decoded:
    spans: list[Span] = []
    sources: dict[tuple[str, str, str], Source] = {}
    refused, reason = 0, ""
    for item in items:
        try:
            spans.append(_span(item, sources))
        except (ValueError, TypeError, AttributeError) as error:
            refused += 1
            reason = reason or str(error)
    return Decoded(spans, refused, reason)


def _span(item: Mapping[str, Any], sources: dict[tuple[str, str, str], Source]) -> Span:
    if "binaryAnnotations" in item or _is_v1(item):
        item = _from_v1(item)
    trace_id = hex_id(item.get("traceId"), 32, "traceId")
    span_id = hex_id(item.get("id"), 16, "id")
    if not trace_id or not span_id:
        raise UnreadableError("traceId or id is missing")
    tags = {text(key): json_value(value) for key, value in (item.get("tags") or {}).items()}
    service = _service(item.get("localEndpoint"))
    remote = _service(item.get("remoteEndpoint"))
    if remote:
        tags.setdefault("peer.service", remote)
    tags |= _fields(item)
    status = _STATUSES.get(tags.pop("otel.status_code", ""), UNSET)
    message = ""
    if "error" in tags:
        status, message = ERROR, text(tags.pop("error"))
    scope = (
        text(tags.pop("otel.scope.name", tags.pop("otel.library.name", ""))),
        text(tags.pop("otel.scope.version", tags.pop("otel.library.version", ""))),
    )
    key = (service, *scope)
    source = sources.get(key)
    if source is None:
        resource = {"service.name": service} if service else {}
        source = sources[key] = Source(service, resource, *scope)
    kind = text(item.get("kind") or "").lower()
    return Span(
        trace_id,
        span_id,
        hex_id(item.get("parentId"), 16, "parentId"),
        text(item.get("name") or ""),
        KINDS.index(kind) if kind in KINDS else 0,
        clamp(int(item.get("timestamp") or 0) * 1000),
        clamp(int(item.get("duration") or 0) * 1000),
        status,
        source,
        tags,
        [
            Event(clamp(int(note.get("timestamp") or 0) * 1000), *_name(note.get("value")))
            for note in item.get("annotations") or ()
        ],
        (),
        message,
    )


def _service(endpoint: Any) -> str:
    return text(endpoint.get("serviceName") or "") if isinstance(endpoint, dict) else ""


def _fields(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes for what only Zipkin has fields for."""
    found: dict[str, Any] = {}
    for end in ("local", "remote"):
        endpoint = item.get(f"{end}Endpoint")
        if isinstance(endpoint, dict):
            for name in ("ipv4", "ipv6"):
                if endpoint.get(name):
                    found[f"{PREFIX}{end}.{name}"] = text(endpoint[name])
            if endpoint.get("port"):
                found[f"{PREFIX}{end}.port"] = int(endpoint["port"])
    return found | {f"{PREFIX}{name}": True for name in ("debug", "shared") if item.get(name)}


def _name(value: Any) -> tuple[str, dict[str, Any]]:
    """Split ``{"name": {attributes}}`` or ``"name": {attributes}``; anything else is a name."""
    note = text(value or "")
    if not note.startswith(('{"', '"')):
        return note, {}
    try:
        parsed = json.loads(note if note.startswith("{") else f"{{{note}}}")
    except (ValueError, RecursionError):
        return note, {}
    if len(parsed) == 1:
        ((name, attributes),) = parsed.items()
        if isinstance(attributes, dict):
            return text(name), json_value(attributes)
    return note, {}


def _is_v1(item: Mapping[str, Any]) -> bool:
    return any("endpoint" in note for note in item.get("annotations") or ())


def _from_v1(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return a span of version 1 in the shape of version 2."""
    kind, endpoint, remote, notes = "", None, None, []
    for note in item.get("annotations") or ():
        endpoint = endpoint or note.get("endpoint")
        if note.get("value") in _V1_KINDS:
            kind = _V1_KINDS[note["value"]]
        else:
            notes.append(note)
    tags = {}
    for pair in item.get("binaryAnnotations") or ():
        if pair.get("key") in ("sa", "ca"):
            # The address of the other end.
            remote = pair.get("endpoint")
            continue
        endpoint = endpoint or pair.get("endpoint")
        tags[text(pair.get("key", ""))] = pair.get("value")
    return {
        **item,
        "kind": kind,
        "localEndpoint": endpoint,
        "annotations": notes,
        "remoteEndpoint": remote,
        "tags": {key: value for key, value in tags.items() if key != "lc"},
    }
