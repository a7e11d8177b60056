"""Spans of our own exporters, on all six wires, and of OpenTelemetry's come back by every API."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

import bentotrace
from bentotrace.ui.server import Viewer

Get = Callable[..., Any]
LINKED = SpanContext(0xABC, 0xDEF, True, TraceFlags(1))


def _options(viewer: Viewer, wire: str) -> dict[str, Any]:
    def url(port: str) -> str:
        return f"http://127.0.0.1:{viewer.port(port)}"

    agent = {"agent_host_name": "127.0.0.1", "agent_port": viewer.port("jaeger_udp")}
    collector = f"{url('jaeger_http')}/api/traces"
    options: dict[str, dict[str, Any]] = {
        "OTLP over HTTP": {
            "exporter_type": "otlp",
            "otlp": {"protocol": "http", "endpoint": f"{url('otlp_http')}/v1/traces"},
        },
        "OTLP over gRPC": {
            "exporter_type": "otlp",
            "otlp": {"protocol": "grpc", "endpoint": url("otlp_grpc")},
        },
        "Jaeger over UDP": {"exporter_type": "jaeger", "jaeger": {"thrift": agent}},
        "Jaeger over HTTP": {
            "exporter_type": "jaeger",
            "jaeger": {"protocol": "thrift", "collector_endpoint": collector},
        },
        "Jaeger over gRPC": {
            "exporter_type": "jaeger",
            "jaeger": {
                "protocol": "grpc",
                "collector_endpoint": f"127.0.0.1:{viewer.port('jaeger_grpc')}",
                "grpc": {"insecure": True},
            },
        },
        "Zipkin": {
            "exporter_type": "zipkin",
            "zipkin": {"endpoint": f"{url('zipkin')}/api/v2/spans"},
        },
    }
    return options[wire]


WIRES = (
    "OTLP over HTTP",
    "OTLP over gRPC",
    "Jaeger over UDP",
    "Jaeger over HTTP",
    "Jaeger over gRPC",
    "Zipkin",
)


def _record(provider: Any) -> str:
    tracer = provider.get_tracer("tests", "1.0")
    with tracer.start_as_current_span(
        "GET /classify",
        kind=SpanKind.SERVER,
        attributes={"http.route": "/classify", "count": 3},
        links=[Link(LINKED)],
    ) as span:
        span.add_event("cache miss", {"key": "k"})
        with tracer.start_as_current_span("SELECT <b>"):
            pass
        span.set_status(Status(StatusCode.ERROR, "boom"))
        return format(span.get_span_context().trace_id, "032x")


def _wait(get: Get, trace_id: str) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = get("/ui/api/traces")["traces"]
        if any(trace["trace_id"] == trace_id and trace["spans"] == 2 for trace in found):
            return
        time.sleep(0.02)
    raise AssertionError(f"{trace_id} has not arrived")


@pytest.mark.parametrize("wire", WIRES)
def test_a_trace_of_any_wire_is_found_by_every_api(
    wire: str, viewer: Viewer, get: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "iris")
    with bentotrace.build({**_options(viewer, wire), "sample_rate": 1.0}) as tracing:
        trace_id = _record(tracing.provider)
        tracing.flush()
    _wait(get, trace_id)

    query = "service:iris kind:server status:error http.route=/classify count=3 duration>1us class"
    (trace,) = get(f"/ui/api/traces?q={query.replace(' ', '%20')}")["traces"]
    assert trace["trace_id"] == trace_id
    assert (trace["root_service"], trace["root_name"]) == ("iris", "GET /classify")
    assert (trace["spans"], trace["errors"], trace["services"]) == (2, 1, {"iris": 2})

    spans = get(f"/ui/api/traces/{trace_id}")["spans"]
    assert [span["name"] for span in spans] == ["GET /classify", "SELECT <b>"]
    assert spans[1]["parent_id"] == spans[0]["span_id"]
    whole = get(f"/ui/api/traces/{trace_id}/spans/{spans[0]['id']}")
    assert whole["attributes"]["http.route"] == "/classify"
    assert str(whole["attributes"]["count"]) == "3"
    assert (whole["status"], whole["status_message"]) == ("error", "boom")
    assert whole["scope"] == {"name": "tests", "version": "1.0"}
    (event,) = whole["events"]
    assert (event["name"], event["attributes"]) == ("cache miss", {"key": "k"})
    if wire != "Zipkin":
        assert [link["span_id"] for link in whole["links"]] == ["0000000000000def"]

    assert get("/api/services")["data"] == ["iris"]
    (jaeger,) = get(
        "/api/traces?service=iris&operation=GET%20/classify&tags=%7B%22error%22%3A%22true%22%7D"
    )["data"]
    assert {span["operationName"] for span in jaeger["spans"]} == {"GET /classify", "SELECT <b>"}
    assert get(f"/api/traces/{trace_id}")["data"] == [jaeger]
    (zipkin,) = get("/api/v2/traces?serviceName=iris&annotationQuery=error", "zipkin")
    assert {span["name"] for span in zipkin} == {"get /classify", "select <b>"}
    assert get(f"/api/v2/trace/{trace_id}", "zipkin") == zipkin


def _upstream(viewer: Viewer, protocol: str) -> SpanExporter:
    if protocol == "http":
        http = pytest.importorskip(
            "opentelemetry.exporter.otlp.proto.http.trace_exporter",
            reason="OpenTelemetry's exporter sends",
        )
        endpoint = f"http://127.0.0.1:{viewer.port('otlp_http')}/v1/traces"
        return http.OTLPSpanExporter(endpoint, compression=http.Compression.Gzip)
    grpc = pytest.importorskip(
        "opentelemetry.exporter.otlp.proto.grpc.trace_exporter",
        reason="OpenTelemetry's exporter sends",
    )
    return grpc.OTLPSpanExporter(f"http://127.0.0.1:{viewer.port('otlp_grpc')}", insecure=True)


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_opentelemetrys_own_exporter_sends_here(protocol: str, viewer: Viewer, get: Get) -> None:
    provider = TracerProvider(resource=Resource({"service.name": "upstream"}))
    provider.add_span_processor(SimpleSpanProcessor(_upstream(viewer, protocol)))
    trace_id = _record(provider)
    provider.shutdown()
    # What was acknowledged can be read: there is nothing to wait for.
    assert get(f"/ui/api/traces/{trace_id}")["trace"]["services"] == {"upstream": 2}


def test_a_download_is_what_was_sent(viewer: Viewer, get: Get) -> None:
    from bentotrace.ui.otlp import decode_document
    from bentotrace.ui.search import read_spans

    provider = TracerProvider(resource=Resource({"service.name": "upstream"}))
    provider.add_span_processor(SimpleSpanProcessor(_upstream(viewer, "http")))
    trace_id = _record(provider)
    provider.shutdown()
    decoded = decode_document(get(f"/ui/api/traces/{trace_id}/otlp"))
    assert decoded.spans == [span for _, span in read_spans(viewer.store, trace_id)]
