"""Reads Protobuf messages into plain values, whatever the fields are."""

from __future__ import annotations

import struct

from bentotrace.ui.model import UnreadableError

__all__ = ["Message", "message", "number", "parts", "read_message", "signed", "string"]

# Every value of each field number: ints of varints and fixed widths, bytes of the rest.
Message = dict[int, list[int | bytes]]
_FIXED64, _FIXED32 = struct.Struct("<Q"), struct.Struct("<I")


def read_message(body: bytes) -> Message:
    """Read one message.

    Raises:
        UnreadableError: it ends early, or has a wire type that does not exist.
    """
    fields: Message = {}
    at, end = 0, len(body)
    try:
        while at < end:
            key, at = _varint(body, at)
            kind = key & 7
            value: int | bytes
            if kind == 0:
                value, at = _varint(body, at)
            elif kind == 2:
                size, at = _varint(body, at)
                value = body[at : at + size]
                at += size
                if at > end:
                    raise UnreadableError("the Protobuf data ends early")
            elif kind == 1:
                (value,) = _FIXED64.unpack_from(body, at)
                at += 8
            elif kind == 5:
                (value,) = _FIXED32.unpack_from(body, at)
                at += 4
            else:
                raise UnreadableError(f"the Protobuf wire type {kind} is not known")
            fields.setdefault(key >> 3, []).append(value)
    except (IndexError, struct.error) as error:
        raise UnreadableError("the Protobuf data ends early") from error
    return fields


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise UnreadableError("a Protobuf number is too long")


def parts(fields: Message, key: int) -> list[bytes]:
    """Return every value of a field of bytes, text or messages."""
    return [value for value in fields.get(key, ()) if isinstance(value, bytes)]


def string(fields: Message, key: int) -> str:
    """Return the last value of a field of text, wrong UTF-8 replaced."""
    return (parts(fields, key) or [b""])[-1].decode("utf-8", "replace")


def message(fields: Message, key: int) -> Message:
    """Return the last value of a field of messages, an empty one where there is none."""
    return read_message((parts(fields, key) or [b""])[-1])


def number(fields: Message, key: int) -> int:
    """Return the last value of a field of numbers, 0 where there is none."""
    value = fields.get(key, [0])[-1]
    return value if isinstance(value, int) else 0


def signed(fields: Message, key: int) -> int:
    """Return the last value of a field of int64."""
    value = number(fields, key) & (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value
