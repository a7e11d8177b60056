"""Jaeger's Thrift: its receivers over HTTP and UDP, and the structs, read by ``thrift``.

The structs are those of jaeger-idl's ``jaeger.thrift`` and ``agent.thrift``. A field that is
unknown, duplicate, missing, or of another type on the wire is an error: a server would skip it,
and the sender would not notice.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, Literal

from attrs import frozen
from thrift.protocol.TBinaryProtocol import (  # type: ignore[import-untyped]
    TBinaryProtocol,
)
from thrift.protocol.TCompactProtocol import (  # type: ignore[import-untyped]
    TCompactProtocol,
)
from thrift.Thrift import (  # type: ignore[import-untyped]
    TException,
    TMessageType,
    TType,
)
from thrift.transport.TTransport import (  # type: ignore[import-untyped]
    TMemoryBuffer,
)

from bentotrace.testing.http_server import HTTPReceiver, Response
from bentotrace.testing.jaeger import JaegerProcess, JaegerReference, jaeger_span
from bentotrace.testing.receiver import ReceivedSpan, identifier
from bentotrace.testing.udp_server import UDPReceiver

__all__ = [
    "JaegerHTTPReceiver",
    "JaegerUDPReceiver",
    "ThriftProtocol",
    "decode_batch",
    "decode_emit_batch",
]

ThriftProtocol = Literal["compact", "binary"]
"""The protocols of Thrift that Jaeger's agent reads."""

_PROTOCOLS: Mapping[ThriftProtocol, Callable[[Any], Any]] = {
    "compact": TCompactProtocol,
    "binary": TBinaryProtocol,
}
_METHOD = "emitBatch"
_MAX_PACKET_SIZE = 65_000
_CHILD_OF, _FOLLOWS_FROM = 0, 1


@frozen
class _Field:
    name: str
    type: int
    optional: bool
    struct: str
    binary: bool


_TYPES = {
    "i32": TType.I32,
    "i64": TType.I64,
    "double": TType.DOUBLE,
    "bool": TType.BOOL,
    "string": TType.STRING,
    "binary": TType.STRING,
    "list": TType.LIST,
    "struct": TType.STRUCT,
}


def _fields(declarations: str) -> Mapping[int, _Field]:
    """Number the fields of a struct, each declared as ``name:type``, ``?`` if it is optional."""
    fields: dict[int, _Field] = {}
    for number, declaration in enumerate(declarations.split(), 1):
        name, _, kind = declaration.partition(":")
        optional = kind.endswith("?")
        kind, _, struct = kind.rstrip("?").partition("/")
        fields[number] = _Field(name, _TYPES[kind], optional, struct, kind == "binary")
    return fields


_STRUCTS = {
    "Tag": _fields(
        "key:string vType:i32 vStr:string? vDouble:double? vBool:bool? vLong:i64? vBinary:binary?"
    ),
    "Log": _fields("timestamp:i64 fields:list/Tag"),
    "SpanRef": _fields("refType:i32 traceIdLow:i64 traceIdHigh:i64 spanId:i64"),
    "Span": _fields(
        "traceIdLow:i64 traceIdHigh:i64 spanId:i64 parentSpanId:i64 operationName:string "
        "references:list/SpanRef? flags:i32 startTime:i64 duration:i64 tags:list/Tag? "
        "logs:list/Log?"
    ),
    "Process": _fields("serviceName:string tags:list/Tag?"),
    "ClientStats": _fields(
        "fullQueueDroppedSpans:i64 tooLargeDroppedSpans:i64 failedToEmitSpans:i64"
    ),
    "Batch": _fields("process:struct/Process spans:list/Span seqNo:i64? stats:struct/ClientStats?"),
    "emitBatch_args": _fields("batch:struct/Batch"),
}
_TAG_VALUES = ("vStr", "vDouble", "vBool", "vLong", "vBinary")


class JaegerHTTPReceiver(HTTPReceiver):
    """Receives ``POST /api/traces``, a Batch in Thrift's binary protocol, as the collector does.

    Arguments as :class:`HTTPReceiver`.
    """

    path = "/api/traces"
    content_types = frozenset({"application/x-thrift", "application/vnd.apache.thrift.binary"})
    success = Response(202)

    def decode(self, body: bytes) -> list[ReceivedSpan]:
        """Decode a Batch."""
        return decode_batch(body)


