"""Our bytes are those of opentelemetry-exporter-otlp-proto-common for the same spans.

But for what that leaves out, the W3C flags of spans and links and the trace state of links, and for
times out of range.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from bentotrace_otlp import encoder as encoder_module
from bentotrace_otlp.encoder import TraceEncoder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.span import TraceState

from bentotrace.encoding import spans as spans_module

upstream = pytest.importorskip(
    "opentelemetry.exporter.otlp.proto.common.trace_encoder",
    reason="opentelemetry-exporter-otlp-proto-common is what our bytes are compared with",
)
trace_service = pytest.importorskip(
    "opentelemetry.proto.collector.trace.v1.trace_service_pb2",
    reason="opentelemetry-proto decodes what our encoder wrote",
)

RESOURCE = Resource({"service.name": "iris", "process.pid": 7})
SCOPE = InstrumentationScope("asgi", "1.2", "https://example.com/schema")
IDS = st.integers(1, (1 << 64) - 1)


def context(
    trace_id: int = 0xF0E1D2C3B4A5968778695A4B3C2D1E0F,
    span_id: int = 0x8877665544332211,
    *,
    remote: bool = False,
    state: TraceState | None = None,
) -> SpanContext:
    return SpanContext(trace_id, span_id, remote, TraceFlags(1), state)


def span(**changes: Any) -> ReadableSpan:
    values: dict[str, Any] = {
        "name": "GET /",
        "context": context(),
        "resource": RESOURCE,
        "instrumentation_scope": SCOPE,
        "start_time": 1_700_000_000_000_000_001,
        "end_time": 1_700_000_000_123_456_789,
        "attributes": {},
        **changes,
    }
    return ReadableSpan(**values)


def expected(spans: Sequence[ReadableSpan]) -> bytes:
    request = upstream.encode_spans(spans)
    originals: dict[tuple[int, int], list[ReadableSpan]] = defaultdict(list)
    for each in spans:
        originals[each.context.trace_id, each.context.span_id].append(each)
    for scope_spans in (scope for each in request.resource_spans for scope in each.scope_spans):
        for encoded in scope_spans.spans:
            ids = int.from_bytes(encoded.trace_id, "big"), int.from_bytes(encoded.span_id, "big")
            complete(encoded, originals[ids].pop(0))
    written: bytes = request.SerializePartialToString()
    return written


def complete(encoded: Any, span: ReadableSpan) -> None:
    encoded.start_time_unix_nano = min(encoded.start_time_unix_nano, (1 << 63) - 1)
    end = max(encoded.start_time_unix_nano, encoded.end_time_unix_nano)
    encoded.end_time_unix_nano = min(end, (1 << 63) - 1)
    encoded.flags |= span.context.trace_flags
    for link, sent in zip(encoded.links, span.links, strict=True):
        link.flags |= sent.context.trace_flags
        link.trace_state = sent.context.trace_state.to_header()
    for event in encoded.events:
        event.time_unix_nano = min(event.time_unix_nano, (1 << 63) - 1)


def only_span(encoded: bytes) -> Any:
    request = trace_service.ExportTraceServiceRequest.FromString(encoded)
    return request.resource_spans[0].scope_spans[0].spans[0]


VALUES: Mapping[str, Any] = {
    "text": "hello",
    "empty": "",
    "unicode": "Ärger 北京 🌸",
    "long": "x" * 1000,
    "at the table's end": "x" * 63,
    "past the table's end": "x" * 64,
    "true": True,
    "false": False,
    "zero": 0,
    "small": 127,
    "two bytes": 128,
    "large": (1 << 63) - 1,
    "negative": -1,
    "lowest": -(1 << 63),
    "fraction": 0.1,
    "infinite": float("inf"),
    "bytes": b"\x00\xff",
    "strings": ("a", "b"),
    "numbers": (1, 2, 300),
    "fractions": (0.5, 1.0),
    "booleans": (True, False),
    "nothing in it": (),
    "nested": (("a", 1), {"b": (True,)}),
    "mapping": {"a": 1, "b": {"c": "d"}},
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_an_attribute_of_every_type_is_as_upstream_has_it(value: Any) -> None:
    spans = [span(attributes={"key": value, "ключ": value})]

    assert TraceEncoder().encode(spans) == expected(spans)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "ü" * 200},
        {"start_time": None, "end_time": None},
        {"start_time": 0, "end_time": 5},
        {"parent": context(span_id=5)},
        {"parent": context(span_id=5, remote=True)},
        {"context": context(1, 1)},
        {"context": context(state=TraceState([("a", "1"), ("b", "2")]))},
        {"status": Status(StatusCode.OK)},
        {"status": Status(StatusCode.ERROR)},
        {"status": Status(StatusCode.ERROR, "böse")},
        {"instrumentation_scope": None},
        {"instrumentation_scope": InstrumentationScope("")},
        {"resource": Resource({})},
        {"resource": Resource({"a": 1}, "https://example.com/resource")},
        {"events": [Event("e", {"a": 1, "b": "x"}, 5), Event("", None, 0)]},
        {"links": [Link(context(3, 4), {"a": (1, 2)}), Link(context(5, 6, remote=True))]},
        {"attributes": None},
        *({"kind": kind} for kind in SpanKind),
    ],
    ids=",".join,
)
def test_every_field_is_as_upstream_has_it(changes: dict[str, Any]) -> None:
    spans = [span(**changes)]

    assert TraceEncoder().encode(spans) == expected(spans)


def test_dropped_counts_are_sent() -> None:
    from opentelemetry.sdk.trace import SpanLimits, TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    memory = InMemorySpanExporter()
    limits = SpanLimits(
        max_span_attributes=1,
        max_events=1,
        max_links=1,
        max_event_attributes=1,
        max_link_attributes=1,
    )
    provider = TracerProvider(span_limits=limits, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    links = [Link(context(number, 9), {"a": 1, "b": 2}) for number in (1, 2)]
    made = provider.get_tracer("test").start_span("one", links=links, attributes={"a": 1, "b": 2})
    made.add_event("first", {"a": 1, "b": 2})
    made.add_event("second", {"a": 1, "b": 2})
    made.end()

    spans = memory.get_finished_spans()
    encoded = TraceEncoder().encode(spans)

    assert encoded == expected(spans)
    decoded = only_span(encoded)
    assert decoded.dropped_attributes_count == 1
    assert decoded.dropped_events_count == 1
    assert decoded.dropped_links_count == 1
    assert decoded.events[0].dropped_attributes_count == 1
    assert decoded.links[0].dropped_attributes_count == 1


def test_spans_are_grouped_by_resource_and_scope_in_order_of_appearance() -> None:
    other = Resource({"service.name": "other"})
    equal = Resource({"service.name": "iris", "process.pid": 7})
    scope = InstrumentationScope("other")
    spans = [
        span(),
        span(resource=other),
        span(resource=equal, instrumentation_scope=scope),
        span(instrumentation_scope=InstrumentationScope("asgi", "1.2", SCOPE.schema_url)),
        span(resource=other, instrumentation_scope=None),
        span(),
    ]
    encoder = TraceEncoder()

    assert encoder.encode(spans) == expected(spans)
    assert encoder.encode(spans[::-1]) == expected(spans[::-1])


def test_no_spans_are_no_bytes() -> None:
    assert TraceEncoder().encode([]) == b"" == expected([])


TEXT = st.text(st.characters(codec="utf-8"), max_size=80)
SCALARS = (
    TEXT
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=80)
)
ANY = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(TEXT.filter(bool), inner, max_size=3)
    ),
    max_leaves=6,
)
ATTRIBUTES = st.dictionaries(TEXT.filter(bool), ANY, max_size=6)
TIMES = st.integers(0, (1 << 64) - 1)
CONTEXTS = st.builds(
    SpanContext,
    st.integers(1, (1 << 128) - 1),
    IDS,
    st.booleans(),
    st.just(TraceFlags(1)),
    st.just(TraceState([("vendor", "value")])) | st.none(),
)
RESOURCES = st.builds(Resource, ATTRIBUTES)
SCOPES = st.builds(InstrumentationScope, TEXT, TEXT | st.none(), TEXT | st.none()) | st.none()
SPANS = st.builds(
    ReadableSpan,
    name=TEXT,
    context=CONTEXTS,
    parent=CONTEXTS | st.none(),
    resource=RESOURCES | st.just(RESOURCE),
    attributes=ATTRIBUTES,
    events=st.lists(st.builds(Event, TEXT, ATTRIBUTES, TIMES), max_size=2),
    links=st.lists(st.builds(Link, CONTEXTS, ATTRIBUTES), max_size=2),
    kind=st.sampled_from(SpanKind),
    status=st.just(Status(StatusCode.OK))
    | st.builds(lambda text: Status(StatusCode.ERROR, text), TEXT | st.none()),
    start_time=TIMES,
    end_time=TIMES,
    instrumentation_scope=SCOPES | st.just(SCOPE),
)


@pytest.mark.one_python
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        SPANS, max_size=4, unique_by=lambda span: (span.context.trace_id, span.context.span_id)
    )
)
def test_any_spans_are_as_upstream_has_them(spans: list[ReadableSpan]) -> None:
    assert TraceEncoder().encode(spans) == expected(spans)


@pytest.mark.parametrize(
    ("value", "arrives"),
    [
        (1 << 64, str(1 << 64)),
        (-(1 << 63) - 1, str(-(1 << 63) - 1)),
        ("a\ud800b", "a?b"),
        (object, str(object)),
    ],
)
def test_what_upstream_loses_arrives_as_text(value: Any, arrives: str) -> None:
    decoded = only_span(TraceEncoder().encode([span(attributes={"key": value, "after": 1})]))

    assert [(item.key, item.value.WhichOneof("value")) for item in decoded.attributes] == [
        ("key", "string_value"),
        ("after", "int_value"),
    ]
    assert decoded.attributes[0].value.string_value == arrives


def test_a_lone_surrogate_anywhere_does_not_lose_the_span() -> None:
    odd = "\udfff"
    spans = [
        span(
            name=odd,
            attributes={odd: odd},
            events=[Event(odd, {odd: 1}, 1)],
            status=Status(StatusCode.ERROR, odd),
            resource=Resource({odd: odd}),
            instrumentation_scope=InstrumentationScope(odd, odd, odd),
        )
    ]

    assert only_span(TraceEncoder().encode(spans)).name == "?"


def test_not_a_number_is_sent() -> None:
    decoded = only_span(TraceEncoder().encode([span(attributes={"key": float("nan")})]))

    assert struct.pack("<d", decoded.attributes[0].value.double_value) == struct.pack(
        "<d", float("nan")
    )


def test_deep_nesting_is_cut_to_text() -> None:
    value: Any = "bottom"
    for _ in range(500):
        value = (value,)

    decoded = only_span(TraceEncoder().encode([span(attributes={"key": value})]))

    assert decoded.attributes[0].value.WhichOneof("value") == "array_value"


@pytest.mark.parametrize("time", [-1, 1 << 64])
def test_a_time_out_of_range_does_not_lose_the_span(time: int) -> None:
    assert only_span(TraceEncoder().encode([span(end_time=time)])).name == "GET /"


def test_encoding_leaves_the_spans_as_they_are() -> None:
    spans = [span(attributes={"a": [1, 2], "b": {"c": 1}}, events=[Event("e", {"a": 1}, 1)])]
    before = [item.to_json() for item in spans]

    TraceEncoder().encode(spans)

    assert [item.to_json() for item in spans] == before


def test_what_is_kept_between_batches_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans_module, "_MAX_CACHED", 10)
    monkeypatch.setattr(encoder_module, "_MAX_CONTEXTS", 10)
    encoder = TraceEncoder()

    for number in range(50):
        spans = [
            span(
                attributes={f"key {number}": number},
                resource=Resource({"service.name": f"service {number}"}),
                instrumentation_scope=InstrumentationScope(f"scope {number}"),
            )
        ]
        assert encoder.encode(spans) == expected(spans)

    assert len(encoder._span_attributes._keys) <= 10
    assert len(encoder._resources) + len(encoder._scopes) <= 12
