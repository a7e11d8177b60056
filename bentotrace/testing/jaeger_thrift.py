"""Jaeger's Thrift structures, read with the protocol readers of the ``thrift`` library.

The structures are those of jaeger-idl's ``jaeger.thrift`` and ``agent.thrift``. A field that they
do not have, that comes twice, that is missing, or that has another type on the wire is an error:
a server would skip it, and the sender would not notice.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, Literal

from attrs import field, frozen
from thrift.protocol.TBinaryProtocol import (  # type: ignore[import-untyped, unused-ignore]
    TBinaryProtocol,
)
from thrift.protocol.TCompactProtocol import (  # type: ignore[import-untyped, unused-ignore]
    TCompactProtocol,
)
from thrift.Thrift import (  # type: ignore[import-untyped, unused-ignore]
    TException,
    TMessageType,
    TType,
)
from thrift.transport.TTransport import (  # type: ignore[import-untyped, unused-ignore]
    TMemoryBuffer,
)

from bentotrace.testing.jaeger import (
    JaegerLog,
    JaegerProcess,
    JaegerReference,
    JaegerSpan,
    identifier,
)
from bentotrace.testing.spans import ReceivedSpan

__all__ = ["ThriftProtocol", "decode_batch", "decode_emit_batch"]

ThriftProtocol = Literal["compact", "binary"]

_PROTOCOLS: Mapping[ThriftProtocol, Callable[[Any], Any]] = {
    "compact": TCompactProtocol,
    "binary": TBinaryProtocol,
}
_METHOD = "emitBatch"
_CHILD_OF, _FOLLOWS_FROM = 0, 1


@frozen
class _Field:
    name: str
    type: int
    optional: bool = False
    struct: _Struct | None = None
    binary: bool = False


@frozen
class _Struct:
    name: str
    fields: Mapping[int, _Field] = field(repr=False)


_TAG = _Struct(
    "Tag",
    {
        1: _Field("key", TType.STRING),
        2: _Field("vType", TType.I32),
        3: _Field("vStr", TType.STRING, optional=True),
        4: _Field("vDouble", TType.DOUBLE, optional=True),
        5: _Field("vBool", TType.BOOL, optional=True),
        6: _Field("vLong", TType.I64, optional=True),
        7: _Field("vBinary", TType.STRING, optional=True, binary=True),
    },
)
_TAG_VALUES = ("vStr", "vDouble", "vBool", "vLong", "vBinary")
_LOG = _Struct(
    "Log", {1: _Field("timestamp", TType.I64), 2: _Field("fields", TType.LIST, struct=_TAG)}
)
_SPAN_REF = _Struct(
    "SpanRef",
    {
        1: _Field("refType", TType.I32),
        2: _Field("traceIdLow", TType.I64),
        3: _Field("traceIdHigh", TType.I64),
        4: _Field("spanId", TType.I64),
    },
)
_SPAN = _Struct(
    "Span",
    {
        1: _Field("traceIdLow", TType.I64),
        2: _Field("traceIdHigh", TType.I64),
        3: _Field("spanId", TType.I64),
        4: _Field("parentSpanId", TType.I64),
        5: _Field("operationName", TType.STRING),
        6: _Field("references", TType.LIST, optional=True, struct=_SPAN_REF),
        7: _Field("flags", TType.I32),
        8: _Field("startTime", TType.I64),
        9: _Field("duration", TType.I64),
        10: _Field("tags", TType.LIST, optional=True, struct=_TAG),
        11: _Field("logs", TType.LIST, optional=True, struct=_LOG),
    },
)
_PROCESS = _Struct(
    "Process",
    {
        1: _Field("serviceName", TType.STRING),
        2: _Field("tags", TType.LIST, optional=True, struct=_TAG),
    },
)
_CLIENT_STATS = _Struct(
    "ClientStats",
    {
        1: _Field("fullQueueDroppedSpans", TType.I64),
        2: _Field("tooLargeDroppedSpans", TType.I64),
        3: _Field("failedToEmitSpans", TType.I64),
    },
)
_BATCH = _Struct(
    "Batch",
    {
        1: _Field("process", TType.STRUCT, struct=_PROCESS),
        2: _Field("spans", TType.LIST, struct=_SPAN),
        3: _Field("seqNo", TType.I64, optional=True),
        4: _Field("stats", TType.STRUCT, optional=True, struct=_CLIENT_STATS),
    },
)
_EMIT_BATCH = _Struct("emitBatch_args", {1: _Field("batch", TType.STRUCT, struct=_BATCH)})


def decode_batch(body: bytes, protocol: ThriftProtocol = "binary") -> list[ReceivedSpan]:
    """Decode a Batch that stands alone, as the collector takes it.

    Raises:
        ValueError: it is malformed.
    """
    return _spans(_read(body, protocol, lambda reader: _read_struct(reader, _BATCH)))


def decode_emit_batch(body: bytes, protocol: ThriftProtocol = "compact") -> list[ReceivedSpan]:
    """Decode a message ``emitBatch``, as the agent takes it.

    Raises:
        ValueError: it is malformed.
    """
    return _spans(_read(body, protocol, _read_message)["batch"])


def _read(
    body: bytes, protocol: ThriftProtocol, read: Callable[[Any], dict[str, Any]]
) -> dict[str, Any]:
    buffer = TMemoryBuffer(body)
    try:
        values = read(_PROTOCOLS[protocol](buffer))
    except EOFError as error:
        raise ValueError(f"the Thrift data ends early, after {len(body)} bytes") from error
    except (TException, AssertionError, LookupError, TypeError, struct.error) as error:
        # The library asserts its states and looks types up in tables.
        raise ValueError(
            f"not Thrift, {protocol} protocol: {type(error).__name__} {error}"
        ) from error
    rest = len(buffer.read(len(body)))
    if rest:
        raise ValueError(f"{rest} bytes after the end of the Thrift data")
    return values


def _read_message(reader: Any) -> dict[str, Any]:
    name, kind, _ = reader.readMessageBegin()
    if name != _METHOD:
        raise ValueError(f"the message calls {name!r}, expected {_METHOD}")
    if kind != TMessageType.ONEWAY:
        raise ValueError(f"the message is of type {kind}, expected oneway ({TMessageType.ONEWAY})")
    arguments = _read_struct(reader, _EMIT_BATCH)
    reader.readMessageEnd()
    return arguments


def _read_struct(reader: Any, structure: _Struct) -> dict[str, Any]:
    values: dict[str, Any] = {}
    reader.readStructBegin()
    while True:
        _, wire_type, number = reader.readFieldBegin()
        if wire_type == TType.STOP:
            break
        known = structure.fields.get(number)
        if known is None:
            raise ValueError(f"{structure.name} has no field {number}")
        where = f"{structure.name}.{known.name}"
        if wire_type != known.type:
            raise ValueError(f"{where} is of wire type {wire_type}, expected {known.type}")
        if known.name in values:
            raise ValueError(f"{where} comes twice")
        values[known.name] = _read_value(reader, known, where)
        reader.readFieldEnd()
    reader.readStructEnd()
    for known in structure.fields.values():
        if not known.optional and known.name not in values:
            raise ValueError(f"{structure.name}.{known.name} is missing")
    return values


def _read_value(reader: Any, known: _Field, where: str) -> Any:
    if known.type == TType.STRUCT and known.struct is not None:
        return _read_struct(reader, known.struct)
    if known.type == TType.LIST and known.struct is not None:
        item_type, size = reader.readListBegin()
        if item_type != TType.STRUCT:
            raise ValueError(f"{where} is a list of wire type {item_type}, expected structs")
        items = [_read_struct(reader, known.struct) for _ in range(size)]
        reader.readListEnd()
        return items
    if known.type == TType.STRING:
        # UnicodeDecodeError is a ValueError, and says where.
        return reader.readBinary() if known.binary else reader.readBinary().decode()
    if known.type == TType.DOUBLE:
        return reader.readDouble()
    if known.type == TType.BOOL:
        return reader.readBool()
    if known.type == TType.I32:
        return _in_range(reader.readI32(), 32, where)
    return _in_range(reader.readI64(), 64, where)


def _in_range(value: int, bits: int, where: str) -> int:
    # The compact protocol's numbers have no width of their own.
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise ValueError(f"{where} is {value}, which does not fit in {bits} bits")
    return value


def _spans(batch: dict[str, Any]) -> list[ReceivedSpan]:
    process = JaegerProcess(batch["process"]["serviceName"], _tags(batch["process"].get("tags")))
    return [_span(span, process).to_received() for span in batch["spans"]]


def _span(span: dict[str, Any], process: JaegerProcess) -> JaegerSpan:
    return JaegerSpan(
        trace_id=_trace_id(span),
        span_id=identifier(_eight_bytes(span["spanId"]), 8, "spanId"),
        parent_id=_eight_bytes(span["parentSpanId"]).hex() if span["parentSpanId"] else None,
        references=[_reference(reference) for reference in span.get("references", ())],
        name=span["operationName"],
        start_ns=span["startTime"] * 1000,
        duration_ns=span["duration"] * 1000,
        tags=_tags(span.get("tags")),
        logs=[
            JaegerLog(log["timestamp"] * 1000, _tags(log["fields"])) for log in span.get("logs", ())
        ],
        process=process,
        raw=span,
    )


def _reference(reference: dict[str, Any]) -> JaegerReference:
    kind = reference["refType"]
    if kind not in (_CHILD_OF, _FOLLOWS_FROM):
        raise ValueError(f"SpanRef.refType is {kind}, expected 0 or 1")
    span_id = identifier(_eight_bytes(reference["spanId"]), 8, "SpanRef.spanId")
    return JaegerReference(kind == _CHILD_OF, _trace_id(reference), span_id)


def _trace_id(values: dict[str, Any]) -> str:
    both = _eight_bytes(values["traceIdHigh"]) + _eight_bytes(values["traceIdLow"])
    return identifier(both, 16, "trace id")


def _eight_bytes(value: int) -> bytes:
    return value.to_bytes(8, "big", signed=True)


def _tags(tags: list[dict[str, Any]] | None) -> list[tuple[str, Any]]:
    return [(tag["key"], _tag_value(tag)) for tag in tags or ()]


def _tag_value(tag: dict[str, Any]) -> Any:
    kind = tag["vType"]
    if not 0 <= kind < len(_TAG_VALUES):
        raise ValueError(f"Tag.vType of {tag['key']!r} is {kind}, expected 0 to 4")
    given = [name for name in _TAG_VALUES if name in tag]
    if given != [_TAG_VALUES[kind]]:
        raise ValueError(
            f"the tag {tag['key']!r} is of type {_TAG_VALUES[kind]}, but has {given or 'no value'}"
        )
    return tag[_TAG_VALUES[kind]]
