"""Spans sent to a real Zipkin, and read back from its API."""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

import bentotrace
from bentotrace.discovery.registry import load
from bentotrace.plugin import BuildContext

from .backends import Zipkin

START = 1_700_000_000_123_456_000
SCOPE = InstrumentationScope("iris.service", "1.2.3")
SCOPE_TAGS = {
    "otel.scope.name": "iris.service",
    "otel.library.name": "iris.service",
    "otel.scope.version": "1.2.3",
    "otel.library.version": "1.2.3",
}

Section = tuple[str, dict[str, Any]]
Send = Callable[[Sequence[ReadableSpan]], None]


@pytest.fixture(params=["uncompressed", "gzip", "kafka"])
def way(request: pytest.FixtureRequest) -> str:
    """How the spans reach Zipkin."""
    return str(request.param)


@pytest.fixture
def zipkin(way: str, zipkin: Zipkin, request: pytest.FixtureRequest) -> Zipkin:
    """Return the Zipkin that they reach."""
    found: Zipkin = request.getfixturevalue("kafka_zipkin") if way == "kafka" else zipkin
    return found


@pytest.fixture
def local(way: str) -> dict[str, Any]:
    """Return the address of the service in a span; Kafka's exporter has no options for it."""
    return {} if way == "kafka" else LOCAL


@pytest.fixture
def section(way: str, zipkin: Zipkin, request: pytest.FixtureRequest) -> Section:
    """Return the exporter and its options."""
    if way == "kafka":
        kafka = request.getfixturevalue("kafka")
        return "kafka", {"brokers": kafka.address, "encoding": "zipkin_json"}
    return "zipkin", {
        "endpoint": zipkin.url,
        "compression": "gzip" if way == "gzip" else "none",
        "local_node_ipv4": "192.0.2.1",
        "local_node_ipv6": "2001:db8::1",
        "local_node_port": 8080,
    }


@pytest.fixture
def send(way: str, section: Section) -> Send:
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
        status = None if way == "kafka" else "202"
        assert [(outcome.status, count) for outcome, count in told] == [(status, len(spans))]
        assert result is SpanExportResult.SUCCESS

    return send


def context(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, False, TraceFlags(1))


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


LOCAL = {"ipv4": "192.0.2.1", "ipv6": "2001:db8::1", "port": 8080}


