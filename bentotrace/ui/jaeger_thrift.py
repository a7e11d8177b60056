"""Reads Jaeger's Thrift: a batch over HTTP, a call of ``emitBatch`` over UDP."""

from __future__ import annotations

from typing import Any

from bentotrace.ui.jaeger_tags import JaegerSpan, Reference, make_sources, make_span
from bentotrace.ui.model import Decoded, Span, UnreadableError
from bentotrace.ui.thrift_wire import Struct, read_binary, read_compact, read_message

__all__ = ["decode_batch", "decode_compact_batch", "decode_emit_batch"]

_MASK = (1 << 64) - 1


def decode_batch(body: bytes) -> Decoded:
    """Decode a ``Batch`` in the binary protocol.

    Raises:
        UnreadableError: it is not one.
    """
    return _decode(read_binary(body))


def decode_compact_batch(body: bytes) -> Decoded:
    """Decode a ``Batch`` in the compact protocol; errors as :func:`decode_batch`."""
    return _decode(read_compact(body))


def decode_emit_batch(body: bytes) -> Decoded:
    """Decode a call of ``emitBatch`` in either protocol; errors as :func:`decode_batch`."""
    name, arguments = read_message(body)
    if name != b"emitBatch":
        raise UnreadableError("the Thrift message does not call emitBatch")
    return _decode(_struct(arguments.get(1)))


def _decode(batch: Struct) -> Decoded:
    process = _struct(batch.get(1))
    sources = make_sources(_text(process.get(1)), _tags(process.get(2)))
    if 2 not in batch and 1 not in batch:
        raise UnreadableError("the Thrift data is not a batch of spans")
    spans: list[Span] = []
    refused, reason = 0, ""
    for fields in _structs(batch.get(2)):
        try:
            spans.append(make_span(_span(fields), sources))
        except UnreadableError as error:
            refused += 1
            reason = reason or str(error)
    return Decoded(spans, refused, reason)


def _span(fields: Struct) -> JaegerSpan:
    return JaegerSpan(
        _trace_id(fields.get(1), fields.get(2)),
        _id(fields.get(3)),
        _id(fields.get(4)),
        _text(fields.get(5)),
        _int(fields.get(8)) * 1000,
        _int(fields.get(9)) * 1000,
        _tags(fields.get(10)),
        [(_int(log.get(1)) * 1000, _tags(log.get(2))) for log in _structs(fields.get(11))],
        [
            Reference(
                reference.get(1, 0) == 0,
                _trace_id(reference.get(2), reference.get(3)),
                _id(reference.get(4)),
            )
            for reference in _structs(fields.get(6))
        ],
    )


def _tags(items: Any) -> dict[str, Any]:
    return {_text(tag.get(1)): _tag_value(tag) for tag in _structs(items)}


def _tag_value(tag: Struct) -> Any:
    kind = tag.get(2)
    value = tag.get(kind + 3) if isinstance(kind, int) else None
    if kind == 0 or value is None:
        return _text(tag.get(3))
    return value


def _struct(value: Any) -> Struct:
    return value if isinstance(value, dict) else {}


def _structs(value: Any) -> list[Struct]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""


def _int(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _id(value: Any) -> str:
    return f"{_int(value) & _MASK:016x}"


def _trace_id(low: Any, high: Any) -> str:
    return _id(high) + _id(low)
