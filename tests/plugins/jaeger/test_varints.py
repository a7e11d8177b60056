from __future__ import annotations

import pytest
from bentotrace_jaeger.varints import VarintRecords
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.one_python

PREFIXES = [b"\x16", b"", b"ab"]
LARGEST = {(10, True): (1 << 64) - 1, (10, False): (1 << 64) - 1}
LARGEST |= {(8, True): (1 << 55) - 1, (8, False): (1 << 56) - 1}
LARGEST |= {(5, True): (1 << 31) - 1, (5, False): (1 << 32) - 1}


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        shift += 7
        at += 1
        if byte < 0x80:
            return number, at


def read(record: bytes, width: int, *, zigzag: bool) -> list[int]:
    numbers = []
    at = 0
    for prefix in PREFIXES:
        assert record[at : at + len(prefix)] == prefix
        number, end = read_varint(record, at + len(prefix))
        assert end - at == len(prefix) + width
        at = end
        if zigzag:
            number = (number >> 1 ^ -(number & 1)) & (1 << 64) - 1
        numbers.append(number)
    assert at == len(record)
    return numbers


@pytest.mark.parametrize(("width", "zigzag"), list(LARGEST))
@given(data=st.data())
def test_numbers_are_read_back(width: int, zigzag: bool, data: st.DataObject) -> None:
    largest = LARGEST[width, zigzag]
    numbers = st.integers(0, largest) | st.sampled_from([0, 1, 127, 128, largest, largest // 2])
    records = data.draw(st.lists(st.tuples(numbers, numbers, numbers), max_size=20))
    writer = VarintRecords(PREFIXES, width, zigzag=zigzag)

    written = writer.write([number for record in records for number in record])

    assert [tuple(read(record, width, zigzag=zigzag)) for record in written] == records


@pytest.mark.parametrize(("width", "zigzag"), list(LARGEST))
def test_numbers_out_of_range_become_the_nearest_in_it(width: int, zigzag: bool) -> None:
    largest = LARGEST[width, zigzag]
    writer = VarintRecords(PREFIXES, width, zigzag=zigzag)

    first, second = writer.write([-1, largest + 1, 1 << 200, 5, 6, 7])

    assert read(first, width, zigzag=zigzag) == [0, largest, largest]
    assert read(second, width, zigzag=zigzag) == [5, 6, 7]


def test_batches_of_other_sizes_follow_each_other() -> None:
    writer = VarintRecords(PREFIXES, 8, zigzag=False)

    for count in (2, 0, 5, 5, 1):
        written = writer.write(list(range(3 * count)))
        numbers = [number for record in written for number in read(record, 8, zigzag=False)]
        assert numbers == list(range(3 * count))
