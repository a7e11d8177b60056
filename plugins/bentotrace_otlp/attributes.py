"""OTLP's attributes, written directly: ``KeyValue`` messages and the values in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from struct import Struct
from typing import Any

from bentotrace.encoding import (
    INT64_MAX,
    INT64_MIN,
    Known,
    number_text,
    shown,
    to_bytes,
    varint,
)

__all__ = ["SMALL", "Attributes", "field", "optional"]

_MAX_DEPTH = 32
# Values up to this length find all that stands before them in a table.
_SHORT = 128
_UINT64 = (1 << 64) - 1
_DOUBLE = Struct("<d").pack


# Most lengths and many numbers are small.
SMALL = [varint(number) for number in range(1024)]


def field(tag: bytes, content: bytes) -> bytes:
    """Write a length-delimited field."""
    return b"%b%b%b" % (tag, varint(len(content)), content)


def optional(tag: bytes, content: bytes) -> bytes:
    """Write a string field; an empty one is left out, as proto3 does."""
    return field(tag, content) if content else b""


def _any_value(value: Any, depth: int = 0) -> bytes:
    """Write an ``AnyValue``."""
    if value is None:
        return b""
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, str):
        return field(b"\x0a", to_bytes(value))
    if isinstance(value, int):
        if INT64_MIN <= value <= INT64_MAX:
            return b"\x18" + varint(value & _UINT64)
        return field(b"\x0a", number_text(value).encode())
    if isinstance(value, float):
        return b"\x21" + _DOUBLE(value)
    if isinstance(value, bytes):
        return field(b"\x3a", value)
    if depth < _MAX_DEPTH:
        if isinstance(value, Sequence):
            items = [field(b"\x0a", _any_value(item, depth + 1)) for item in value]
            return field(b"\x2a", b"".join(items))
        if isinstance(value, Mapping):
            pairs = [
                field(b"\x0a", _key_value(str(key), item, depth + 1)) for key, item in value.items()
            ]
            return field(b"\x32", b"".join(pairs))
    return field(b"\x0a", to_bytes(shown(value)))


def _key_value(key: str, value: Any, depth: int = 0) -> bytes:
    return optional(b"\x0a", to_bytes(key)) + field(b"\x12", _any_value(value, depth))


_NO_LENGTHS: dict[str, list[bytes | None]] = {"number": [None] * 11, "text": [None] * _SHORT}
# What stands before the values of a kind, and how much follows.
_FIXED = {"double": (b"\x21", 8), "false": (b"\x10\x00", 0), "true": (b"\x10\x01", 0)}


class _Prefixes:
    """For one attribute key, all the bytes that stand before a value, by kind and length.

    Each is made when a value of its kind, or its length, first occurs: most keys see a few only.
    """

    __slots__ = ("_head", "_tag", "double", "false", "number", "text", "true")

    double: bytes
    false: bytes
    number: list[bytes | None]
    text: list[bytes | None]
    true: bytes

    def __init__(self, tag: bytes, key: str) -> None:
        self._tag = tag
        self._head = optional(b"\x0a", to_bytes(key))

    def __getattr__(self, kind: str) -> Any:
        made = _NO_LENGTHS[kind].copy() if kind in _NO_LENGTHS else self._before(*_FIXED[kind])
        setattr(self, kind, made)
        return made

    def before_text(self, length: int) -> bytes:
        """Give what stands before a string of so many bytes."""
        made = self._before(b"\x0a" + varint(length), length)
        if length < _SHORT:
            self.text[length] = made
        return made

    def before_number(self, length: int) -> bytes:
        """Give what stands before a varint of so many bytes."""
        made = self.number[length] = self._before(b"\x18", length)
        return made

    def _before(self, start: bytes, length: int) -> bytes:
        """Give tag, lengths and key for a value whose ``AnyValue`` is start and length more."""
        value = len(start) + length
        return b"%b%b%b\x12%b%b" % (
            self._tag,
            varint(len(self._head) + 1 + len(varint(value)) + value),
            self._head,
            varint(value),
            start,
        )

    def whole(self, value: Any) -> bytes:
        """Write tag, key and value, whatever the value is."""
        return field(self._tag, self._head + field(b"\x12", _any_value(value)))


class Attributes:
    """Writes attributes as the repeated ``KeyValue`` field of one tag."""

    def __init__(self, tag: bytes) -> None:
        self._keys: Known[str, _Prefixes] = Known(lambda key: _Prefixes(tag, shown(key)))

    def write(self, attributes: Mapping[str, Any], out: list[bytes]) -> None:
        """Append the fields of all attributes.

        The exact types come first and are written in place: on most spans nothing else occurs,
        and a call per attribute would cost as much as the writing.
        """
        keys = self._keys
        for key, value in attributes.items():
            prefixes = keys[key]
            kind = type(value)
            if kind is str:
                try:
                    data = value.encode()
                except UnicodeEncodeError:
                    data = to_bytes(value)
                length = len(data)
                if length < _SHORT:
                    out += (prefixes.text[length] or prefixes.before_text(length), data)
                else:
                    out += (prefixes.before_text(length), data)
            elif kind is int and INT64_MIN <= value <= INT64_MAX:
                data = SMALL[value] if 0 <= value < 1024 else varint(value & _UINT64)
                length = len(data)
                out += (prefixes.number[length] or prefixes.before_number(length), data)
            elif kind is bool:
                out.append(prefixes.true if value else prefixes.false)
            elif kind is float:
                out += (prefixes.double, _DOUBLE(value))
            else:
                out.append(prefixes.whole(value))
