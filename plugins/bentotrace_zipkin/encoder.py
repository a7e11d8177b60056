"""Zipkin v2 JSON, written directly: spans in, the JSON array's bytes out.

Source: Zipkin v2 API; OpenTelemetry specification, "OpenTelemetry to Zipkin Transformation".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring, encode_basestring_ascii
from struct import Struct
from typing import Any

from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanKind, StatusCode

from bentotrace.encoding import (
    INT64_MAX,
    INT64_MIN,
    MAX_FLOAT,
    Known,
    json_text,
    number_text,
    plain_attributes,
    shown,
    to_microseconds,
)
from bentotrace_zipkin.remote import remote_endpoint

__all__ = ["JSONEncoder"]

_UINT64 = (1 << 64) - 1
_MAX_CONTEXTS = 256
_DROPPED_ATTRIBUTES = "otel.dropped_attributes_count"

# By id(): an enum member's own hash is a call into Python, and members live forever.
_KINDS = {
    id(kind): "" if kind is SpanKind.INTERNAL else f',"kind":"{kind.name}"' for kind in SpanKind
}
_CALLS = {id(SpanKind.CLIENT), id(SpanKind.PRODUCER)}

# An attribute of one of these names changes what is sent besides it.
_RESERVED = frozenset(
    [
        "error",
        "otel.status_code",
        _DROPPED_ATTRIBUTES,
        "otel.dropped_events_count",
        "otel.dropped_links_count",
    ]
)


def _tag_value(value: Any) -> str:
    """Write any value as the JSON string of a tag."""
    if isinstance(value, str):
        return str(encode_basestring_ascii(value))
    if isinstance(value, bool):
        return '"true"' if value else '"false"'
    if isinstance(value, (int, float)):
        return f'"{number_text(value)}"'
    if isinstance(value, bytes):
        return str(encode_basestring_ascii(value.decode("utf-8", "replace")))
    if isinstance(value, (Sequence, Mapping)):
        return str(encode_basestring_ascii(json_text(value)))
    return str(encode_basestring_ascii("" if value is None else shown(value)))


def _object(pairs: Mapping[str, str]) -> str:
    """Write an object whose values are JSON already."""
    return ",".join(f"{encode_basestring_ascii(key)}:{value}" for key, value in pairs.items())


class _Context:
    """What spans of one resource and one scope share.

    Attributes:
        resource, scope: held, so that their identity stays their own.
        local_endpoint: its field.
        resource_tags, scope_tags: names and JSON of the values.
        names: names of tags that the span's own could collide with.
        tags: all those tags, as JSON without braces.
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
        self.tags = _object({**resource_tags, **scope_tags})


