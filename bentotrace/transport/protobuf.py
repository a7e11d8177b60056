"""The part of the Protocol Buffers encoding that sending and reading answers takes.

Source of the rules: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator

from bentotrace import encoding

__all__ = ["FIXED32", "FIXED64", "LENGTH", "VARINT", "length_delimited", "read_fields", "varint"]

VARINT = 0
FIXED64 = 1
LENGTH = 2
FIXED32 = 5

_UINT64 = (1 << 64) - 1
_FIXED_SIZES = {FIXED64: 8, FIXED32: 4}


def varint(number: int) -> bytes:
    """Return an integer as a varint; a negative one as its 64-bit two's complement.

    Args:
        number: from -2**63 to 2**64 - 1.

    Raises:
        ValueError: it does not fit in 64 bits.
    """
    if number < 0:
        number += 1 << 64
    if not 0 <= number <= _UINT64:
        raise ValueError("the number does not fit in 64 bits")
    return encoding.varint(number)


def length_delimited(number: int, value: bytes) -> bytes:
    """Return a field that holds bytes: a string, a message or a packed list."""
    return varint(number << 3 | LENGTH) + varint(len(value)) + value


def read_fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Yield number, wire type and value of every field of a message, in order.

    A varint's value is an unsigned integer; that of every other wire type its bytes (8 or 4 of
    them, little endian, for the fixed ones).

    Raises:
        ValueError: the bytes are no message; fields before the flaw have been yielded.
    """
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        number, wire_type = key >> 3, key & 7
        if not 0 < number < 1 << 29:
            raise ValueError(f"field number {number} is out of range")
        if wire_type == VARINT:
            value, at = _read_varint(data, at)
            yield number, wire_type, value
            continue
        if wire_type == LENGTH:
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
            return number & _UINT64, at
    raise ValueError("a varint is longer than 10 bytes")
