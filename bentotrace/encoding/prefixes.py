"""Attributes as bytes: cached prefixes of values, by key; fields of protobuf."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from struct import Struct
from typing import Any

from bentotrace.encoding.values import INT64_MAX, INT64_MIN, MAX_FLOAT, safe_str, to_bytes

__all__ = [
    "SHORT",
    "SMALL",
    "Prefixes",
    "ProtobufPrefixes",
    "field",
    "optional_field",
    "read_fields",
    "varint",
    "write_protobuf_attributes",
]

SHORT = 128
"""The prefixes of strings with fewer bytes than this are cached."""

_UINT64 = (1 << 64) - 1
_DOUBLE = Struct("<d").pack
_TWO, _FOUR, _FIVE = Struct("<H").pack, Struct("<I").pack, Struct("<IB").pack
_SIX, _EIGHT = Struct("<IH").pack, Struct("<II").pack
_NINE, _TEN = Struct("<IIB").pack, Struct("<IIBB").pack


def varint(number: int) -> bytes:
    """Return the varint of 0 to 2**64 - 1, as in protobuf and Thrift's compact protocol."""
    if number < 1024:
        return SMALL[number]
    if number < 0x4000:
        return _TWO(number & 0x7F | 0x80 | (number & 0x3F80) << 1)
    # Four bytes at once, since a loop is slower: the upper half of 28 bits moves by two bits, then
    # the upper half of each 14 by one. Python is fastest at numbers of up to 30 bits.
    low = number & 0x3FFF | (number & 0xFFFC000) << 2
    low = low & 0x7F007F | (low & 0x3F803F80) << 1
    number >>= 28
    if not number:
        return _FOUR(low | 0x808080) if low > 0xFFFFFF else _FOUR(low | 0x8080)[:3]
    low |= 0x80808080
    if number < 0x80:
        return _FIVE(low, number)
    if number < 0x4000:
        return _SIX(low, number & 0x7F | 0x80 | (number & 0x3F80) << 1)
    high = number & 0x3FFF | (number & 0xFFFC000) << 2
    high = high & 0x7F007F | (high & 0x3F803F80) << 1
    number >>= 28
    if not number:
        eight = high > 0xFFFFFF
        return _EIGHT(low, high | 0x808080) if eight else _EIGHT(low, high | 0x8080)[:7]
    high |= 0x80808080
    return _NINE(low, high, number) if number < 0x80 else _TEN(low, high, number, 1)


SMALL = [
    bytes((number,) if number < 0x80 else (number & 0x7F | 0x80, number >> 7))
    for number in range(1024)
]
"""The varints of 0 to 1,023: most lengths and many values."""


def field(tag: bytes, content: bytes) -> bytes:
    """Return a length-delimited field of protobuf."""
    return b"%b%b%b" % (tag, varint(len(content)), content)


def optional_field(tag: bytes, content: bytes) -> bytes:
    """Return a length-delimited field; an empty one is left out, as proto3 does."""
    return field(tag, content) if content else b""


_FIXED_SIZES = {1: 8, 5: 4}


