"""Reads Thrift's binary and compact protocols into plain values, whatever the fields are.

A struct is a dict of field numbers, a string is bytes. Source: the Thrift project's descriptions
of its binary and its compact protocol.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, TypeVar

from bentotrace.ui.model import UnreadableError

__all__ = ["Struct", "read_binary", "read_compact", "read_message"]

Struct = dict[int, Any]
T = TypeVar("T")
_MAX_DEPTH = 32
_DOUBLE, _I16, _I32, _I64 = (struct.Struct(f">{code}") for code in "dhiq")
_LITTLE_DOUBLE = struct.Struct("<d")
_VERSION_1 = 0x8001
_COMPACT_ID = 0x82


def read_binary(body: bytes) -> Struct:
    """Read a struct in the binary protocol.

    Raises:
        UnreadableError: it ends early, or has a type that does not exist.
    """
    return _read(_Binary(body).read_struct)


def read_compact(body: bytes) -> Struct:
    """Read a struct in the compact protocol; errors as :func:`read_binary`."""
    return _read(_Compact(body).read_struct)


def read_message(body: bytes) -> tuple[bytes, Struct]:
    """Read the name and the arguments of a call in either protocol; errors as above."""
    if body[:1] == bytes([_COMPACT_ID]):
        return _read(_Compact(body).read_message)
    return _read(_Binary(body).read_message)


def _read(read: Callable[[], T]) -> T:
    try:
        return read()
    except (IndexError, struct.error) as error:
        raise UnreadableError("the Thrift data ends early") from error


class _Reader:
    """What both protocols share: a position in the data, and bounds."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0
        self._depth = 0

    def read_struct(self) -> Struct:
        raise NotImplementedError

    def _bytes(self, size: int) -> bytes:
        end = self._at + size
        if size < 0 or end > len(self._body):
            raise UnreadableError("the Thrift data ends early")
        part = self._body[self._at : end]
        self._at = end
        return part

    def _byte(self) -> int:
        value = self._body[self._at]
        self._at += 1
        return value

    def _unpack(self, layout: struct.Struct) -> Any:
        (value,) = layout.unpack_from(self._body, self._at)
        self._at += layout.size
        return value

    def _check_size(self, size: int) -> int:
        # No item takes less than a byte.
        if not 0 <= size <= len(self._body) - self._at:
            raise UnreadableError("a Thrift list is longer than the data")
        return size

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise UnreadableError("the Thrift data is nested too deeply")


class _Binary(_Reader):
    def read_message(self) -> tuple[bytes, Struct]:
        first = self._unpack(_I32)
        if first < 0:
            if first >> 16 & 0xFFFF != _VERSION_1:
                raise UnreadableError("not a Thrift message")
            name = self._bytes(self._unpack(_I32))
        else:
            name = self._bytes(first)
            self._byte()
        self._unpack(_I32)
        return name, self.read_struct()

    def read_struct(self) -> Struct:
        self._enter()
        values: Struct = {}
        while True:
            kind = self._byte()
            if kind == 0:
                self._depth -= 1
                return values
            number = self._unpack(_I16)
            values[number] = self._value(kind)

    def _value(self, kind: int) -> Any:
        if kind == 11:
            return self._bytes(self._unpack(_I32))
        if kind == 10:
            return self._unpack(_I64)
        if kind == 8:
            return self._unpack(_I32)
        if kind == 12:
            return self.read_struct()
        if kind in (14, 15):
            item = self._byte()
            return self._items(item, self._check_size(self._unpack(_I32)))
        if kind == 2:
            return self._byte() != 0
        if kind == 3:
            return self._byte()
        if kind == 4:
            return self._unpack(_DOUBLE)
        if kind == 6:
            return self._unpack(_I16)
        if kind == 13:
            key, item = self._byte(), self._byte()
            self._enter()
            for _ in range(self._check_size(self._unpack(_I32))):
                self._value(key)
                self._value(item)
            self._depth -= 1
            return None
        raise UnreadableError(f"the Thrift type {kind} does not exist")

    def _items(self, kind: int, size: int) -> list[Any]:
        self._enter()
        items = [self._value(kind) for _ in range(size)]
        self._depth -= 1
        return items


class _Compact(_Reader):
    def read_message(self) -> tuple[bytes, Struct]:
        self._at += 2
        self._varint()
        return self._bytes(self._varint()), self.read_struct()

    def read_struct(self) -> Struct:
        self._enter()
        values: Struct = {}
        number = 0
        while True:
            head = self._byte()
            kind = head & 0x0F
            if kind == 0:
                self._depth -= 1
                return values
            number = number + (head >> 4) if head >> 4 else self._zigzag()
            values[number] = kind == 1 if kind <= 2 else self._value(kind)

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise UnreadableError("a Thrift number is too long")

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _value(self, kind: int) -> Any:
        if kind == 8:
            return self._bytes(self._varint())
        if kind in (4, 5, 6):
            return self._zigzag()
        if kind == 12:
            return self.read_struct()
        if kind in (9, 10):
            head = self._byte()
            size = head >> 4
            if size == 15:
                size = self._varint()
            self._enter()
            items = [self._value(head & 0x0F) for _ in range(self._check_size(size))]
            self._depth -= 1
            return items
        if kind in (1, 2):
            return self._byte() == 1
        if kind == 3:
            return self._byte()
        if kind == 7:
            return self._unpack(_LITTLE_DOUBLE)
        if kind == 11:
            size = self._check_size(self._varint())
            kinds = self._byte() if size else 0
            self._enter()
            for _ in range(size):
                self._value(kinds >> 4)
                self._value(kinds & 0x0F)
            self._depth -= 1
            return None
        raise UnreadableError(f"the Thrift type {kind} does not exist")
