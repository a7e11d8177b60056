"""Functions for encoders of spans and parsers of responses, for plugin authors.

Attributes may have values that a wire format cannot represent: integers beyond 64 bits, NaN, lone
surrogates, nested sequences. These functions convert each, so that no batch is lost to one value.
"""

from __future__ import annotations

from bentotrace.encoding.prefixes import (
    SHORT,
    SMALL,
    Prefixes,
    ProtobufPrefixes,
    field,
    optional_field,
    read_fields,
    varint,
    write_protobuf_attributes,
)
from bentotrace.encoding.repairs import (
    PlainEvent,
    PlainLink,
    PlainSpan,
    Repaired,
    Repairs,
    repair,
)
from bentotrace.encoding.spans import (
    MAX_TIME,
    NO_TRACE_STATE,
    BoundedCache,
    EventFields,
    SpanContent,
    SpanFields,
    group_by_resource,
    in_turns,
    read_event,
    read_span,
    to_microseconds,
)
from bentotrace.encoding.values import (
    INT64_MAX,
    INT64_MIN,
    MAX_FLOAT,
    PlainValue,
    dropped_count,
    json_text,
    number_text,
    plain_attributes,
    plain_value,
    safe_str,
    to_bytes,
)

__all__ = [
    "INT64_MAX",
    "INT64_MIN",
    "MAX_FLOAT",
    "MAX_TIME",
    "NO_TRACE_STATE",
    "SHORT",
    "SMALL",
    "BoundedCache",
    "EventFields",
    "PlainEvent",
    "PlainLink",
    "PlainSpan",
    "PlainValue",
    "Prefixes",
    "ProtobufPrefixes",
    "Repaired",
    "Repairs",
    "SpanContent",
    "SpanFields",
    "dropped_count",
    "field",
    "group_by_resource",
    "in_turns",
    "json_text",
    "number_text",
    "optional_field",
    "plain_attributes",
    "plain_value",
    "read_event",
    "read_fields",
    "read_span",
    "repair",
    "safe_str",
    "to_bytes",
    "to_microseconds",
    "varint",
    "write_protobuf_attributes",
]
