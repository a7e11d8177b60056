"""What encoders of spans have in common, for plugin authors.

A span's attributes may hold what a wire format has no word for: integers beyond 64 bits, NaN, lone
surrogates, sequences in sequences. An encoder that calls these makes something sensible of each,
and never loses a batch to one odd value.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import INVALID_SPAN_CONTEXT

__all__ = [
    "INT64_MAX",
    "INT64_MIN",
    "MAX_FLOAT",
    "NO_TRACE_STATE",
    "Known",
    "group_by_resource",
    "json_text",
    "number_text",
    "plain_attributes",
    "shown",
    "to_bytes",
    "to_microseconds",
]

INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1
MAX_FLOAT = math.nextafter(math.inf, 0)
"""The largest finite float; what is not between it and its negative is infinite or NaN."""

NO_TRACE_STATE = INVALID_SPAN_CONTEXT.trace_state
"""The trace state of nearly all spans; whether another is empty takes a call to find out."""

_MAX_KNOWN = 1024
_MAX_DEPTH = 32

K = TypeVar("K")
V = TypeVar("V")


class Known(dict[K, V]):
    """Makes what is not known yet, and forgets all when it has become too much.

    For what comes again and again, such as keys and names; looking up is a dict's.
    """

    def __init__(self, make: Callable[[K], V]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: K) -> V:
        if len(self) >= _MAX_KNOWN:
            self.clear()
        made = self[key] = self._make(key)
        return made


def group_by_resource(spans: Sequence[ReadableSpan]) -> list[Sequence[ReadableSpan]]:
    """Group spans by resource, each group in the order of the spans."""
    if not spans:
        return []
    first = spans[0].resource
    if all(span.resource is first for span in spans):
        return [spans]
    # By identity first: a resource's hash is that of its JSON.
    equal: dict[Resource, list[ReadableSpan]] = {}
    identical: dict[int, list[ReadableSpan]] = {}
    for span in spans:
        resource = span.resource
        group = identical.get(id(resource))
        if group is None:
            group = identical[id(resource)] = equal.setdefault(resource, [])
        group.append(span)
    return list(equal.values())


def plain_attributes(attributes: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Give attributes as a mapping that is cheap to read.

    A copy is a plain dict, made in C; reading the SDK's mapping would lock it item by item.
    """
    try:
        plain: Mapping[str, Any] = attributes.copy()  # type: ignore[union-attr]
    except AttributeError:
        return attributes or {}
    return plain


def to_bytes(text: str) -> bytes:
    """Encode text as UTF-8; a lone surrogate becomes ``?``."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def to_microseconds(nanoseconds: int) -> int:
    """Round to the nearest microsecond."""
    return (nanoseconds + 500) // 1000


def number_text(value: float) -> str:
    """Write any integer or float, NaN and infinity too."""
    if isinstance(value, int):
        try:
            return int.__repr__(value)
        except ValueError:
            # Python refuses to print integers of thousands of digits in decimal.
            return hex(value)
    if math.isfinite(value):
        return float.__repr__(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def json_text(value: Any) -> str:
    """Write any attribute value as JSON.

    What JSON has no word for is written as text: bytes as UTF-8, numbers that are not finite or
    beyond 64 bits, and everything else, and what is nested more than 32 deep, as its ``str()``.
    """
    return json.dumps(_to_json(value, 0), ensure_ascii=False, separators=(",", ":"))


def shown(value: object) -> str:
    """Write anything as text; never raises."""
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"


def _to_json(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value) if INT64_MIN <= value <= INT64_MAX else number_text(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else number_text(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if depth < _MAX_DEPTH:
        if isinstance(value, Sequence):
            return [_to_json(item, depth + 1) for item in value]
        if isinstance(value, Mapping):
            return {shown(key): _to_json(item, depth + 1) for key, item in value.items()}
    return shown(value)
