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
)

__all__ = ["SMALL", "Attributes", "field", "optional", "varint"]

_MAX_DEPTH = 32
# Values up to this length find all that stands before them in a table.
_SHORT = 128
_UINT64 = (1 << 64) - 1
_DOUBLE = Struct("<d").pack


def varint(number: int) -> bytes:
    """Write a number of 0 to 2**64 - 1."""
    if number < 0x80:
        return _BYTES[number]
    if number < 0x4000:
        return bytes((number & 0x7F | 0x80, number >> 7))
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


_BYTES = [bytes((number,)) for number in range(0x80)]
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


class _Prefixes:
    """For one attribute key, all the bytes that stand before a value, by kind and length."""

    __slots__ = ("_head", "_tag", "double", "false", "number", "text", "true")

    def __init__(self, tag: bytes, key: str) -> None:
        self._tag = tag
        self._head = optional(b"\x0a", to_bytes(key))
        # Filled when a length first occurs: most keys see a few lengths only.
        self.text: list[bytes | None] = [None] * _SHORT
        self.number = [self._before(b"\x18", length) for length in range(11)]
        self.double = self._before(b"\x21", 8)
        self.true = self._before(b"\x10", 1) + b"\x01"
        self.false = self._before(b"\x10", 1) + b"\x00"

    def before_text(self, length: int) -> bytes:
        """Give what stands before a string of so many bytes."""
        made = self.text[length] = self._before(b"\x0a" + _BYTES[length], length)
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
                    out.append(prefixes.whole(value))
            elif kind is int:
                if 0 <= value < 0x80:
                    out += (prefixes.number[1], SMALL[value])
                elif 0 <= value < 1024:
                    out += (prefixes.number[2], SMALL[value])
                elif INT64_MIN <= value <= INT64_MAX:
                    data = varint(value & _UINT64)
                    out += (prefixes.number[len(data)], data)
                else:
                    out.append(prefixes.whole(value))
            elif kind is bool:
                out.append(prefixes.true if value else prefixes.false)
            elif kind is float:
                out += (prefixes.double, _DOUBLE(value))
            else:
                out.append(prefixes.whole(value))
