"""Many varints at once: the ids and times of a whole batch, in a few operations on one integer.

A varint has seven bits in each byte. Spreading 64 bits takes a loop of ten rounds per number; here
all numbers of a batch are in one wide integer, whose groups of bits are moved apart by shifts and
masks. Each varint is padded to one width with empty groups, which parsers read as zero bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import NamedTuple

__all__ = ["VarintRecords"]

_FORMATS = {5: ("Ix", 32), 8: ("Q", 56), 10: ("Q2x", 64)}


class _Batch(NamedTuple):
    """The constants for a number of records; each integer is as wide as the batch."""

    records: int
    pack: Struct
    constant: int
    low: int
    moves: tuple[tuple[int, int, int], ...]


class VarintRecords:
    """Encodes records of varints, each after constant bytes; used by one thread at a time."""

    def __init__(self, prefixes: Sequence[bytes], width: int, *, zigzag: bool) -> None:
        """Describe one record.

        Args:
            prefixes: the bytes before each of its varints.
            width: bytes of every varint: 10 for unsigned 64 bits (two's complement with zigzag),
                8 for 56 bits and 5 for 32, one bit less with zigzag, none negative.
            zigzag: whether numbers have the zigzag encoding of Thrift's compact protocol.
        """
        self._prefixes = prefixes
        self._width = width
        self._zigzag = zigzag
        self._largest = (1 << _FORMATS[width][1] - (zigzag and width < 10)) - 1
        self._size = sum(map(len, prefixes)) + width * len(prefixes)
        self._batch = self._prepare(0)

    def write(self, numbers: Sequence[int]) -> list[bytes]:
        """Return the records of the numbers; one out of range becomes the nearest limit."""
        count = len(numbers) // len(self._prefixes)
        if not count:
            return []
        if count != self._batch.records:
            self._batch = self._prepare(count)
        batch = self._batch
        if min(numbers) < 0 or max(numbers) > self._largest:
            numbers = [min(max(number, 0), self._largest) for number in numbers]
        wide = int.from_bytes(batch.pack.pack(*numbers), "little")
        if self._zigzag and self._width == 10:
            sign = wide >> 63 & batch.low
            # 2**64 - 1 on every lane whose sign is set.
            wide = (wide & ~(batch.low << 63)) << 1 ^ ((sign << 64) - sign)
        elif self._zigzag:
            wide <<= 1
        for stay, move, shift in batch.moves:
            wide = wide & stay | (wide & move) << shift
        size = self._size
        data = (wide | batch.constant).to_bytes(count * size, "little")
        return [data[at : at + size] for at in range(0, count * size, size)]

    def _prepare(self, count: int) -> _Batch:
        code, _ = _FORMATS[self._width]
        layout = "".join(f"{len(prefix)}x{code}" for prefix in self._prefixes)
        return _Batch(
            count,
            Struct("<" + layout * count),
            self._repeat(bytes([0x80] * (self._width - 1) + [0]), count, prefixes=True),
            self._repeat(b"\x01", count),
            tuple(self._moves(count)),
        )

    def _moves(self, count: int) -> list[tuple[int, int, int]]:
        """Return the steps: the bits that stay, those that move up, and by how much.

        Group g of seven bits moves g bits up, in one step for each binary digit of g.
        """
        moves = []
        at = [7 * group for group in range(self._width)]
        for shift in (8, 4, 2, 1):
            stay = move = 0
            for group in range(self._width):
                if group & shift:
                    move |= 0x7F << at[group]
                    at[group] += shift
                else:
                    stay |= 0x7F << at[group]
            if move:
                wide = [mask.to_bytes(2 * self._width, "little") for mask in (stay, move)]
                moves.append((*(self._repeat(mask, count) for mask in wide), shift))
        return moves  # type: ignore[return-value]

    def _repeat(self, lane: bytes, count: int, *, prefixes: bool = False) -> int:
        """Return the integer with the same bytes in every varint, with or without prefixes."""
        lane = lane[: self._width].ljust(self._width, b"\0")
        record = b"".join(
            (prefix if prefixes else bytes(len(prefix))) + lane for prefix in self._prefixes
        )
        return int.from_bytes(record * count, "little")
