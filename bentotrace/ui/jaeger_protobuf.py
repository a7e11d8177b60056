"""Reads the ``PostSpansRequest`` that Jaeger's collector accepts over gRPC."""

from __future__ import annotations

import struct
from typing import Any

from bentotrace.ui.jaeger_tags import JaegerSpan, Reference, make_sources, make_span
from bentotrace.ui.model import Decoded, Source, Span, UnreadableError
from bentotrace.ui.protobuf_wire import (
    Message,
    message,
    number,
    parts,
    read_message,
    signed,
    string,
)

__all__ = ["decode_post_spans"]


def decode_post_spans(body: bytes) -> Decoded:
    """Decode a request.

    Raises:
        UnreadableError: it is not one.
    """
    batch = message(read_message(body), 1)
    common = _sources(message(batch, 2))
    spans: list[Span] = []
    refused, reason = 0, ""
    for part in parts(batch, 1):
        try:
            fields = read_message(part)
            own = _sources(message(fields, 10)) if 10 in fields else common
            spans.append(make_span(_span(fields), own))
        except UnreadableError as error:
            refused += 1
            reason = reason or str(error)
    return Decoded(spans, refused, reason)


def _sources(process: Message) -> dict[tuple[str, str], Source]:
    return make_sources(string(process, 1), _tags(process, 2))


def _span(fields: Message) -> JaegerSpan:
    return JaegerSpan(
        _id(fields, 1, 16),
        _id(fields, 2, 8),
        "",
        string(fields, 3),
        _nanoseconds(fields, 6),
        _nanoseconds(fields, 7),
        _tags(fields, 8),
        [(_nanoseconds(log, 1), _tags(log, 2)) for log in map(read_message, parts(fields, 9))],
        [
            Reference(number(reference, 3) == 0, _id(reference, 1, 16), _id(reference, 2, 8))
            for reference in map(read_message, parts(fields, 4))
        ],
    )


def _id(fields: Message, key: int, size: int) -> str:
    value = (parts(fields, key) or [b""])[-1]
    if len(value) > size:
        raise UnreadableError(f"an id has {len(value)} bytes, expected {size}")
    return value.rjust(size, b"\0").hex()


def _nanoseconds(fields: Message, key: int) -> int:
    value = message(fields, key)
    return signed(value, 1) * 10**9 + signed(value, 2)


def _tags(fields: Message, key: int) -> dict[str, Any]:
    return {string(tag, 1): _tag_value(tag) for tag in map(read_message, parts(fields, key))}


def _tag_value(tag: Message) -> Any:
    kind = number(tag, 2)
    if kind == 1:
        return number(tag, 4) != 0
    if kind == 2:
        return signed(tag, 5)
    if kind == 3:
        return struct.unpack("<d", struct.pack("<Q", number(tag, 6)))[0]
    if kind == 4:
        return (parts(tag, 7) or [b""])[-1]
    return string(tag, 3)