def read_fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Yield number, wire type and value of every field of a message, in order.

    A varint's value is an unsigned integer (wire type 0); that of every other wire type its bytes:
    of a string, message or packed list (2), or the 8 or 4 of a fixed number (1, 5).

    Source: https://protobuf.dev/programming-guides/encoding/

    Raises:
        ValueError: the bytes are not a message; the fields before the error were yielded.
    """
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        number, wire_type = key >> 3, key & 7
        if not 0 < number < 1 << 29:
            raise ValueError(f"field number {number} is out of range")
        if wire_type == 0:
            value, at = _read_varint(data, at)
            yield number, wire_type, value
            continue
        if wire_type == 2:
            size, at = _read_varint(data, at)
        elif wire_type in _FIXED_SIZES:
            size = _FIXED_SIZES[wire_type]
        else:
            raise ValueError(f"wire type {wire_type} is not supported")
        if size > len(data) - at:
            raise ValueError("the message ends inside a field")
        yield number, wire_type, data[at : at + size]
        at += size


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("the message ends inside a varint")
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & ((1 << 64) - 1), at
    raise ValueError("a varint is longer than 10 bytes")


class Prefixes(ABC):
    """The prefixes of one key: the bytes before a value, by type and length of the value.

    Each is created at the first value of its kind: most keys have values of one type only.

    Attributes:
        double: the prefix of a float.
        false: key and value of False.
        true: key and value of True.
        number: the prefix of an integer; in protobuf, by the length of its varint.
        text: the prefixes of strings shorter than 128 bytes, by their length in bytes.
    """

    __slots__ = ("double", "false", "number", "text", "true")

    double: bytes
    false: bytes
    number: Any
    text: list[bytes | None]
    true: bytes

    def __getattr__(self, part: str) -> Any:
        made = [None] * SHORT if part == "text" else self._make(part)
        setattr(self, part, made)
        return made

    def before_text(self, length: int) -> bytes:
        """Return the prefix of a string of ``length`` bytes, and cache it if that is short."""
        made = self.before_any_text(length)
        if length < SHORT:
            self.text[length] = made
        return made

    def write_text(self, text: str) -> bytes:
        """Return key and value, for a string."""
        data = to_bytes(text)
        length = len(data)
        prefix = self.text[length] if length < SHORT else None
        return (prefix or self.before_text(length)) + data

    @abstractmethod
    def write(self, value: Any) -> bytes:
        """Return key and value, for a value of any type."""

    @abstractmethod
    def _make(self, part: str) -> Any:
        """Return the prefix of the values of a type, by the attribute's name."""

    @abstractmethod
    def before_any_text(self, length: int) -> bytes:
        """Return the prefix of a string of ``length`` bytes."""


class ProtobufPrefixes(Prefixes):
    """Prefixes that begin with tag and length of the ``KeyValue`` message."""

    __slots__ = ("_key", "_key_size", "_tag")

    def __init__(self, tag: bytes, key: object) -> None:
        self._tag = tag
        self._key = optional_field(b"\x0a", to_bytes(safe_str(key)))
        self._key_size = len(self._key)

    def before_number(self, length: int) -> bytes:
        """Return the prefix of a varint of ``length`` bytes, and cache it."""
        made: bytes = self._before_number(length)
        self.number[length] = made
        return made

    @abstractmethod
    def _before_number(self, length: int) -> bytes:
        """Return the prefix of a varint of ``length`` bytes."""


def write_protobuf_attributes(
    attributes: Mapping[str, Any], keys: Mapping[str, ProtobufPrefixes], out: list[bytes]
) -> None:
    """Append the ``KeyValue`` fields of all attributes.

    The exact types come first and are encoded in place: most spans have no others, and a call for
    each attribute would cost as much as the encoding.

    Args:
        attributes: keys and values of any type.
        keys: the prefixes of each key, created when missing.
        out: the list of bytes to append to.
    """
    for key, value in attributes.items():
        prefixes = keys[key]
        kind = type(value)
        if kind is str:
            try:
                data = value.encode()
            except UnicodeEncodeError:
                data = to_bytes(value)
            length = len(data)
            if length < SHORT:
                out += (prefixes.text[length] or prefixes.before_text(length), data)
            else:
                out += (prefixes.before_any_text(length), data)
        elif kind is int and INT64_MIN <= value <= INT64_MAX:
            data = SMALL[value] if 0 <= value < 1024 else varint(value & _UINT64)
            length = len(data)
            out += (prefixes.number[length] or prefixes.before_number(length), data)
        elif kind is bool:
            out.append(prefixes.true if value else prefixes.false)
        elif kind is float and -MAX_FLOAT <= value <= MAX_FLOAT:
            out += (prefixes.double, _DOUBLE(value))
        else:
            out.append(prefixes.write(value))