class JaegerUDPReceiver(UDPReceiver):
    """Receives datagrams that each hold one oneway message ``emitBatch``.

    Other arguments as :class:`UDPReceiver`.

    Args:
        protocol: Thrift's protocol: "compact" as at the agent's port 6831, "binary" as at 6832.
        max_packet_size: maximum size of a datagram in bytes; the default is the agent's.
    """

    message = _METHOD

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        protocol: ThriftProtocol = "compact",
        max_packet_size: int = _MAX_PACKET_SIZE,
        receive_buffer: int | None = None,
    ) -> None:
        self._protocol: ThriftProtocol = protocol
        super().__init__(host, port, max_packet_size=max_packet_size, receive_buffer=receive_buffer)

    def decode(self, datagram: bytes) -> list[ReceivedSpan]:
        """Decode a message ``emitBatch``."""
        return decode_emit_batch(datagram, self._protocol)


def decode_batch(body: bytes, protocol: ThriftProtocol = "binary") -> list[ReceivedSpan]:
    """Decode a Batch, as it is sent to the collector.

    Raises:
        ValueError: it is malformed.
    """
    return _spans(_read(body, protocol, lambda reader: _read_struct(reader, "Batch")))


def decode_emit_batch(body: bytes, protocol: ThriftProtocol = "compact") -> list[ReceivedSpan]:
    """Decode a message ``emitBatch``, as it is sent to the agent.

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
        # The library uses assertions and table lookups on its input.
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
    arguments = _read_struct(reader, "emitBatch_args")
    reader.readMessageEnd()
    return arguments


def _read_struct(reader: Any, struct_name: str) -> dict[str, Any]:
    fields = _STRUCTS[struct_name]
    values: dict[str, Any] = {}
    reader.readStructBegin()
    while True:
        _, wire_type, number = reader.readFieldBegin()
        if wire_type == TType.STOP:
            break
        known = fields.get(number)
        if known is None:
            raise ValueError(f"{struct_name} has no field {number}")
        where = f"{struct_name}.{known.name}"
        if wire_type != known.type:
            raise ValueError(f"{where} is of wire type {wire_type}, expected {known.type}")
        if known.name in values:
            raise ValueError(f"duplicate field {where}")
        values[known.name] = _read_value(reader, known, where)
        reader.readFieldEnd()
    reader.readStructEnd()
    for known in fields.values():
        if not known.optional and known.name not in values:
            raise ValueError(f"{struct_name}.{known.name} is missing")
    return values


def _read_value(reader: Any, known: _Field, where: str) -> Any:
    if known.type == TType.STRUCT:
        return _read_struct(reader, known.struct)
    if known.type == TType.LIST:
        item_type, size = reader.readListBegin()
        if item_type != TType.STRUCT:
            raise ValueError(f"{where} is a list of wire type {item_type}, expected structs")
        items = [_read_struct(reader, known.struct) for _ in range(size)]
        reader.readListEnd()
        return items
    if known.type == TType.STRING:
        # UnicodeDecodeError is a ValueError with the position.
        return reader.readBinary() if known.binary else reader.readBinary().decode()
    if known.type == TType.DOUBLE:
        return reader.readDouble()
    if known.type == TType.BOOL:
        return reader.readBool()
    if known.type == TType.I32:
        return _in_range(reader.readI32(), 32, where)
    return _in_range(reader.readI64(), 64, where)


def _in_range(value: int, bits: int, where: str) -> int:
    # Numbers of the compact protocol have no width.
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise ValueError(f"{where} is {value}, which does not fit in {bits} bits")
    return value


def _spans(batch: dict[str, Any]) -> list[ReceivedSpan]:
    process = JaegerProcess(batch["process"]["serviceName"], _tags(batch["process"].get("tags")))
    return [_span(span, process) for span in batch["spans"]]


def _span(span: dict[str, Any], process: JaegerProcess) -> ReceivedSpan:
    return jaeger_span(
        trace_id=_trace_id(span),
        span_id=identifier(_eight_bytes(span["spanId"]), 8, "spanId"),
        parent_id=_eight_bytes(span["parentSpanId"]).hex() if span["parentSpanId"] else None,
        references=[_reference(reference) for reference in span.get("references", ())],
        name=span["operationName"],
        start_ns=span["startTime"] * 1000,
        duration_ns=span["duration"] * 1000,
        tags=_tags(span.get("tags")),
        logs=[(log["timestamp"] * 1000, _tags(log["fields"])) for log in span.get("logs", ())],
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
    found = [name for name in _TAG_VALUES if name in tag]
    if found != [_TAG_VALUES[kind]]:
        raise ValueError(
            f"the tag {tag['key']!r} is of type {_TAG_VALUES[kind]}, but has {found or 'no value'}"
        )
    return tag[_TAG_VALUES[kind]]
