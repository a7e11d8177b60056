"""What Jaeger and Zipkin carry in tags, though OpenTelemetry has a field for it.

The names are those of OpenTelemetry's transformation rules to non-OTLP formats.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from bentotrace.testing.spans import SpanStatus

__all__ = ["Fields", "take_fields"]

_STATUSES: Mapping[Any, SpanStatus] = {"OK": "ok", "ERROR": "error"}


@frozen
class Fields:
    """What was found among the tags; the names are those of :class:`ReceivedSpan`."""

    status: SpanStatus
    scope_name: str
    scope_version: str
    dropped_attributes: int
    dropped_events: int
    dropped_links: int


def take_fields(tags: dict[str, Any]) -> Fields:
    """Take the tags that are fields out of ``tags``, which keeps the attributes.

    Raises:
        ValueError: a tag that is a field has an impossible value.
    """
    status: SpanStatus = "unset"
    if "otel.status_code" in tags:
        code = tags.pop("otel.status_code")
        if code not in _STATUSES:
            raise ValueError(f"the tag otel.status_code is {code!r}, expected 'OK' or 'ERROR'")
        status = _STATUSES[code]
    return Fields(
        status=status,
        scope_name=_take_twins(tags, "name"),
        scope_version=_take_twins(tags, "version"),
        dropped_attributes=_take_count(tags, "otel.dropped_attributes_count"),
        dropped_events=_take_count(tags, "otel.dropped_events_count"),
        dropped_links=_take_count(tags, "otel.dropped_links_count"),
    )


def _take_twins(tags: dict[str, Any], part: str) -> str:
    """Take a scope's tag, and its deprecated twin, which must not say something else."""
    deprecated = tags.pop(f"otel.library.{part}", None)
    value = tags.pop(f"otel.scope.{part}", deprecated)
    if deprecated is not None and deprecated != value:
        raise ValueError(f"otel.scope.{part} is {value!r}, but otel.library.{part} {deprecated!r}")
    if value is not None and not isinstance(value, str):
        raise ValueError(f"the tag otel.scope.{part} is {value!r}, expected a string")
    return value or ""


def _take_count(tags: dict[str, Any], key: str) -> int:
    """Take a count: an integer, or its digits where all tags are strings."""
    value = tags.pop(key, 0)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"the tag {key} is {value!r}, expected a count")
    return value
