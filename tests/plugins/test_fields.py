"""Spans arrive with every field that ``docs/fields.md`` promises."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.span import TraceState

import bentotrace
from bentotrace.encoding import PlainEvent, PlainLink, PlainSpan
from bentotrace.plugin import BuildContext

for reader in ("grpc", "google.protobuf", "opentelemetry.proto.trace.v1.trace_pb2", "thrift"):
    pytest.importorskip(reader, reason="the extra testing reads what arrives")

ROOT = Path(__file__).parents[2]
START, END, EVENT = 1_700_000_000_000_000_000, 1_700_000_000_005_000_000, 1_700_000_000_001_000_000
TRACE_ID, SPAN_ID, PARENT_ID = 0xF0E1D2C3B4A5968778695A4B3C2D1E0F, 0x8877665544332211, 5
LINKED = SpanContext(1 << 100, 7, True, TraceFlags(1), TraceState([("link", "x")]))


def span() -> PlainSpan:
    event = PlainEvent("cache miss", {"key": "k"}, EVENT)
    event.dropped = 2
    link = PlainLink(LINKED, {"why": "retry"})
    link.dropped = 3
    made = PlainSpan(
        "GET /classify",
        context=SpanContext(
            TRACE_ID, SPAN_ID, False, TraceFlags(3), TraceState([("vendor", "abc")])
        ),
        parent=SpanContext(TRACE_ID, PARENT_ID, True, TraceFlags(1)),
        resource=Resource({"service.name": "iris", "process.pid": 7}, "https://example.com/r"),
        attributes={"text": "t", "count": 3, "list": ("a", "b"), "error": "own"},
        events=[event],
        links=[link],
        kind=SpanKind.SERVER,
        status=Status(StatusCode.ERROR, "boom"),
        start_time=START,
        end_time=END,
        instrumentation_scope=InstrumentationScope(
            "asgi", "1.2", "https://example.com/s", {"own": True}
        ),
    )
    made.dropped = (4, 5, 6)
    return made


def call() -> PlainSpan:
    """Return a span of a client, which took no time."""
    return PlainSpan(
        "GET /models",
        context=SpanContext(TRACE_ID, SPAN_ID + 1, False),
        attributes={"server.address": "models.example.com", "server.port": 443},
        kind=SpanKind.CLIENT,
        start_time=START,
        end_time=START,
    )


def step() -> PlainSpan:
    return PlainSpan("step", context=SpanContext(TRACE_ID, SPAN_ID + 2, False))


def send(exporter: str, options: dict[str, Any], *spans: PlainSpan) -> None:
    config = bentotrace.load_config({"exporter_type": exporter, exporter: options})
    (destination,) = config.exporters
    context = BuildContext(timeout=5, resource=span().resource, service_name="iris")
    made = destination.plugin.create(destination.options, context)
    assert made.export(spans or [span()]) is SpanExportResult.SUCCESS
    made.shutdown()


def test_over_otlp() -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    from bentotrace.testing import OTLPHTTPReceiver

    with OTLPHTTPReceiver() as receiver:
        send("otlp", {"protocol": "http", "endpoint": receiver.endpoint})
        (request,) = receiver.requests
    ((resource_spans,),) = (ExportTraceServiceRequest.FromString(request.body).resource_spans,)
    ((scope_spans,),) = (resource_spans.scope_spans,)
    ((got,),) = (scope_spans.spans,)
    assert (got.trace_id.hex(), got.span_id.hex()) == (f"{TRACE_ID:032x}", f"{SPAN_ID:016x}")
    assert got.parent_span_id.hex() == f"{PARENT_ID:016x}"
    assert got.flags == 0x300 | 3
    assert got.trace_state == "vendor=abc"
    assert (got.name, got.kind) == ("GET /classify", 2)
    assert (got.start_time_unix_nano, got.end_time_unix_nano) == (START, END)
    assert {each.key: str(each.value).strip() for each in got.attributes}["count"] == "int_value: 3"
    assert len(got.attributes) == 4
    assert got.dropped_attributes_count == 4
    (event,) = got.events
    assert (event.name, event.time_unix_nano, event.attributes[0].key) == (
        "cache miss",
        EVENT,
        "key",
    )
    assert (event.dropped_attributes_count, got.dropped_events_count) == (2, 5)
    (link,) = got.links
    assert (int(link.trace_id.hex(), 16), int(link.span_id.hex(), 16)) == (1 << 100, 7)
    assert (link.trace_state, link.flags, link.attributes[0].key) == ("link=x", 0x301, "why")
    assert (link.dropped_attributes_count, got.dropped_links_count) == (3, 6)
    assert (got.status.code, got.status.message) == (2, "boom")
    assert {each.key for each in resource_spans.resource.attributes} == {
        "service.name",
        "process.pid",
    }
    assert resource_spans.schema_url == "https://example.com/r"
    scope = scope_spans.scope
    assert (scope.name, scope.version, scope.attributes[0].key) == ("asgi", "1.2", "own")
    assert scope_spans.schema_url == "https://example.com/s"


def jaeger_receivers() -> Iterator[Any]:
    from bentotrace.testing import JaegerGRPCReceiver, JaegerHTTPReceiver, JaegerUDPReceiver

    yield (
        "UDP",
        JaegerUDPReceiver,
        lambda endpoint: {
            "thrift": {
                "agent_host_name": "127.0.0.1",
                "agent_port": int(endpoint.rpartition(":")[2]),
            }
        },
    )
    yield "HTTP", JaegerHTTPReceiver, lambda endpoint: {"collector_endpoint": endpoint}
    yield (
        "gRPC",
        JaegerGRPCReceiver,
        lambda endpoint: {"protocol": "grpc", "grpc": {"endpoint": endpoint, "insecure": True}},
    )


@pytest.mark.parametrize(
    ("receiver", "options"),
    [pytest.param(*case[1:], id=case[0]) for case in jaeger_receivers()],
)
def test_over_jaeger(receiver: Any, options: Any) -> None:
    with receiver() as started:
        send("jaeger", options(started.endpoint))
        (got,) = started.wait(1)
    assert (got.trace_id, got.span_id) == (f"{TRACE_ID:032x}", f"{SPAN_ID:016x}")
    assert got.parent_id == f"{PARENT_ID:016x}"
    assert (got.raw["flags"] if isinstance(got.raw, dict) else got.raw.flags) == 1
    assert (got.trace_state, got.name, got.kind) == ("vendor=abc", "GET /classify", "server")
    assert (got.start_ns, got.end_ns) == (START, END)
    assert got.attributes == {"text": "t", "count": 3, "list": '["a","b"]'}
    assert (got.dropped_attributes, got.dropped_events, got.dropped_links) == (4, 5, 6)
    (event,) = got.events
    assert (event.name, event.time_ns) == ("cache miss", EVENT)
    assert event.attributes == {"key": "k", "otel.dropped_attributes_count": 2}
    (link,) = got.links
    assert (int(link.trace_id, 16), int(link.span_id, 16)) == (1 << 100, 7)
    assert (got.status, got.status_description) == ("error", "boom")
    assert (got.service_name, got.resource["process.pid"]) == ("iris", 7)
    assert (got.scope_name, got.scope_version) == ("asgi", "1.2")


@pytest.mark.parametrize(
    ("receiver", "options"),
    [pytest.param(*case[1:], id=case[0]) for case in jaeger_receivers()],
)
def test_a_call_and_a_step_over_jaeger(receiver: Any, options: Any) -> None:
    with receiver() as started:
        send("jaeger", options(started.endpoint), call(), step())
        called, stepped = sorted(started.wait(2), key=lambda got: str(got.name))
    assert (called.kind, called.start_ns, called.end_ns) == ("client", START, START)
    assert called.attributes == {"server.address": "models.example.com", "server.port": 443}
    assert "span.kind" in str(called.raw)
    assert "span.kind" not in str(stepped.raw)


def test_over_zipkin() -> None:
    from bentotrace.testing import ZipkinReceiver

    with ZipkinReceiver() as receiver:
        send("zipkin", {"endpoint": receiver.endpoint})
        (got,) = receiver.wait(1)
    annotation = {"cache miss": {"key": "k", "otel.dropped_attributes_count": 2}}
    assert got.raw == {
        "traceId": f"{TRACE_ID:032x}",
        "id": f"{SPAN_ID:016x}",
        "parentId": f"{PARENT_ID:016x}",
        "name": "GET /classify",
        "kind": "SERVER",
        "timestamp": START // 1000,
        "duration": 5000,
        "localEndpoint": {"serviceName": "iris"},
        "annotations": [
            {
                "timestamp": EVENT // 1000,
                "value": json.dumps(annotation, separators=(",", ":")),
            }
        ],
        "tags": {
            "text": "t",
            "count": "3",
            "list": '["a","b"]',
            "error": "boom",
            "process.pid": "7",
            "otel.dropped_attributes_count": "4",
            "otel.dropped_events_count": "5",
            "otel.dropped_links_count": "6",
            "otel.status_code": "ERROR",
            "otel.scope.name": "asgi",
            "otel.scope.version": "1.2",
            "otel.library.name": "asgi",
            "otel.library.version": "1.2",
        },
    }


def test_a_call_and_a_step_over_zipkin() -> None:
    from bentotrace.testing import ZipkinReceiver

    with ZipkinReceiver() as receiver:
        send("zipkin", {"endpoint": receiver.endpoint}, call(), step())
        called, stepped = sorted(receiver.wait(2), key=lambda got: str(got.name))
    assert called.raw["remoteEndpoint"] == {"serviceName": "models.example.com", "port": 443}
    assert called.raw["tags"]["server.address"] == "models.example.com"
    assert (called.raw["kind"], called.raw["duration"]) == ("CLIENT", 1)
    assert not {"kind", "remoteEndpoint"} & set(stepped.raw)


def rows() -> dict[str, list[str]]:
    page = (ROOT / "docs" / "fields.md").read_text(encoding="utf-8")
    table = page.partition("<!-- fields -->")[2].partition("<!-- end -->")[0]
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.split("\n")[3:-1]]
    assert {len(line) for line in lines} == {6}
    return {line[0]: line[1:] for line in lines}


def test_the_files_that_the_page_names_exist() -> None:
    files = {name for row in rows().values() for name in re.findall("`([^`]+)`", row[-1])}
    assert files
    assert [name for name in files if not (ROOT / "tests" / "plugins" / name).is_file()] == []


def test_every_field_of_otlp_has_a_row() -> None:
    from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource
    from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

    def fields(message: Any, before: str = "", *not_here: str) -> set[str]:
        names = {field.name.removesuffix("_unix_nano") for field in message.DESCRIPTOR.fields}
        return {f"{before}{name}" for name in names - {*not_here}}

    expected = {
        *fields(Span, "", "events", "links", "status"),
        *fields(Span.Event, "events: "),
        *fields(Span.Link, "links: "),
        *fields(Status, "status."),
        *fields(Resource, "resource "),
        *fields(ResourceSpans, "resource ", "resource", "scope_spans"),
        *fields(InstrumentationScope, "scope "),
        *fields(ScopeSpans, "scope ", "scope", "spans"),
    }
    written = set()
    for row in rows():
        before = re.match(r"(events: |links: |resource |scope |)", row)
        assert before is not None
        names = row.removeprefix(before[0]).partition(":")[0].split(", ")
        written |= {before[0] + name for name in names}
    assert {name for name in expected if name not in written} == set()
