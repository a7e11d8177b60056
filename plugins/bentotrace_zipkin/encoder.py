"""Zipkin v2 JSON, written without intermediate objects.

Source: Zipkin v2 API; OpenTelemetry specification, "OpenTelemetry to Zipkin Transformation".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, ip_address
from json.encoder import encode_basestring, encode_basestring_ascii
from struct import Struct
from typing import Any

from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanKind, Status, StatusCode

from bentotrace.encoding import (
    INT64_MAX,
    INT64_MIN,
    MAX_FLOAT,
    MAX_TIME,
    BoundedCache,
    SpanFields,
    dropped_count,
    in_turns,
    json_text,
    number_text,
    plain_value,
    read_event,
    read_span,
    safe_str,
)

__all__ = ["JSONEncoder"]

_UINT64 = (1 << 64) - 1
_NO_ID = "0" * 16
_MAX_CONTEXTS = 256
_DROPPED_ATTRIBUTES = "otel.dropped_attributes_count"

# By id(): an enum member's own hash is a call into Python, and members live forever.
_KINDS = {
    id(kind): "" if kind is SpanKind.INTERNAL else f',"kind":"{kind.name}"' for kind in SpanKind
}
_CODES = {id(code): f'"{code.name}"' for code in StatusCode}
_CALLS = {id(SpanKind.CLIENT), id(SpanKind.PRODUCER)}

# An attribute with one of these names replaces a generated tag, or is replaced by it.
_RESERVED = frozenset(
    [
        "error",
        "otel.status_code",
        _DROPPED_ATTRIBUTES,
        "otel.dropped_events_count",
        "otel.dropped_links_count",
    ]
)


# Attributes that name what a span called, by precedence, and the attribute of its port.
_PEERS = (
    ("peer.service", None),
    ("server.address", "server.port"),
    ("net.peer.name", "net.peer.port"),
    ("network.peer.address", "network.peer.port"),
    ("server.socket.domain", "server.socket.port"),
    ("server.socket.address", "server.socket.port"),
    ("net.sock.peer.name", "net.sock.peer.port"),
    ("net.sock.peer.addr", "net.sock.peer.port"),
    ("peer.hostname", None),
    ("peer.address", None),
    ("db.name", None),
)


def _tag_value(value: Any) -> str:
    """Return any value as the JSON string of a tag."""
    if type(value) is tuple:
        return str(encode_basestring_ascii(json_text(value)))
    plain = plain_value(value)
    if plain is None:
        return '""'
    if isinstance(plain, bool):
        return '"true"' if plain else '"false"'
    if isinstance(plain, (int, float)):
        return f'"{number_text(plain)}"'
    if isinstance(plain, bytes):
        plain = plain.decode("utf-8", "replace")
    elif not isinstance(plain, str):
        plain = json_text(value)
    return str(encode_basestring_ascii(plain))


def _object(pairs: Mapping[str, str]) -> str:
    """Write an object whose values are JSON already."""
    return ",".join(f"{encode_basestring_ascii(key)}:{value}" for key, value in pairs.items())


class _Context:
    """The common part of the spans of one resource and one scope.

    Attributes:
        resource, scope: held, so that their ids are not reused.
        local_endpoint: its field.
        resource_tags, scope_tags: names and JSON of the values.
        names: names of tags that attributes of a span may also have.
        tags: all those tags, as JSON after a comma and without braces.
    """

    def __init__(
        self,
        resource: Resource,
        scope: InstrumentationScope | None,
        local_endpoint: str,
        resource_tags: Mapping[str, str],
        scope_tags: Mapping[str, str],
    ) -> None:
        self.resource = resource
        self.scope = scope
        self.local_endpoint = local_endpoint
        self.resource_tags = resource_tags
        self.scope_tags = scope_tags
        self.names = frozenset((*resource_tags, *scope_tags, *_RESERVED))
        tags = _object({**resource_tags, **scope_tags})
        self.tags = f",{tags}" if tags else ""


class JSONEncoder:
    """Encodes batches of spans; used by one thread at a time."""

    def __init__(self, local_endpoint: Mapping[str, Any]) -> None:
        """``local_endpoint`` is the address of the service: ``ipv4``, ``ipv6`` and ``port``."""
        self._local_endpoint = local_endpoint
        self._contexts: dict[tuple[int, int], _Context] = {}
        # After a comma, so that tags need no join of their own.
        self._keys: BoundedCache[str, str] = BoundedCache(
            lambda key: f",{encode_basestring_ascii(safe_str(key))}:"
        )
        self._event_keys: BoundedCache[str, str] = BoundedCache(
            lambda key: f"{encode_basestring_ascii(encode_basestring(safe_str(key)))[1:-1]}:"
        )
        self._names: BoundedCache[str, str] = BoundedCache(_name)

    def encode(self, spans: Sequence[ReadableSpan]) -> bytes:
        """Return the JSON array of the spans, in ASCII."""
        ids: list[int] = []
        for span in spans:
            context, parent = span.context, span.parent
            trace_id, span_id = context.trace_id, context.span_id
            # Packing refuses numbers that are out of range.
            if not (trace_id and span_id) or (parent is not None and not parent.is_valid):
                raise ValueError("the span or its parent has no valid ids")
            ids += (
                trace_id >> 64,
                trace_id & _UINT64,
                span_id,
                0 if parent is None else parent.span_id,
            )
        digits = Struct(f">{len(ids)}Q").pack(*ids).hex()
        out = ["["]
        last_resource: object = self
        last_scope: object = self
        at = 0
        for span in in_turns(spans):
            fields = read_span(span)
            resource, scope = fields[2], fields[3]
            if resource is not last_resource or scope is not last_scope:
                shared = self._context(resource, scope)
                last_resource, last_scope = resource, scope
            if at:
                out.append(",")
            self._span(fields, digits[at : at + 64], shared, out)
            at += 64
        out.append("]")
        return "".join(out).encode("ascii")

    def _span(self, fields: SpanFields, digits: str, shared: _Context, out: list[str]) -> None:
        """Append the object of a span."""
        _, _, _, _, name, span_kind, start, end, content = fields
        attributes, events, _, status, dropped = content
        kind = id(span_kind)
        start = start or 0
        end = end or start
        if not 0 <= start <= end <= MAX_TIME:
            start = min(max(start, 0), MAX_TIME)
            end = min(max(end, start), MAX_TIME)
        parent_id = digits[48:]
        parent = "" if parent_id == _NO_ID else f'","parentId":"{parent_id}'
        remote = ""
        if kind in _CALLS:
            remote = _remote_endpoint(attributes)
        out.append(
            f'{{"traceId":"{digits[:32]}","id":"{digits[32:48]}{parent}"'
            f"{self._names[name or '']}{_KINDS[kind]}"
            # "| 0" raises for a float, at half the cost of the format d. To the server, a duration
            # of 0 is a missing one.
            f',"timestamp":{(start + 500) // 1000 | 0}'
            f',"duration":{(end - start + 500) // 1000 | 0 or 1}'
            f"{shared.local_endpoint}{remote}"
        )
        if events:
            out.append(
                f',"annotations":[{",".join([self._annotation(event) for event in events])}]'
            )
        before = len(out)
        more = status.status_code is not StatusCode.UNSET or any(dropped)
        self._write_tags(attributes, shared, _span_tags(status, dropped) if more else {}, out)
        if len(out) > before:
            # The first tag begins with a comma.
            out[before] = f',"tags":{{{out[before][1:]}'
            out.append("}}")
        else:
            out.append("}")

    def _write_tags(
        self,
        attributes: Mapping[str, Any],
        shared: _Context,
        more: Mapping[str, str],
        out: list[str],
    ) -> None:
        """Append all tags, each after a comma."""
        if not shared.names.isdisjoint(attributes):
            colliding = self._colliding(attributes, shared, more)
            if colliding:
                out.append(f",{colliding}")
            return
        # The exact types come first and are encoded in place: most spans have no others, and a call
        # for each attribute would cost as much as the encoding.
        keys = self._keys
        for key, value in attributes.items():
            kind = type(value)
            if kind is str:
                out += (keys[key], encode_basestring_ascii(value))
            elif kind is bool:
                out.append(keys[key] + ('"true"' if value else '"false"'))
            elif kind is int and INT64_MIN <= value <= INT64_MAX:
                out.append(f'{keys[key]}"{value}"')
            elif kind is float and -MAX_FLOAT <= value <= MAX_FLOAT:
                out.append(f'{keys[key]}"{value!r}"')
            else:
                out.append(keys[key] + _tag_value(value))
        if shared.tags:
            out.append(shared.tags)
        if more:
            out.append(f",{_object(more)}")

    def _colliding(
        self, attributes: Mapping[str, Any], shared: _Context, more: Mapping[str, str]
    ) -> str:
        """Return tags with duplicate names: the span's override the resource's.

        An attribute ``error`` that is false is omitted: for Zipkin any value means an error.
        """
        own = {safe_str(key): _tag_value(value) for key, value in attributes.items()}
        if own.get("error") in {'"false"', '"False"', '""', '"0"'}:
            del own["error"]
        return _object({**shared.resource_tags, **own, **shared.scope_tags, **more})

    def _annotation(self, event: Event) -> str:
        name, at, attributes, dropped = read_event(event)
        name = name or ""
        if not attributes and not dropped:
            value = encode_basestring_ascii(name)
        else:
            # JSON in a JSON string, of pieces that are escaped already.
            keys = self._event_keys
            pairs = []
            for key, item in attributes.items():
                kind = type(item)
                if kind is str:
                    pairs.append(keys[key] + encode_basestring_ascii(encode_basestring(item))[1:-1])
                elif kind is int and INT64_MIN <= item <= INT64_MAX:
                    pairs.append(f"{keys[key]}{item}")
                else:
                    pairs.append(keys[key] + encode_basestring_ascii(_json(item))[1:-1])
            if dropped and _DROPPED_ATTRIBUTES not in attributes:
                pairs.append(f"{keys[_DROPPED_ATTRIBUTES]}{dropped_count(dropped)}")
            value = f'"{{{keys[name]}{{{",".join(pairs)}}}}}"'
        if not 0 <= at <= MAX_TIME:
            at = min(max(at, 0), MAX_TIME)
        return f'{{"timestamp":{(at + 500) // 1000 | 0},"value":{value}}}'

    def _context(self, resource: Resource, scope: InstrumentationScope | None) -> _Context:
        found = self._contexts.get((id(resource), id(scope)))
        if found is None:
            if len(self._contexts) >= _MAX_CONTEXTS:
                self._contexts.clear()
            found = self._contexts[id(resource), id(scope)] = self._make_context(resource, scope)
        return found

    def _make_context(self, resource: Resource, scope: InstrumentationScope | None) -> _Context:
        service = resource.attributes.get(SERVICE_NAME)
        local = {**({"serviceName": safe_str(service)} if service else {}), **self._local_endpoint}
        return _Context(
            resource,
            scope,
            f',"localEndpoint":{json.dumps(local)}' if local else "",
            {
                key: _tag_value(value)
                for key, value in resource.attributes.items()
                if key != SERVICE_NAME
            },
            _scope_tags(scope),
        )


def _remote_endpoint(attributes: Mapping[str, Any]) -> str:
    """Return the field ``remoteEndpoint`` after a comma; "" when no attribute names a peer."""
    for name, port_name in _PEERS:
        value = attributes.get(name)
        if value and isinstance(value, str):
            port = attributes.get(port_name) if port_name is not None else None
            return f',"remoteEndpoint":{json.dumps(_endpoint(value, port))}'
    return ""


def _endpoint(value: str, port: object) -> dict[str, Any]:
    endpoint: dict[str, Any]
    try:
        address = ip_address(value.strip("[]"))
    except ValueError:
        endpoint = {"serviceName": value}
    else:
        kind = "ipv4" if isinstance(address, IPv4Address) else "ipv6"
        endpoint = {kind: str(address)}
    if type(port) is int and 0 < port < 65536:
        endpoint["port"] = port
    return endpoint


def _name(name: str) -> str:
    return f',"name":{encode_basestring_ascii(name)}' if name else ""


def _json(value: Any) -> str:
    """Return the value of an event's attribute as JSON of its type."""
    kind = type(value)
    if kind is bool:
        return "true" if value else "false"
    if kind is float and -MAX_FLOAT <= value <= MAX_FLOAT:
        return float.__repr__(value)
    return json_text(value)


def _scope_tags(scope: InstrumentationScope | None) -> dict[str, str]:
    tags: dict[str, str] = {}
    if scope is not None:
        for key, value in (("name", scope.name), ("version", scope.version)):
            if value:
                # The library names are deprecated, and used by older dashboards.
                written = _tag_value(value)
                tags[f"otel.scope.{key}"] = tags[f"otel.library.{key}"] = written
    return tags


def _span_tags(status: Status, dropped: tuple[int, int, int]) -> dict[str, str]:
    """Return the tags of a span's status and dropped items; most spans have none."""
    tags: dict[str, str] = {}
    code = status.status_code
    if code is not StatusCode.UNSET:
        tags["otel.status_code"] = _CODES[id(code)]
        if code is StatusCode.ERROR:
            tags["error"] = _tag_value(status.description or "")
    names = (_DROPPED_ATTRIBUTES, "otel.dropped_events_count", "otel.dropped_links_count")
    for name, number in zip(names, dropped, strict=True):
        if number:
            tags[name] = f'"{dropped_count(number)}"'
    return tags
