"""What independent readers make of our bytes is what the spans say."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from opentelemetry.trace.span import TraceState

from .spans import RESOURCE, SCOPE, START, UINT64, RoundTrip, context, span

pytest.importorskip(
    "bentotrace.testing.jaeger_thrift", reason="the thrift library reads in these tests"
)
pytest.importorskip("bentotrace.testing.jaeger_protobuf", reason="protobuf reads in these tests")


@pytest.mark.parametrize(
    ("value", "arrives"),
    [
        ("text", "text"),
        ("", ""),
        ("Ärger 北京 🌸", "Ärger 北京 🌸"),
        ("x" * 127, "x" * 127),
        ("x" * 128, "x" * 128),
        ("ü" * 64, "ü" * 64),
        ("x" * 100_000, "x" * 100_000),
        ("lone \ud800 surrogate", "lone ? surrogate"),
        (True, True),
        (False, False),
        (0, 0),
        (63, 63),
        (64, 64),
        (1023, 1023),
        (1024, 1024),
        (-1, -1),
        (-1024, -1024),
        ((1 << 63) - 1, (1 << 63) - 1),
        (-(1 << 63), -(1 << 63)),
        (1 << 63, "9223372036854775808"),
        (-(1 << 63) - 1, "-9223372036854775809"),
        (10**5000, hex(10**5000)),
        (0.0, 0.0),
        (0.1, 0.1),
        (-5e-324, -5e-324),
        (1.7976931348623157e308, 1.7976931348623157e308),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (b"", b""),
        (b"\x00\xff", b"\x00\xff"),
        (b"y" * 300, b"y" * 300),
        (("a", "b"), '["a","b"]'),
        ([1, 2.5, True, None], "[1,2.5,true,null]"),
        ((), "[]"),
        ((math.nan, 1 << 64), '["NaN","18446744073709551616"]'),
        ({"a": {"b": (1,)}}, '{"a":{"b":[1]}}'),
        (("北京", "\ud800"), '["北京","?"]'),
        (None, ""),
    ],
    ids=itertools.count(),
)
def test_a_value_of_every_type_arrives(round_trip: RoundTrip, value: Any, arrives: Any) -> None:
    attributes = {"first": value, "second": value, "ключ": value}

    (received,) = round_trip([span(attributes=attributes, events=[Event("e", attributes, START)])])

    assert received.attributes == {"first": arrives, "second": arrives, "ключ": arrives}
    assert {key: type(item) for key, item in received.attributes.items()} == dict.fromkeys(
        attributes, type(arrives)
    )
    assert received.events[0].attributes == received.attributes


def test_nesting_without_end_arrives_as_text(round_trip: RoundTrip) -> None:
    deep: Any = "bottom"
    for _ in range(5000):
        deep = (deep,)

    (received,) = round_trip([span(attributes={"deep": deep, "flat": 1})])

    assert received.attributes["flat"] == 1
    assert received.attributes["deep"].startswith("[" * 32)


def test_a_value_that_cannot_be_shown_loses_nothing_else(round_trip: RoundTrip) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    (received,) = round_trip([span(attributes={"broken": Broken(), "flat": 1})])

    assert received.attributes == {"broken": "<Broken>", "flat": 1}


@pytest.mark.parametrize("kind", list(SpanKind))
@pytest.mark.parametrize(
    "scope", [None, SCOPE, InstrumentationScope("a"), InstrumentationScope("")]
)
@pytest.mark.parametrize("attributes", [{}, {"a": 1}, {"a": "b", "c": True}])
def test_kind_and_scope_arrive(
    round_trip: RoundTrip,
    kind: SpanKind,
    scope: InstrumentationScope | None,
    attributes: dict[str, Any],
) -> None:
    made = span(kind=kind, instrumentation_scope=scope, attributes=attributes)

    (received,) = round_trip([made])

    assert received.kind == kind.name.lower()
    assert received.attributes == attributes
    assert received.scope_name == (scope.name if scope is not None else "")
    assert received.scope_version == ((scope.version or "") if scope is not None else "")


@pytest.mark.parametrize("scope", [None, SCOPE])
@pytest.mark.parametrize(
    ("status", "arrives"),
    [
        (Status(StatusCode.UNSET), ("unset", "")),
        (Status(StatusCode.OK), ("ok", "")),
        (Status(StatusCode.ERROR), ("error", "")),
        (Status(StatusCode.ERROR, "böse"), ("error", "böse")),
    ],
    ids=["unset", "ok", "error", "described"],
)
def test_a_status_arrives(
    round_trip: RoundTrip,
    status: Status,
    arrives: tuple[str, str],
    scope: InstrumentationScope | None,
) -> None:
    (received,) = round_trip([span(status=status, instrumentation_scope=scope)])

    assert (received.status, received.status_description) == arrives
    assert "error" not in received.attributes


def test_resource_and_service_arrive_once_for_the_batch(round_trip: RoundTrip) -> None:
    one, two = round_trip([span(), span(name="other")])

    expected = {"service.name": "iris", "process.pid": 7, "host.name": "büro"}
    assert one.resource == two.resource == expected
    assert one.service_name == "iris"
    assert one.attributes == {}


@pytest.mark.parametrize("attributes", [{}, {"service.name": ""}])
def test_a_resource_without_a_name_has_the_one_of_the_specification(
    round_trip: RoundTrip, attributes: dict[str, Any]
) -> None:
    (received,) = round_trip([span(resource=Resource(attributes))])

    assert received.service_name == "unknown_service"
    assert received.resource == {"service.name": "unknown_service"}


def test_ids_parents_and_links_arrive(round_trip: RoundTrip) -> None:
    links = [Link(context(3, 4)), Link(context(UINT64 << 64, UINT64), {"a": 1})]

    (received,) = round_trip([span(parent=context(span_id=0xFEDCBA9876543210), links=links)])

    assert received.trace_id == "f0e1d2c3b4a5968778695a4b3c2d1e0f"
    assert received.span_id == "8877665544332211"
    assert received.parent_id == "fedcba9876543210"
    assert [(link.trace_id, link.span_id) for link in received.links] == [
        (f"{3:032x}", f"{4:016x}"),
        ("ffffffffffffffff0000000000000000", "ffffffffffffffff"),
    ]


def test_a_link_to_the_parent_stays_a_link(round_trip: RoundTrip) -> None:
    parent = context(span_id=5)

    (received,) = round_trip([span(parent=parent, links=[Link(parent)])])

    assert received.parent_id == f"{5:016x}"
    assert [link.span_id for link in received.links] == [f"{5:016x}"]


def test_events_arrive_with_name_and_attributes(round_trip: RoundTrip) -> None:
    events = [
        Event("first", {"a": 1, "b": "x"}, START + 1_000),
        Event("", None, START + 2_000),
        Event("the attribute wins", {"event": "named"}, START + 3_000),
    ]

    (received,) = round_trip([span(events=events)])

    assert [(event.name, event.attributes) for event in received.events] == [
        ("first", {"a": 1, "b": "x"}),
        ("", {}),
        ("named", {}),
    ]
    assert [event.time_ns - START for event in received.events] == [1_000, 2_000, 3_000]


def test_microseconds_are_rounded_and_protobuf_keeps_nanoseconds(
    round_trip: RoundTrip, encoding: str
) -> None:
    made = span(
        start_time=START + 1_499,
        end_time=START + 1_499 + 2_500,
        events=[Event("e", {}, START + 1_501)],
    )

    (received,) = round_trip([made])

    times = [received.start_ns, received.end_ns, received.events[0].time_ns]
    if encoding == "protobuf":
        assert [time - START for time in times] == [1_499, 3_999, 1_501]
    else:
        assert [time - START for time in times] == [1_000, 4_000, 2_000]


@pytest.mark.parametrize(
    ("start", "end", "duration"),
    [(None, None, 0), (START, None, 0), (START, START - 1, 0), (0, 5_000, 5_000)],
)
def test_odd_times_do_not_lose_the_span(
    round_trip: RoundTrip, start: int | None, end: int | None, duration: int
) -> None:
    received, good = round_trip([span(start_time=start, end_time=end), span()])

    assert received.start_ns == (start or 0)
    assert received.end_ns - received.start_ns == duration
    assert good.start_ns == START


def test_a_time_beyond_all_fields_does_not_lose_the_batch(round_trip: RoundTrip) -> None:
    far = [
        span(start_time=1 << 100, end_time=1 << 101, events=[Event("e", {}, 1 << 100)]),
        span(start_time=-(1 << 100), end_time=5, events=[Event("e", {}, -5)]),
        span(),
    ]

    received = round_trip(far)

    assert [item.span_id for item in received] == ["8877665544332211"] * 3
    assert received[2].start_ns == START


def test_trace_state_arrives(round_trip: RoundTrip) -> None:
    state = TraceState([("a", "1"), ("b", "2")])

    (received,) = round_trip([span(context=context(state=state))])

    assert received.trace_state == "a=1,b=2"


def test_dropped_counts_arrive(round_trip: RoundTrip) -> None:
    memory = InMemorySpanExporter()
    limits = SpanLimits(max_span_attributes=1, max_events=1, max_links=1, max_event_attributes=1)
    provider = TracerProvider(resource=RESOURCE, span_limits=limits, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    links = [Link(context(1, 1)), Link(context(2, 2)), Link(context(3, 3))]
    made = provider.get_tracer("t").start_span("s", attributes={"a": 1, "b": 2}, links=links)
    for _ in range(4):
        made.add_event("e", {"x": 1, "y": 2, "z": 3})
    made.end()

    (received,) = round_trip(memory.get_finished_spans())

    assert received.dropped_attributes == 1
    assert received.dropped_events == 3
    assert received.dropped_links == 2
    assert received.events[0].attributes == {"z": 3, "otel.dropped_attributes_count": 2}


@pytest.mark.parametrize("count", [1, 14, 15, 63, 64, 70, 300])
def test_lists_of_every_length_arrive(round_trip: RoundTrip, count: int) -> None:
    attributes = {f"key {number}": number for number in range(count)}
    made = span(
        attributes=attributes,
        events=[Event(f"event {number}", {}, START) for number in range(count)],
        links=[Link(context(1, number + 1)) for number in range(count)],
    )

    received = round_trip([*[span()] * (count - 1), made])

    assert len(received) == count
    assert received[-1].attributes == attributes
    assert [event.name for event in received[-1].events] == [f"event {n}" for n in range(count)]
    assert len(received[-1].links) == count


@pytest.mark.one_python
def test_what_is_kept_between_batches_is_bounded(round_trip: RoundTrip) -> None:
    for start in range(0, 5000, 500):
        keys = [f"key {number}" for number in range(start, start + 500)]
        made = [
            span(
                name=key,
                attributes={key: 1},
                resource=Resource({"service.name": key}),
                instrumentation_scope=InstrumentationScope(key),
                events=[Event(key, {key: 2}, START)],
            )
            for key in keys
        ]
        for one in made:
            (received,) = round_trip([one])
            assert received.name == received.service_name == received.scope_name == one.name
            assert received.attributes == {one.name: 1}


def test_events_that_can_be_read_only_once_arrive(round_trip: RoundTrip) -> None:
    (arrived,) = round_trip([span(events=iter([Event("dequeued", {"n": 1}, START)]))])
    assert [event.name for event in arrived.events] == ["dequeued"]
