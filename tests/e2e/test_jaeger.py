"""Spans sent to a real Jaeger over every transport, and read back from its query API."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from attrs import evolve
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.span import TraceState

import bentotrace
from bentotrace.delivery.status import DestinationStatus
from bentotrace.discovery.registry import load
from bentotrace.plugin import BuildContext

from .backends import Jaeger, JaegerSpan, Log, Reference, Tag

START = 1_700_000_000_123_456_000
SCOPE = InstrumentationScope("iris.service", "1.2.3")

JAEGER_TRANSPORTS = ["jaeger-udp", "jaeger-http", "jaeger-grpc", "kafka-jaeger"]
TRANSPORTS = [*JAEGER_TRANSPORTS, "otlp-http", "otlp-grpc", "kafka-otlp"]


Section = tuple[str, dict[str, Any]]


@pytest.fixture
def section(transport: str, jaeger: Jaeger, request: pytest.FixtureRequest) -> Section:
    """Return the exporter and its options."""
    if transport.startswith("kafka"):
        encoding = "jaeger_proto" if transport == "kafka-jaeger" else "otlp_proto"
        kafka = request.getfixturevalue("kafka")
        return "kafka", {"brokers": kafka.address, "encoding": encoding}
    return {
        "jaeger-udp": (
            "jaeger",
            {"thrift": {"agent_host_name": jaeger.host, "agent_port": jaeger.thrift_compact}},
        ),
        "jaeger-http": (
            "jaeger",
            {
                "collector_endpoint": f"{jaeger.url(jaeger.thrift_http)}/api/traces"
                "?format=jaeger.thrift"
            },
        ),
        "jaeger-grpc": (
            "jaeger",
            {"protocol": "grpc", "grpc": {"endpoint": jaeger.url(jaeger.grpc)}},
        ),
        "otlp-http": (
            "otlp",
            {"protocol": "http", "endpoint": jaeger.url(jaeger.otlp_http)},
        ),
        "otlp-grpc": ("otlp", {"endpoint": jaeger.url(jaeger.otlp_grpc)}),
    }[transport]


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


only_jaeger = pytest.mark.parametrize("transport", JAEGER_TRANSPORTS, indirect=True)


@pytest.fixture
def jaeger(transport: str, jaeger: Jaeger, request: pytest.FixtureRequest) -> Jaeger:
    """Return the Jaeger that the spans reach."""
    through_kafka = transport.startswith("kafka")
    found: Jaeger = request.getfixturevalue("kafka_jaeger") if through_kafka else jaeger
    return found


Send = Callable[[Sequence[ReadableSpan]], None]


@pytest.fixture
def send(section: Section) -> Send:
    """Hands spans to the exporter that the plugin makes of the configuration."""
    name, options = section
    config = bentotrace.load_config({"exporter_type": name, name: options})

    def send(spans: Sequence[ReadableSpan]) -> None:
        told = []
        context = BuildContext(
            timeout=10,
            resource=Resource({}),
            service_name="",
            report=lambda outcome, count: told.append((outcome, count)),
        )
        exporter = load(name).create(config.exporters[0].options, context)
        result = exporter.export(spans)
        exporter.shutdown()
        assert all(outcome.ok for outcome, _ in told), told
        assert sum(count for _, count in told) == len(spans)
        assert result is SpanExportResult.SUCCESS

    return send


def context(trace_id: int, span_id: int, state: TraceState | None = None) -> SpanContext:
    return SpanContext(trace_id, span_id, False, TraceFlags(1), state)


def new_trace_id() -> int:
    return secrets.randbits(128) | 1 << 127


def span(trace_id: int, span_id: int, **changes: Any) -> ReadableSpan:
    values: dict[str, Any] = {
        "name": f"span {span_id}",
        "context": context(trace_id, span_id),
        "resource": Resource({"service.name": "iris"}),
        "instrumentation_scope": SCOPE,
        "start_time": START,
        "end_time": START + 5_000_000,
        "attributes": {},
        **changes,
    }
    return ReadableSpan(**values)


def own(tags: Sequence[Tag]) -> tuple[Tag, ...]:
    """Leave out the deprecated twins, which only Jaeger's own formats carry, and the kind.

    Over OTLP a span without a kind is shown as internal.
    """
    return tuple(
        tag
        for tag in tags
        if not tag.key.startswith("otel.library.") and (tag.key, tag.value) != INTERNAL
    )


INTERNAL = ("span.kind", "internal")


def shown(received: JaegerSpan) -> JaegerSpan:
    # A parent that never came is all that Jaeger may complain of.
    return evolve(received, tags=own(received.tags), warnings=())


def tag(key: str, value: Any) -> Tag:
    kinds = {str: "string", bool: "bool", int: "int64", float: "float64"}
    return Tag(key, kinds[type(value)], value)


def tags(**values: Any) -> tuple[Tag, ...]:
    return tuple(sorted(tag(key.replace("__", "."), value) for key, value in values.items()))


SCOPE_TAGS = {"otel__scope__name": "iris.service", "otel__scope__version": "1.2.3"}


def test_what_arrives_is_what_was_sent_field_by_field(send: Send, jaeger: Jaeger) -> None:
    trace_id = new_trace_id()
    other = new_trace_id()
    resource = Resource(
        {"service.name": "iris-büro", "service.version": "7", "replica": 2, "canary": True}
    )
    root = span(
        trace_id,
        0xFFFFFFFFFFFFFFFF,
        name="POST /classify 北京",
        kind=SpanKind.SERVER,
        parent=context(trace_id, 0x8000000000000000),
        resource=resource,
        context=context(trace_id, 0xFFFFFFFFFFFFFFFF, TraceState([("vendor", "one")])),
        status=Status(StatusCode.ERROR, "no such model: böse"),
        attributes={
            "text": 'a "quote", ünïcode 🌸',
            "empty": "",
            "yes": True,
            "no": False,
            "small": 5,
            "largest": (1 << 63) - 1,
            "smallest": -(1 << 63),
            "part": 0.25,
            "tiny": 5e-324,
            "texts": ("a", "ü"),
            "numbers": (1, 2),
            "long": "x" * 5000,
        },
        events=[
            Event("exception", {"exception.type": "KeyError", "n": 3}, START + 1_000_000),
            Event("plain", {}, START + 2_000_000),
        ],
        links=[Link(context(other, 0x1234))],
    )
    child = span(
        trace_id,
        2,
        name="load",
        kind=SpanKind.CLIENT,
        parent=context(trace_id, 0xFFFFFFFFFFFFFFFF),
        resource=resource,
        start_time=START + 1_000_000,
        end_time=START + 1_001_000,
        status=Status(StatusCode.OK),
    )

    send([root, child])

    trace = jaeger.trace(f"{trace_id:032x}", spans=2)
    process = tags(service__version="7", replica=2, canary=True)
    assert shown(trace.span("POST /classify 北京")) == JaegerSpan(
        trace_id=f"{trace_id:032x}",
        span_id="ffffffffffffffff",
        name="POST /classify 北京",
        references=(
            Reference("CHILD_OF", f"{trace_id:032x}", "8000000000000000"),
            Reference("FOLLOWS_FROM", f"{other:032x}", "0000000000001234"),
        ),
        start=START // 1000,
        duration=5000,
        tags=tags(
            **SCOPE_TAGS,
            span__kind="server",
            otel__status_code="ERROR",
            otel__status_description="no such model: böse",
            error=True,
            w3c__tracestate="vendor=one",
            text='a "quote", ünïcode 🌸',
            empty="",
            yes=True,
            no=False,
            small=5,
            largest=(1 << 63) - 1,
            smallest=-(1 << 63),
            part=0.25,
            tiny=5e-324,
            texts='["a","ü"]',
            numbers="[1,2]",
            long="x" * 5000,
        ),
        logs=(
            Log(START // 1000 + 1000, tags(event="exception", exception__type="KeyError", n=3)),
            Log(START // 1000 + 2000, tags(event="plain")),
        ),
        service="iris-büro",
        process_tags=process,
        warnings=(),
    )
    assert shown(trace.span("load")) == JaegerSpan(
        trace_id=f"{trace_id:032x}",
        span_id="0000000000000002",
        name="load",
        references=(Reference("CHILD_OF", f"{trace_id:032x}", "ffffffffffffffff"),),
        start=START // 1000 + 1000,
        duration=1,
        tags=tags(**SCOPE_TAGS, span__kind="client", otel__status_code="OK"),
        logs=(),
        service="iris-büro",
        process_tags=process,
        warnings=(),
    )


@pytest.mark.parametrize("kind", list(SpanKind))
def test_every_kind_arrives(send: Send, jaeger: Jaeger, kind: SpanKind) -> None:
    trace_id = new_trace_id()

    send([span(trace_id, 1, kind=kind)])

    (received,) = jaeger.trace(f"{trace_id:032x}", spans=1).spans
    kinds = [tag.value for tag in received.tags if tag.key == "span.kind"]
    assert (kinds or ["internal"]) == [kind.name.lower()]


def test_a_trace_id_with_a_high_half_of_zero_arrives(send: Send, jaeger: Jaeger) -> None:
    trace_id = secrets.randbits(64) | 1 << 63

    send([span(trace_id, 1)])

    (received,) = jaeger.trace(f"{trace_id:032x}", spans=1).spans
    assert received.trace_id == f"{trace_id:032x}"


def test_spans_of_several_services_in_one_export_keep_their_own(send: Send, jaeger: Jaeger) -> None:
    trace_id = new_trace_id()
    services = ["one", "two", "one", "three", "two"]
    spans = [
        span(trace_id, number + 1, resource=Resource({"service.name": service, "of": service}))
        for number, service in enumerate(services)
    ]

    send(spans)

    received = jaeger.trace(f"{trace_id:032x}", spans=5).spans
    by_id = sorted(received, key=lambda item: item.span_id)
    assert [item.service for item in by_id] == services
    assert [item.process_tags for item in by_id] == [tags(of=service) for service in services]


@only_jaeger
def test_odd_values_arrive_as_something_sensible(send: Send, jaeger: Jaeger) -> None:
    trace_id = new_trace_id()
    deep: Any = "bottom"
    for _ in range(1000):
        deep = (deep,)
    odd = {
        "beyond": 1 << 64,
        "far beyond": 10**5000,
        "nan": math.nan,
        "infinite": -math.inf,
        "bytes": b"\x00\xff",
        "surrogate": "a\ud800b",
        "nothing": None,
        "mapping": {"a": (1, b"x")},
        "mixed": ("a", math.nan, 1 << 70, None),
        "": "a key without a name",
        "very long": "y" * 20_000,
        "deep": deep,
    }
    spans = [span(trace_id, 1, name="odd", attributes=odd, events=[Event("e", odd, START)])]
    spans += [span(trace_id, number) for number in range(2, 10)]

    send(spans)

    trace = jaeger.trace(f"{trace_id:032x}", spans=9)
    received = {tag.key: (tag.type, tag.value) for tag in own(trace.span("odd").tags)}
    assert received.pop("deep")[1].startswith("[" * 32)
    for key in ("otel.scope.name", "otel.scope.version"):
        received.pop(key)
    expected = {
        "beyond": ("string", "18446744073709551616"),
        "far beyond": ("string", hex(10**5000)),
        "nan": ("string", "NaN"),
        "infinite": ("string", "-Infinity"),
        "bytes": ("binary", "AP8="),
        "surrogate": ("string", "a?b"),
        "nothing": ("string", ""),
        "mapping": ("string", '{"a":[1,"x"]}'),
        "mixed": ("string", f'["a","NaN","{1 << 70}",null]'),
        "": ("string", "a key without a name"),
        "very long": ("string", "y" * 20_000),
    }
    assert received == expected
    (log,) = trace.span("odd").logs
    fields = {field.key: (field.type, field.value) for field in log.fields}
    assert {key: fields[key] for key in expected} == expected


@only_jaeger
def test_dropped_counts_arrive(send: Send, jaeger: Jaeger) -> None:
    from opentelemetry.attributes import BoundedAttributes
    from opentelemetry.sdk.util import BoundedList

    trace_id = new_trace_id()
    dropped = {
        "attributes": BoundedAttributes(1, {"a": 1, "b": 2, "c": 3}),
        "events": BoundedList.from_seq(1, [Event("e", {}, START)] * 3),
        "links": BoundedList.from_seq(1, [Link(context(1, 1))] * 4),
    }

    send([span(trace_id, 1, **dropped)])

    (received,) = jaeger.trace(f"{trace_id:032x}", spans=1).spans
    assert received.tag("otel.dropped_attributes_count") == tag("otel.dropped_attributes_count", 2)
    assert received.tag("otel.dropped_events_count").value == 2
    assert received.tag("otel.dropped_links_count").value == 3


def test_2000_spans_with_2_kilobytes_of_attributes_arrive_whole(
    transport: str, section: Section, jaeger: Jaeger
) -> None:
    name, options = section
    tracing = bentotrace.build(
        {
            "exporter_type": name,
            "sample_rate": 1,
            "resource": {"attributes": {"service.name": f"burst-{transport}"}},
            name: options,
        }
    )
    tracer = tracing.provider.get_tracer("burst")
    with tracer.start_as_current_span("root") as root:
        for number in range(1999):
            attributes = {f"part {part}": f"{number:04}" + "x" * 496 for part in range(4)}
            tracer.start_span(f"span {number}", attributes=attributes).end()
    tracing.shutdown()
    status: DestinationStatus = tracing.status().destinations[0]

    assert (status.ended, status.exported, status.failed) == (2000, 2000, 0)
    trace_id = f"{root.get_span_context().trace_id:032x}"
    received = jaeger.trace(trace_id, spans=2000, within=20).spans
    assert {item.name for item in received} == {"root", *(f"span {n}" for n in range(1999))}
    for item in received:
        parts = [tag.value for tag in item.tags if tag.key.startswith("part ")]
        wanted = item.name.removeprefix("span ").zfill(4) + "x" * 496
        assert parts == ([] if item.name == "root" else [wanted] * 4)
