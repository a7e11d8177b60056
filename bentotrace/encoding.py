"""What encoders of spans have in common, for plugin authors.

A span's attributes may hold what a wire format has no word for: integers beyond 64 bits, NaN, lone
surrogates, sequences in sequences. An encoder that calls these makes something sensible of each,
and never loses a batch to one odd value.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from json.encoder import encode_basestring
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
    "varint",
]

INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1
MAX_FLOAT = math.nextafter(math.inf, 0)
"""The largest finite float; what is not between it and its negative is infinite or NaN."""

NO_TRACE_STATE = INVALID_SPAN_CONTEXT.trace_state
"""The trace state of nearly all spans; whether another is empty takes a call to find out."""

_MAX_KNOWN = 1024
_MAX_DEPTH = 32
_write_json = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, separators=(",", ":")
).encode

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
    kinds = set(map(type, value)) if type(value) is tuple else ()
    # What the SDK makes of a sequence is a tuple of one type, and that needs no look at each item.
    if kinds == _STRINGS:
        return f"[{','.join(map(encode_basestring, value))}]"
    if kinds == _FLOATS and all(map(math.isfinite, value)):
        return f"[{','.join(map(float.__repr__, value))}]"
    return _write_json(_to_json(value, 0))


_STRINGS, _FLOATS = {str}, {float}


def varint(number: int) -> bytes:
    """Write a number of 0 to 2**64 - 1 as protobuf and Thrift's compact protocol do."""
    if number < 0x80:
        return _BYTES[number]
    if number < 0x4000:
        return bytes((number & 0x7F | 0x80, number >> 7))
    if number < 0x200000:
        return bytes((number & 0x7F | 0x80, number >> 7 & 0x7F | 0x80, number >> 14))
    if number > _LOW_56:
        return _spread(number & _LOW_56, 8, _CONTINUED[9]) + varint(number >> 56)
    size = (number.bit_length() + 6) // 7
    return _spread(number, size, _CONTINUED[size])


_BYTES = [bytes((number,)) for number in range(0x80)]
_LOW_56 = (1 << 56) - 1
# By size: the bit of each byte that says that another follows.
_CONTINUED = [int.from_bytes(b"\x80" * (size - 1), "little") for size in range(10)]


def _spread(number: int, size: int, continued: int) -> bytes:
    """Move each seven of up to 56 bits into a byte of their own; a turn of a loop costs more."""
    number = number & 0xFFFFFFF | (number & 0xFFFFFFF0000000) << 4
    number = number & 0x3FFF00003FFF | (number & 0xFFFC0000FFFC000) << 2
    number = number & 0x7F007F007F007F | (number & 0x3F803F803F803F80) << 1
    return (number | continued).to_bytes(size, "little")


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
