"""The values of a row in the file, which another program may have written or the disk changed."""

from __future__ import annotations

import hashlib
import re
import struct
from typing import Any, NamedTuple

from opentelemetry.sdk.trace import ReadableSpan

from bentotrace.spool.codec import DamagedBatchError, decode_batch

__all__ = ["Batch", "checksum", "count_spans", "is_owner"]

_NUMBERS = struct.Struct(">qq")


def checksum(number: int, spans: int, content: bytes) -> bytes:
    """Return the checksum of a batch, which is stored with it."""
    return hashlib.sha256(_NUMBERS.pack(number, spans) + content).digest()


class Batch(NamedTuple):
    """A batch in the file, as it was read.

    Attributes:
        number: its position in the order.
        spans: the number of spans in it.
        content: the encoded spans.
        checksum: the checksum of the others.
    """

    number: int
    spans: Any
    content: Any
    checksum: Any

    def decode(self) -> list[ReadableSpan]:
        """Return its spans.

        Raises:
            DamagedBatchError: it is not a batch, or was changed.
        """
        if type(self.spans) is not int or type(self.content) is not bytes:
            raise DamagedBatchError("a value in its row is of another type")
        if self.checksum != checksum(self.number, self.spans, self.content):
            raise DamagedBatchError("its checksum is wrong")
        spans = decode_batch(self.content)
        if len(spans) != self.spans:
            raise DamagedBatchError("it has another number of spans")
        return spans


def is_owner(name: object) -> bool:
    """Return whether a value is the name of a process, and not one that leads elsewhere."""
    return isinstance(name, bytes) and re.fullmatch(rb"[0-9a-f]{32}", name) is not None


def count_spans(spans: object) -> int:
    """Return a number of spans in a row, for a message; 0 if it cannot be one."""
    return spans if isinstance(spans, int) and 0 < spans < 1 << 32 else 0
