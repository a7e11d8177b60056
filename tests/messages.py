"""The few lines of Protocol Buffers that a test writes a response with."""

from __future__ import annotations

from bentotrace import encoding


def varint(number: int) -> bytes:
    return encoding.varint(number % (1 << 64))


def length_delimited(number: int, value: bytes) -> bytes:
    """Return a field that holds bytes."""
    return varint(number << 3 | 2) + varint(len(value)) + value
