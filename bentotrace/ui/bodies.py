"""Reads request bodies within bounds of size, of what they decompress to, and of time."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
from starlette.requests import Request

from bentotrace.ui.model import UnreadableError

__all__ = ["MAX_BODY", "Budget", "TooLargeError", "decompress", "read_body"]

MAX_BODY = 16 << 20
_MAX_DECOMPRESSED = 32 << 20
_SECONDS = 30.0
# Of all bodies that are read or decoded at one time.
_BUDGET = 128 << 20
_DECODED_AT_ONCE = 4


class TooLargeError(Exception):
    """A body is larger than what is accepted."""


class Budget:
    """Limits the bytes of all requests together; created in the event loop that serves them.

    Attributes:
        decoding: bounds how many bodies are decompressed and decoded at one time, in threads of
            their own, so that readers never wait for them.
    """

    def __init__(self) -> None:
        self.decoding = anyio.CapacityLimiter(_DECODED_AT_ONCE)
        self._used = 0
        self._lock = threading.Lock()

    @contextmanager
    def hold(self, size: int) -> Iterator[bool]:
        """Reserve bytes; return False when too few are left."""
        with self._lock:
            granted = self._used + size <= _BUDGET
            self._used += size if granted else 0
        try:
            yield granted
        finally:
            if granted:
                with self._lock:
                    self._used -= size


async def read_body(request: Request) -> bytes:
    """Read the body as it is on the wire.

    Raises:
        TooLargeError: it is too large.
        TimeoutError: it takes too long.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > MAX_BODY:
        raise TooLargeError
    chunks, size = [], 0
    with anyio.fail_after(_SECONDS):
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_BODY:
                raise TooLargeError
            chunks.append(chunk)
    return b"".join(chunks)


def decompress(body: bytes, encoding: str) -> bytes:
    """Undo a content encoding: gzip, deflate or none.

    Raises:
        TooLargeError: there is too much in it.
        UnreadableError: it is damaged, or the encoding is another one.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise UnreadableError(f"the content encoding {encoding[:40]!r} is not gzip or deflate")
    parts, left = [], _MAX_DECOMPRESSED + 1
    while body and left > 0:
        decoder = zlib.decompressobj(wbits=47)  # either format, by its header
        try:
            part = decoder.decompress(body, left)
        except zlib.error as error:
            raise UnreadableError(f"the body is not {encoding}: {error}") from error
        left -= len(part)
        parts.append(part)
        if left > 0 and not decoder.eof:
            raise UnreadableError(f"the {encoding} body ends early")
        body = decoder.unused_data
    if left <= 0:
        raise TooLargeError
    return b"".join(parts)
