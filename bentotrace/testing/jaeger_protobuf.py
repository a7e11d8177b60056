"""Jaeger's Protobuf over gRPC: its receiver, and the messages, built from descriptors here.

The messages are those of jaeger-idl's ``model.proto`` and ``collector.proto``.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    message_factory,
    timestamp_pb2,
)

from bentotrace.testing.grpc_server import GRPCReceiver
from bentotrace.testing.jaeger import JaegerProcess, JaegerReference, jaeger_span
from bentotrace.testing.receiver import ReceivedSpan, identifier, parse_protobuf

__all__ = ["JaegerGRPCReceiver", "decode_post_spans", "message_class"]

_PACKAGE = "jaeger.api_v2"

_ENUMS: Mapping[str, tuple[str, ...]] = {
    "ValueType": ("STRING", "BOOL", "INT64", "FLOAT64", "BINARY"),
    "SpanRefType": ("CHILD_OF", "FOLLOWS_FROM"),
}
# The fields, numbered from 1, as ``name:type``; ``*`` if they are repeated.
_MESSAGES = {
    "KeyValue": (
        "key:string v_type:ValueType v_str:string v_bool:bool v_int64:int64 v_float64:double "
        "v_binary:bytes"
    ),
    "Log": "timestamp:google.protobuf.Timestamp fields:KeyValue*",
    "SpanRef": "trace_id:bytes span_id:bytes ref_type:SpanRefType",
    "Process": "service_name:string tags:KeyValue*",
    "Span": (
        "trace_id:bytes span_id:bytes operation_name:string references:SpanRef* flags:uint32 "
        "start_time:google.protobuf.Timestamp duration:google.protobuf.Duration tags:KeyValue* "
        "logs:Log* process:Process process_id:string warnings:string*"
    ),
    "Batch": "spans:Span* process:Process",
    "PostSpansRequest": "batch:Batch",
}
_TAG_VALUES = ("v_str", "v_bool", "v_int64", "v_float64", "v_binary")
_CHILD_OF = 0


class JaegerGRPCReceiver(GRPCReceiver):
    """Receives ``CollectorService/PostSpans``; arguments as :class:`GRPCReceiver`."""

    service = "jaeger.api_v2.CollectorService"
    method = "PostSpans"

    def decode(self, body: bytes) -> list[ReceivedSpan]:
        """Decode a ``PostSpansRequest``."""
        return decode_post_spans(body)


def message_class(name: str) -> Any:
    """Return the class of a message of ``jaeger.api_v2``, as "PostSpansRequest"."""
    descriptor = _pool().FindMessageTypeByName(f"{_PACKAGE}.{name}")
    factory: Any = message_factory
    if hasattr(factory, "GetMessageClass"):
        return factory.GetMessageClass(descriptor)
    return factory.MessageFactory(_pool()).GetPrototype(descriptor)  # before protobuf 4.22


def decode_post_spans(body: bytes) -> list[ReceivedSpan]:
    """Decode a ``PostSpansRequest``.

    Raises:
        ValueError: it is malformed, or has unknown fields.
    """
    request = message_class("PostSpansRequest")()
    parse_protobuf(request, body)
    _check_no_unknown_fields(request)
    batch = request.batch
    process = _process(batch.process) if batch.HasField("process") else None
    return [_span(span, process) for span in batch.spans]


@functools.cache
def _pool() -> Any:
    """Build the messages in their own pool, because other packages may define them, too."""
    file = descriptor_pb2.FileDescriptorProto(
        name="bentotrace/testing/jaeger.proto",
        package=_PACKAGE,
        syntax="proto3",
        dependency=[timestamp_pb2.DESCRIPTOR.name, duration_pb2.DESCRIPTOR.name],
    )
    for name, values in _ENUMS.items():
        enum = file.enum_type.add(name=name)
        for number, value in enumerate(values):
            enum.value.add(name=value, number=number)
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, declaration in enumerate(fields.split(), 1):
            field_name, _, kind = declaration.partition(":")
            _describe_field(message.field.add(name=field_name, number=number), kind)
    pool = descriptor_pool.DescriptorPool()
    for dependency in (timestamp_pb2, duration_pb2):
        pool.AddSerializedFile(dependency.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return pool


def _describe_field(field: Any, kind: str) -> None:
    field.label = field.LABEL_REPEATED if kind.endswith("*") else field.LABEL_OPTIONAL
    kind = kind.rstrip("*")
    if kind in _ENUMS:
        field.type, field.type_name = field.TYPE_ENUM, f".{_PACKAGE}.{kind}"
    elif kind in _MESSAGES:
        field.type, field.type_name = field.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
    elif "." in kind:
        field.type, field.type_name = field.TYPE_MESSAGE, f".{kind}"
    else:
        field.type = getattr(field, f"TYPE_{kind.upper()}")


def _check_no_unknown_fields(request: Any) -> None:
    size = request.ByteSize()
    known = type(request)()
    known.CopyFrom(request)
    known.DiscardUnknownFields()
    if known.ByteSize() != size:
        raise ValueError(f"{size - known.ByteSize()} bytes belong to unknown fields")


def _process(process: Any) -> JaegerProcess:
    return JaegerProcess(process.service_name, _tags(process.tags))


def _span(span: Any, process: JaegerProcess | None) -> ReceivedSpan:
    if span.HasField("process"):
        process = _process(span.process)
    if process is None:
        raise ValueError("neither the batch nor the span has a process")
    return jaeger_span(
        trace_id=identifier(span.trace_id, 16, "trace_id"),
        span_id=identifier(span.span_id, 8, "span_id"),
        references=[_reference(reference) for reference in span.references],
        name=span.operation_name,
        start_ns=_nanoseconds(span.start_time, "start_time"),
        duration_ns=_nanoseconds(span.duration, "duration"),
        tags=_tags(span.tags),
        logs=[
            (_nanoseconds(log.timestamp, "a log's timestamp"), _tags(log.fields))
            for log in span.logs
        ],
        process=process,
        raw=span,
    )


def _reference(reference: Any) -> JaegerReference:
    if not 0 <= reference.ref_type < len(_ENUMS["SpanRefType"]):
        raise ValueError(f"ref_type is {reference.ref_type}, expected 0 or 1")
    return JaegerReference(
        reference.ref_type == _CHILD_OF,
        identifier(reference.trace_id, 16, "a reference's trace_id"),
        identifier(reference.span_id, 8, "a reference's span_id"),
    )


def _nanoseconds(time: Any, name: str) -> int:
    """Add up a Timestamp or a Duration."""
    if not 0 <= time.nanos < 1_000_000_000:
        raise ValueError(f"the nanos of {name} are {time.nanos}")
    return int(time.seconds) * 1_000_000_000 + int(time.nanos)


def _tags(tags: Iterable[Any]) -> list[tuple[str, Any]]:
    return [(tag.key, _tag_value(tag)) for tag in tags]


def _tag_value(tag: Any) -> Any:
    if not 0 <= tag.v_type < len(_TAG_VALUES):
        raise ValueError(f"v_type of the tag {tag.key!r} is {tag.v_type}, expected 0 to 4")
    named = _TAG_VALUES[tag.v_type]
    others = [descriptor.name for descriptor, _ in tag.ListFields() if descriptor.name != named]
    if set(others) & set(_TAG_VALUES):
        raise ValueError(f"the tag {tag.key!r} is of type {named}, but has {others}")
    return getattr(tag, named)
