from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentotrace.transport.protobuf import (
    FIXED32,
    FIXED64,
    LENGTH,
    VARINT,
    length_delimited,
    read_fields,
    varint,
)


@pytest.mark.parametrize(
    ("number", "encoded"),
    [
        (0, b"\x00"),
        (1, b"\x01"),
        (127, b"\x7f"),
        (128, b"\x80\x01"),
        (300, b"\xac\x02"),
        (-1, b"\xff" * 9 + b"\x01"),
        ((1 << 64) - 1, b"\xff" * 9 + b"\x01"),
    ],
)
def test_a_varint_is_written(number: int, encoded: bytes) -> None:
    assert varint(number) == encoded


@pytest.mark.parametrize("number", [1 << 64, -(1 << 64) - 1])
def test_a_number_beyond_64_bits_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        varint(number)


@given(st.integers(0, (1 << 64) - 1), st.integers(1, (1 << 29) - 1))
def test_a_varint_is_read_back(value: int, number: int) -> None:
    assert list(read_fields(varint(number << 3) + varint(value))) == [(number, VARINT, value)]


def test_every_wire_type_is_read_in_order() -> None:
    message = (
        length_delimited(2, b"text")
        + b"\x09"
        + struct.pack("<d", 1.5)
        + b"\x1d"
        + struct.pack("<i", -2)
        + length_delimited(2, b"")
        + b"\x20\x07"
    )
    assert list(read_fields(message)) == [
        (2, LENGTH, b"text"),
        (1, FIXED64, struct.pack("<d", 1.5)),
        (3, FIXED32, struct.pack("<i", -2)),
        (2, LENGTH, b""),
        (4, VARINT, 7),
    ]


@pytest.mark.parametrize(
    ("garbage", "flaw"),
    [
        (b"\x80", "inside a varint"),
        (b"\x08", "inside a varint"),
        (b"\x08" + b"\xff" * 10 + b"\x01", "longer than 10"),
        (b"\x12\x05abc", "inside a field"),
        (b"\x09abc", "inside a field"),
        (b"\x0b", "wire type 3"),
        (b"\x0f", "wire type 7"),
        (b"\x00\x00", "field number 0"),
        (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "inside a field"),
    ],
)
def test_garbage_is_refused(garbage: bytes, flaw: str) -> None:
    with pytest.raises(ValueError, match=flaw):
        list(read_fields(garbage))


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_value_error(data: bytes) -> None:
    try:
        total = sum(1 for _ in read_fields(data))
    except ValueError:
        return
    assert total <= len(data)
