"""Attribute values of any type, converted to the types of wire formats."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any

__all__ = [
    "INT64_MAX",
    "INT64_MIN",
    "MAX_FLOAT",
    "PlainValue",
    "dropped_count",
    "json_text",
    "number_text",
    "plain_attributes",
    "plain_value",
    "safe_str",
    "to_bytes",
]

INT64_MIN = -(1 << 63)
"""The smallest integer of a wire format."""

INT64_MAX = (1 << 63) - 1
"""The largest integer of a wire format."""

MAX_FLOAT = math.nextafter(math.inf, 0)
"""The largest finite float; a float beyond it is infinite or NaN."""

_MAX_DEPTH = 32
_write_json = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, separators=(",", ":")
).encode

PlainValue = Any
"""None, a bool, str, bytes, float, an int of 64 bits, or a list or dict of them."""


def plain_attributes(attributes: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return attributes as a mapping that is fast to read.

    A copy is a plain dict, made in C; the SDK's mapping takes a lock for each item.
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


def number_text(value: float) -> str:
    """Return any integer or float as text, NaN and infinity included."""
    if isinstance(value, int):
        try:
            return int.__repr__(value)
        except ValueError:
            # Python refuses to print integers of thousands of digits in decimal.
            return hex(value)
    if math.isfinite(value):
        return float.__repr__(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def dropped_count(value: int) -> int:
    """Return a number of dropped items, which has 32 bits on the wire.

    Raises:
        ValueError: it is another value.
    """
    if type(value) is not int or not 0 <= value < 1 << 32:
        raise ValueError("the number of dropped items is not an integer of 32 bits")
    return value


def plain_value(value: Any) -> PlainValue:
    """Return an attribute value as one of the types of OpenTelemetry's protocol.

    Integers beyond 64 bits, other types, and values that contain themselves or are nested more
    than 32 deep become text; subclasses become their base type, sequences lists, mappings dicts.
    """
    return _plain(value, ())


def _plain(value: Any, around: tuple[int, ...]) -> PlainValue:
    if value is None or value is True or value is False:
        return value
    try:
        if isinstance(value, str):
            return str.__getitem__(value, slice(None))
        if isinstance(value, int):
            number = int.__index__(value)
            return number if INT64_MIN <= number <= INT64_MAX else number_text(number)
        if isinstance(value, float):
            return float.__float__(value)
        if isinstance(value, bytes):
            return bytes.__getitem__(value, slice(None))
        if len(around) < _MAX_DEPTH and id(value) not in around:
            around = (*around, id(value))
            if isinstance(value, Sequence):
                return [_plain(item, around) for item in value]
            if isinstance(value, Mapping):
                return {safe_str(key): _plain(item, around) for key, item in value.items()}
    except Exception:
        # An application's class may raise in any of its methods.
        return safe_str(value)
    return safe_str(value)


def json_text(value: Any) -> str:
    """Return any attribute value as JSON.

    Converts as :func:`plain_value` does; bytes and numbers that are not finite become text.
    """
    # The SDK makes tuples of one type, whose items need no conversion.
    if type(value) is tuple:
        if _FLOATS.issuperset(map(type, value)):
            text = repr([*value])
            # As in "nan" and "inf", which JSON has not.
            if "n" not in text:
                return text.replace(", ", ",")
        elif _STRINGS.issuperset(map(type, value)):
            return f"[{','.join(map(encode_basestring, value))}]"
    return _write_json(_to_json(plain_value(value)))


_STRINGS, _FLOATS = {str}, {float}


def safe_str(value: object) -> str:
    """Return the ``str()`` of any object, or its type's name if that raises."""
    try:
        # A join, since __str__ may return a subclass of str.
        return "".join((str(value),))
    except Exception:
        return f"<{type(value).__name__}>"


def _to_json(value: PlainValue) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return number_text(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list):
        return [_to_json(item) for item in value]
    if isinstance(value, dict):
        return {key: _to_json(item) for key, item in value.items()}
    return value