class JSONEncoder:
    """Encodes batches of spans; used by one thread at a time."""

    def __init__(self, local_endpoint: Mapping[str, Any]) -> None:
        """Take the address of the service, as ``ipv4``, ``ipv6`` and ``port``."""
        self._local_endpoint = local_endpoint
        self._contexts: dict[tuple[int, int], _Context] = {}
        self._keys: Known[str, str] = Known(lambda key: f"{encode_basestring_ascii(shown(key))}:")
        self._event_keys: Known[str, str] = Known(lambda key: f"{encode_basestring(shown(key))}:")
        self._names: Known[str, str] = Known(_name)

    def encode(self, spans: Sequence[ReadableSpan]) -> bytes:
        """Give the JSON array of the spans, in ASCII."""
        ids: list[int] = []
        for span in spans:
            context, parent = span.context, span.parent
            trace_id = context.trace_id
            ids += (
                trace_id >> 64 & _UINT64,
                trace_id & _UINT64,
                context.span_id & _UINT64,
                0 if parent is None else parent.span_id & _UINT64,
            )
        digits = Struct(f">{len(ids)}Q").pack(*ids).hex()
        encoded = []
        last_resource: object = self
        last_scope: object = self
        at = 0
        for span in spans:
            resource, scope = span.resource, span.instrumentation_scope
            if resource is not last_resource or scope is not last_scope:
                shared = self._context(resource, scope)
                last_resource, last_scope = resource, scope
            encoded.append(self._span(span, digits[at : at + 64], shared))
            at += 64
        return f"[{','.join(encoded)}]".encode("ascii")

    def _span(self, span: ReadableSpan, digits: str, shared: _Context) -> str:
        kind = id(span.kind)
        start = span.start_time or 0
        duration = ((span.end_time or start) - start + 500) // 1000
        parent = "" if span.parent is None else f'","parentId":"{digits[48:]}'
        attributes = plain_attributes(span.attributes)
        remote = ""
        if kind in _CALLS:
            remote = remote_endpoint(attributes)
        out = [
            f'{{"traceId":"{digits[:32]}","id":"{digits[32:48]}{parent}"'
            f"{self._names[span.name or '']}{_KINDS[kind]}"
            # The server takes a duration of 0 for none.
            f',"timestamp":{max((start + 500) // 1000, 0)},"duration":{max(duration, 1)}'
            f"{shared.local_endpoint}{remote}"
        ]
        events = span.events
        if events:
            out.append(
                f',"annotations":[{",".join([self._annotation(event) for event in events])}]'
            )
        tags = self._tags(span, attributes, shared)
        if tags:
            out.append(f',"tags":{{{tags}}}')
        out.append("}")
        return "".join(out)

    def _tags(self, span: ReadableSpan, attributes: Mapping[str, Any], shared: _Context) -> str:
        more = _span_tags(span)
        if not shared.names.isdisjoint(attributes):
            return self._colliding(attributes, shared, more)
        tags: list[str] = []
        # The exact types come first and are written in place: on most spans nothing else occurs,
        # and a call per attribute would cost as much as the writing.
        keys = self._keys
        for key, value in attributes.items():
            kind = type(value)
            if kind is str:
                tags.append(keys[key] + encode_basestring_ascii(value))
            elif kind is bool:
                tags.append(keys[key] + ('"true"' if value else '"false"'))
            elif kind is int and INT64_MIN <= value <= INT64_MAX:
                tags.append(f'{keys[key]}"{value}"')
            elif kind is float and -MAX_FLOAT <= value <= MAX_FLOAT:
                tags.append(f'{keys[key]}"{value!r}"')
            else:
                tags.append(keys[key] + _tag_value(value))
        if shared.tags:
            tags.append(shared.tags)
        if more:
            tags.append(_object(more))
        return ",".join(tags)

    def _colliding(
        self, attributes: Mapping[str, Any], shared: _Context, more: Mapping[str, str]
    ) -> str:
        """Write tags of which several have one name: the span's own before the resource's.

        An attribute ``error`` that says false is left out: Zipkin takes any for an error.
        """
        own = {shown(key): _tag_value(value) for key, value in attributes.items()}
        if own.get("error") in {'"false"', '"False"', '""', '"0"'}:
            del own["error"]
        return _object({**shared.resource_tags, **own, **shared.scope_tags, **more})

    def _annotation(self, event: Event) -> str:
        attributes = plain_attributes(event.attributes)
        dropped = event.dropped_attributes
        name = event.name or ""
        if not attributes and not dropped:
            value = name
        else:
            keys = self._event_keys
            pairs = [keys[key] + _json(item) for key, item in attributes.items()]
            if dropped and _DROPPED_ATTRIBUTES not in attributes:
                pairs.append(f"{keys[_DROPPED_ATTRIBUTES]}{dropped}")
            value = f"{{{self._event_keys[name]}{{{','.join(pairs)}}}}}"
        at = max(to_microseconds(event.timestamp), 0)
        return f'{{"timestamp":{at},"value":{encode_basestring_ascii(value)}}}'

    def _context(self, resource: Resource, scope: InstrumentationScope | None) -> _Context:
        found = self._contexts.get((id(resource), id(scope)))
        if found is None:
            if len(self._contexts) >= _MAX_CONTEXTS:
                self._contexts.clear()
            found = self._contexts[id(resource), id(scope)] = self._make_context(resource, scope)
        return found

    def _make_context(self, resource: Resource, scope: InstrumentationScope | None) -> _Context:
        service = resource.attributes.get(SERVICE_NAME)
        local = {**({"serviceName": shown(service)} if service else {}), **self._local_endpoint}
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


def _name(name: str) -> str:
    return f',"name":{encode_basestring_ascii(name)}' if name else ""


def _json(value: Any) -> str:
    """Write the value of an event's attribute as JSON of its own type."""
    kind = type(value)
    if kind is str:
        return str(encode_basestring(value))
    if kind is bool:
        return "true" if value else "false"
    if kind is int and INT64_MIN <= value <= INT64_MAX:
        return f"{value}"
    return json_text(value)


def _scope_tags(scope: InstrumentationScope | None) -> dict[str, str]:
    tags: dict[str, str] = {}
    if scope is not None:
        for key, value in (("name", scope.name), ("version", scope.version)):
            if value:
                # The library names are deprecated, and what older dashboards look for.
                written = _tag_value(value)
                tags[f"otel.scope.{key}"] = tags[f"otel.library.{key}"] = written
    return tags


def _span_tags(span: ReadableSpan) -> dict[str, str]:
    """Give the tags of a span's status, and of what it dropped; most spans have none."""
    tags: dict[str, str] = {}
    status = span.status
    code = status.status_code
    if code is not StatusCode.UNSET:
        tags["otel.status_code"] = f'"{code.name}"'
        if code is StatusCode.ERROR:
            tags["error"] = _tag_value(status.description or "")
    if span.dropped_attributes:
        tags[_DROPPED_ATTRIBUTES] = f'"{span.dropped_attributes}"'
    if span.dropped_events:
        tags["otel.dropped_events_count"] = f'"{span.dropped_events}"'
    if span.dropped_links:
        tags["otel.dropped_links_count"] = f'"{span.dropped_links}"'
    return tags
