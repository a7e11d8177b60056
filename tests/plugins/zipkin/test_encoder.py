"""What is sent is the Zipkin v2 JSON that the spans say."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from typing import Any

import pytest
from bentotrace_zipkin.encoder import JSONEncoder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

RESOURCE = Resource({"service.name": "iris", "service.namespace": "shop", "process.pid": 7})
SCOPE = InstrumentationScope("asgi", "1.2")
UINT64 = (1 << 64) - 1
START = 1_700_000_000_000_000_000

SHARED_TAGS = {
    "service.namespace": "shop",
    "process.pid": "7",
    "otel.scope.name": "asgi",
    "otel.library.name": "asgi",
    "otel.scope.version": "1.2",
    "otel.library.version": "1.2",
}


def context(
    trace_id: int = 0xF0E1D2C3B4A5968778695A4B3C2D1E0F, span_id: int = 0x8877665544332211
) -> SpanContext:
    return SpanContext(trace_id, span_id, False, TraceFlags(1))


def span(**changes: Any) -> ReadableSpan:
    values: dict[str, Any] = {
        "name": "GET /",
        "context": context(),
        "resource": RESOURCE,
        "instrumentation_scope": SCOPE,
        "start_time": START,
        "end_time": START + 5_000_000,
        "attributes": {},
        **changes,
    }
    return ReadableSpan(**values)


def refuse_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    assert len(set(names)) == len(names), f"a name is there twice: {names}"
    return dict(pairs)


def encode(spans: Sequence[ReadableSpan], **local: Any) -> list[dict[str, Any]]:
    encoded = JSONEncoder(local).encode(spans)
    decoded: list[dict[str, Any]] = json.loads(
        encoded.decode("ascii"), object_pairs_hook=refuse_twins
    )
    return decoded


def one(**changes: Any) -> dict[str, Any]:
    (encoded,) = encode([span(**changes)])
    return encoded


def own_tags(**changes: Any) -> dict[str, str]:
    tags = dict(one(**changes)["tags"])
    for name, value in SHARED_TAGS.items():
        assert tags.pop(name) == value
    return tags


def test_a_span_has_the_fields_of_the_api() -> None:
    assert one(parent=context(span_id=5), kind=SpanKind.SERVER) == {
        "traceId": "f0e1d2c3b4a5968778695a4b3c2d1e0f",
        "id": "8877665544332211",
        "parentId": "0000000000000005",
        "name": "GET /",
        "kind": "SERVER",
        "timestamp": START // 1000,
        "duration": 5000,
        "localEndpoint": {"serviceName": "iris"},
        "tags": SHARED_TAGS,
    }


def test_empty_fields_are_left_out() -> None:
    bare = one(name="", resource=Resource({}), instrumentation_scope=None)

    assert sorted(bare) == ["duration", "id", "timestamp", "traceId"]


def test_the_local_endpoint_has_the_given_address() -> None:
    (encoded,) = encode([span()], ipv4="192.0.2.1", ipv6="2001:db8::1", port=80)

    assert encoded["localEndpoint"] == {
        "serviceName": "iris",
        "ipv4": "192.0.2.1",
        "ipv6": "2001:db8::1",
        "port": 80,
    }


@pytest.mark.parametrize("kind", list(SpanKind))
def test_every_kind_but_internal_is_sent(kind: SpanKind) -> None:
    assert one(kind=kind).get("kind", "INTERNAL") == kind.name


@pytest.mark.parametrize(
    ("start", "end", "timestamp", "duration"),
    [
        (START + 1_499, START + 1_499 + 2_500, START // 1000 + 1, 3),
        (START, START + 400, START // 1000, 1),
        (START, START, START // 1000, 1),
        (START, None, START // 1000, 1),
        (START, START - 5_000, START // 1000, 1),
        (None, None, 0, 1),
        (-5_000, 5_000, 0, 5),
    ],
)
def test_times_are_whole_microseconds_and_a_duration_is_at_least_one(
    start: int | None, end: int | None, timestamp: int, duration: int
) -> None:
    encoded = one(start_time=start, end_time=end)

    assert (encoded["timestamp"], encoded["duration"]) == (timestamp, duration)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "text"),
        ("", ""),
        ('a "quote", \\ and \n', 'a "quote", \\ and \n'),
        ("Ärger 北京 🌸", "Ärger 北京 🌸"),
        ("x" * 100_000, "x" * 100_000),
        ("\ud800", "\ud800"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-(1 << 63), "-9223372036854775808"),
        (1 << 64, "18446744073709551616"),
        (10**5000, hex(10**5000)),
        (0.5, "0.5"),
        (-0.0, "-0.0"),
        (1e300, "1e+300"),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (b"bytes", "bytes"),
        (b"\xff", "\ufffd"),
        (("a", "ü"), '["a","ü"]'),
        ([1, 2.5, True, None], "[1,2.5,true,null]"),
        ((), "[]"),
        ({"a": (1,)}, '{"a":[1]}'),
        (None, ""),
    ],
    ids=itertools.count(),
)
def test_every_value_is_text(value: Any, text: str) -> None:
    assert own_tags(attributes={"a": value, "ключ": value}) == {"a": text, "ключ": text}


@pytest.mark.parametrize(
    ("status", "tags"),
    [
        (Status(StatusCode.UNSET), {}),
        (Status(StatusCode.OK), {"otel.status_code": "OK"}),
        (Status(StatusCode.ERROR), {"otel.status_code": "ERROR", "error": ""}),
        (Status(StatusCode.ERROR, "böse"), {"otel.status_code": "ERROR", "error": "böse"}),
    ],
    ids=["unset", "ok", "error", "described"],
)
def test_a_status_is_two_tags(status: Status, tags: dict[str, str]) -> None:
    assert own_tags(status=status) == tags
    assert own_tags(status=status, attributes={"error": "own", "a": 1}) == {
        "error": "own",
        **tags,
        "a": "1",
    }


@pytest.mark.parametrize("value", [False, "false", 0, ""])
def test_an_attribute_error_that_says_false_is_removed(value: Any) -> None:
    assert own_tags(attributes={"error": value}) == {}


@pytest.mark.parametrize("value", [True, "true", "no such model"])
def test_an_attribute_error_that_says_something_is_kept(value: Any) -> None:
    assert own_tags(attributes={"error": value}) == {"error": str(value).replace("T", "t")}


def test_the_spans_own_attribute_wins_over_the_resources() -> None:
    tags = one(attributes={"service.namespace": "own", "otel.scope.name": "no"})["tags"]

    assert tags == {**SHARED_TAGS, "service.namespace": "own"}


def test_dropped_counts_are_tags() -> None:
    memory = InMemorySpanExporter()
    limits = SpanLimits(max_span_attributes=1, max_events=1, max_links=1, max_event_attributes=1)
    provider = TracerProvider(resource=RESOURCE, span_limits=limits, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    links = [Link(context(1, 1)), Link(context(2, 2)), Link(context(3, 3))]
    made = provider.get_tracer("asgi", "1.2").start_span(
        "s", attributes={"a": 1, "b": 2}, links=links
    )
    for _ in range(4):
        made.add_event("e", {"x": 1, "y": 2, "z": 3})
    made.end()

    (encoded,) = encode(memory.get_finished_spans())

    assert {name: value for name, value in encoded["tags"].items() if "dropped" in name} == {
        "otel.dropped_attributes_count": "1",
        "otel.dropped_events_count": "3",
        "otel.dropped_links_count": "2",
    }
    (annotation,) = encoded["annotations"]
    assert json.loads(annotation["value"]) == {"e": {"z": 3, "otel.dropped_attributes_count": 2}}


def test_events_are_annotations_with_typed_attributes() -> None:
    attributes = {
        "text": 'a "quote" und ü',
        "yes": True,
        "number": 5,
        "part": 0.5,
        "none": math.nan,
        "large": 1 << 70,
        "list": ("a", 1),
    }
    events = [Event("ünïcode", {}, START + 1_000), Event("named", attributes, START + 2_000)]

    first, second = one(events=events)["annotations"]

    assert first == {"timestamp": START // 1000 + 1, "value": "ünïcode"}
    assert second["timestamp"] == START // 1000 + 2
    assert json.loads(second["value"]) == {
        "named": {**attributes, "none": "NaN", "large": str(1 << 70), "list": ["a", 1]}
    }


@pytest.mark.parametrize(
    ("attributes", "endpoint"),
    [
        ({"peer.service": "db", "server.address": "x"}, {"serviceName": "db"}),
        ({"server.address": "h", "server.port": 80}, {"serviceName": "h", "port": 80}),
        ({"server.address": "192.0.2.1"}, {"ipv4": "192.0.2.1"}),
        ({"net.peer.name": "h", "net.peer.port": 80}, {"serviceName": "h", "port": 80}),
        (
            {"network.peer.address": "2001:db8::1", "network.peer.port": 5},
            {"ipv6": "2001:db8::1", "port": 5},
        ),
        ({"net.sock.peer.addr": "192.0.2.7"}, {"ipv4": "192.0.2.7"}),
        ({"peer.address": "somewhere"}, {"serviceName": "somewhere"}),
        ({"db.name": "orders"}, {"serviceName": "orders"}),
        ({"server.address": "", "db.name": "orders"}, {"serviceName": "orders"}),
        ({"server.address": "h", "server.port": "80"}, {"serviceName": "h"}),
        ({"server.address": "北京"}, {"serviceName": "北京"}),
        ({}, None),
    ],
    ids=str,
)
def test_a_client_names_whom_it_called(
    attributes: dict[str, Any], endpoint: dict[str, Any] | None
) -> None:
    for kind in (SpanKind.CLIENT, SpanKind.PRODUCER):
        assert one(kind=kind, attributes=attributes).get("remoteEndpoint") == endpoint
    for kind in (SpanKind.SERVER, SpanKind.INTERNAL, SpanKind.CONSUMER):
        assert "remoteEndpoint" not in one(kind=kind, attributes=attributes)


def test_spans_of_several_resources_and_scopes_keep_their_own() -> None:
    spans = [
        span(
            resource=Resource({"service.name": service}),
            instrumentation_scope=InstrumentationScope(scope),
        )
        for service in ("one", "two")
        for scope in ("a", "b")
    ]

    encoded = encode(spans + spans)

    assert [
        (item["localEndpoint"]["serviceName"], item["tags"]["otel.scope.name"]) for item in encoded
    ] == [("one", "a"), ("one", "b"), ("two", "a"), ("two", "b")] * 2


def test_what_is_kept_between_batches_is_bounded() -> None:
    encoder = JSONEncoder({})
    for number in range(5000):
        key = f"key {number}"
        made = span(
            name=key,
            attributes={key: 1},
            resource=Resource({"service.name": key}),
            instrumentation_scope=InstrumentationScope(key),
            events=[Event(key, {key: 2}, START)],
        )
        (encoded,) = json.loads(encoder.encode([made]))
        assert encoded["name"] == encoded["localEndpoint"]["serviceName"] == key
        assert encoded["tags"][key] == "1"


TEXT = st.text(max_size=200)
VALUES = st.one_of(
    TEXT,
    st.booleans(),
    st.integers(-(1 << 70), 1 << 70),
    st.floats(),
    st.binary(max_size=50),
    st.lists(TEXT, max_size=4).map(tuple),
)
ATTRIBUTES = st.dictionaries(TEXT, VALUES, max_size=8)


@pytest.mark.one_python
@settings(max_examples=150, suppress_health_check=list(HealthCheck), deadline=None)
@given(
    st.lists(
        st.builds(
            span,
            name=TEXT,
            context=st.builds(context, st.integers(1, (1 << 128) - 1), st.integers(1, UINT64)),
            parent=st.none() | st.builds(context, st.just(1), st.integers(1, UINT64)),
            kind=st.sampled_from(list(SpanKind)),
            attributes=ATTRIBUTES,
            events=st.lists(
                st.builds(Event, TEXT, ATTRIBUTES, st.integers(0, 1 << 62)), max_size=3
            ),
        ),
        max_size=5,
    )
)
def test_any_spans_are_valid_json(spans: list[ReadableSpan]) -> None:
    encoded = encode(spans)

    for got, sent in zip(encoded, spans, strict=True):
        assert got["traceId"] == f"{sent.context.trace_id:032x}"
        assert got["id"] == f"{sent.context.span_id:016x}"
        parent = sent.parent
        assert got.get("parentId") == (f"{parent.span_id:016x}" if parent is not None else None)
        assert got.get("name", "") == sent.name
        assert set(got["tags"]) - set(SHARED_TAGS) | {"error"} == (
            set(sent.attributes) - set(SHARED_TAGS) | {"error"}
        )
        assert all(isinstance(value, str) for value in got["tags"].values())
        for key, value in sent.attributes.items():
            if isinstance(value, str) and key not in {*SHARED_TAGS, "error"}:
                assert got["tags"][key] == value
        assert len(got.get("annotations", [])) == len(sent.events)
