"""Attribute values and ids, converted to what JSON and SQLite can hold."""

from __future__ import annotations

import base64
import json
import math
import string
from typing import Any

from bentotrace.ui.model import UnreadableError

__all__ = ["as_text", "clamp", "from_bytes", "hex_id", "json_value", "text"]

_MAX_INT64 = (1 << 63) - 1
_HEX_DIGITS = frozenset(string.hexdigits)
_MAX_DEPTH = 32
# From here on other programs write floats with an exponent.
_MAX_PLAIN = 1e21


def clamp(number: int) -> int:
    """Return the nearest number from 0 to the largest that SQLite can hold."""
    if 0 <= number <= _MAX_INT64:
        return number
    return 0 if number < 0 else _MAX_INT64


def text(value: object) -> str:
    """Return text that UTF-8 can encode, a lone surrogate replaced."""
    string = value if isinstance(value, str) else str(value)
    if string.isascii():
        return string
    return string.encode("utf-8", "replace").decode("utf-8")


def from_bytes(value: bytes) -> dict[str, str]:
    """Return bytes as a JSON value, ``{"bytes": base64}``."""
    return {"bytes": base64.b64encode(value).decode("ascii")}


def json_value(value: Any, depth: int = 0) -> Any:
    """Return a value of a JSON document or a decoder as a valid JSON value."""
    if isinstance(value, str):
        return text(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes):
        return from_bytes(value)
    if depth >= _MAX_DEPTH:
        return "…"
    if isinstance(value, dict):
        return {text(key): json_value(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item, depth + 1) for item in value]
    return text(value)


def as_text(value: Any) -> str:
    """Return the text by which an attribute is found, as Jaeger writes it."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, dict) and value.keys() == {"bytes"}:
        return str(value["bytes"])
    return json.dumps(_without_fractions(value), ensure_ascii=False, separators=(",", ":"))


def _without_fractions(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < _MAX_PLAIN:
        return int(value)
    if isinstance(value, list):
        return [_without_fractions(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_fractions(item) for key, item in value.items()}
    return value


def hex_id(value: object, digits: int, name: str) -> str:
    """Return an id of ``digits`` digits in lower case, padded with zeros; "" for zero or none.

    Raises:
        UnreadableError: it is not hexadecimal, or too long.
    """
    if value is None or value == "":
        return ""
    if not isinstance(value, str) or len(value) > digits or not _HEX_DIGITS.issuperset(value):
        raise UnreadableError(f"{name} is not {digits} hexadecimal digits")
    padded = value.lower().zfill(digits)
    return padded if padded.strip("0") else ""