def test_what_arrives_is_what_was_sent_field_by_field(
    send: Send, local: dict[str, Any], zipkin: Zipkin
) -> None:
    trace_id = new_trace_id()
    resource = Resource(
        {"service.name": "iris", "service.namespace": "shop", "replica": 2, "canary": True}
    )
    root = span(
        trace_id,
        0xFFFFFFFFFFFFFFFF,
        name="post /classify 北京",
        kind=SpanKind.SERVER,
        resource=resource,
        status=Status(StatusCode.ERROR, "no such model: böse"),
        attributes={
            "text": 'a "quote", ünïcode 🌸 and \\',
            "empty": "",
            "yes": True,
            "no": False,
            "largest": (1 << 63) - 1,
            "part": 0.25,
            "texts": ("a", "ü"),
            "numbers": (1, 2),
        },
        events=[
            Event("exception", {"exception.type": "KeyError", "n": 3}, START + 1_000_000),
            Event("plain", {}, START + 2_000_000),
        ],
    )
    child = span(
        trace_id,
        2,
        name="load",
        kind=SpanKind.CLIENT,
        parent=context(trace_id, 0xFFFFFFFFFFFFFFFF),
        resource=resource,
        start_time=START + 1_000_000,
        end_time=START + 1_000_400,
        attributes={"server.address": "models.example.com", "server.port": 443, "error": False},
        status=Status(StatusCode.OK),
    )

    send([root, child])

    received = {item["id"]: item for item in zipkin.trace(f"{trace_id:032x}", spans=2)}
    process = {"service.namespace": "shop", "replica": "2", "canary": "true"}
    first = received["ffffffffffffffff"]
    exception, plain = first.pop("annotations")
    assert first == {
        "traceId": f"{trace_id:032x}",
        "id": "ffffffffffffffff",
        "kind": "SERVER",
        "name": "post /classify 北京",
        "timestamp": START // 1000,
        "duration": 5000,
        "localEndpoint": {"serviceName": "iris", **local},
        "tags": {
            **SCOPE_TAGS,
            **process,
            "otel.status_code": "ERROR",
            "error": "no such model: böse",
            "text": 'a "quote", ünïcode 🌸 and \\',
            "empty": "",
            "yes": "true",
            "no": "false",
            "largest": "9223372036854775807",
            "part": "0.25",
            "texts": '["a","ü"]',
            "numbers": "[1,2]",
        },
    }
    assert exception["timestamp"] == START // 1000 + 1000
    assert json.loads(exception["value"]) == {"exception": {"exception.type": "KeyError", "n": 3}}
    assert plain == {"timestamp": START // 1000 + 2000, "value": "plain"}
    assert received["0000000000000002"] == {
        "traceId": f"{trace_id:032x}",
        "id": "0000000000000002",
        "parentId": "ffffffffffffffff",
        "kind": "CLIENT",
        "name": "load",
        "timestamp": START // 1000 + 1000,
        "duration": 1,
        "localEndpoint": {"serviceName": "iris", **local},
        "remoteEndpoint": {"serviceName": "models.example.com", "port": 443},
        "tags": {
            **SCOPE_TAGS,
            **process,
            "otel.status_code": "OK",
            "server.address": "models.example.com",
            "server.port": "443",
        },
    }


@pytest.mark.parametrize("kind", list(SpanKind))
def test_every_kind_arrives(send: Send, zipkin: Zipkin, kind: SpanKind) -> None:
    trace_id = new_trace_id()

    send([span(trace_id, 1, kind=kind)])

    (received,) = zipkin.trace(f"{trace_id:032x}", spans=1)
    assert received.get("kind", "INTERNAL") == kind.name


def test_a_trace_id_with_a_high_half_of_zero_arrives(send: Send, zipkin: Zipkin) -> None:
    trace_id = secrets.randbits(64) | 1 << 63

    send([span(trace_id, 1)])

    (received,) = zipkin.trace(f"{trace_id:032x}", spans=1)
    assert received["traceId"].zfill(32) == f"{trace_id:032x}"


def test_spans_of_several_services_in_one_export_keep_their_own(send: Send, zipkin: Zipkin) -> None:
    trace_id = new_trace_id()
    services = ["one", "two", "one", "three"]
    spans = [
        span(trace_id, number + 1, resource=Resource({"service.name": service, "of": service}))
        for number, service in enumerate(services)
    ]

    send(spans)

    received = sorted(zipkin.trace(f"{trace_id:032x}", spans=4), key=lambda item: item["id"])
    assert [item["localEndpoint"]["serviceName"] for item in received] == services
    assert [item["tags"]["of"] for item in received] == services


def test_odd_values_arrive_as_something_sensible(send: Send, zipkin: Zipkin) -> None:
    trace_id = new_trace_id()
    deep: Any = "bottom"
    for _ in range(1000):
        deep = (deep,)
    odd = {
        "beyond": 1 << 64,
        "far beyond": 10**5000,
        "nan": math.nan,
        "infinite": -math.inf,
        "bytes": b"\x00a\xff",
        "surrogate": "a\ud800b",
        "nothing": None,
        "mapping": {"a": (1, b"x")},
        "very long": "y" * 20_000,
        "deep": deep,
    }
    spans = [span(trace_id, 1, name="odd", attributes=odd, events=[Event("e", odd, START)])]
    spans += [span(trace_id, number) for number in range(2, 10)]

    send(spans)

    received = {item["name"]: item for item in zipkin.trace(f"{trace_id:032x}", spans=9)}
    tags = received["odd"]["tags"]
    assert tags.pop("deep").startswith("[" * 32)
    assert tags == {
        **SCOPE_TAGS,
        "beyond": "18446744073709551616",
        "far beyond": hex(10**5000),
        "nan": "NaN",
        "infinite": "-Infinity",
        "bytes": "\x00a\ufffd",
        "surrogate": "a?b",
        "nothing": "",
        "mapping": '{"a":[1,"x"]}',
        "very long": "y" * 20_000,
    }
    (annotation,) = received["odd"]["annotations"]
    attributes = json.loads(annotation["value"])["e"]
    assert attributes["nan"] == "NaN"
    assert attributes["beyond"] == "18446744073709551616"


def test_2000_spans_with_2_kilobytes_of_attributes_arrive_whole(
    section: Section, zipkin: Zipkin
) -> None:
    name, options = section
    tracing = bentotrace.build(
        {
            "exporter_type": name,
            "sample_rate": 1,
            "resource": {"attributes": {"service.name": "burst"}},
            name: options,
        }
    )
    tracer = tracing.provider.get_tracer("burst")
    with tracer.start_as_current_span("root") as root:
        for number in range(1999):
            tracer.start_span(f"span {number}", attributes={"text": "x" * 2000}).end()
    tracing.shutdown()
    status = tracing.status().destinations[0]

    assert (status.ended, status.exported, status.failed) == (2000, 2000, 0)
    trace_id = f"{root.get_span_context().trace_id:032x}"
    received = zipkin.trace(trace_id, spans=2000, within=20)
    assert {item["name"] for item in received} == {"root", *(f"span {n}" for n in range(1999))}
    assert sum(item["tags"].get("text") == "x" * 2000 for item in received) == 1999
