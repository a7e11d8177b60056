from __future__ import annotations

import json
import secrets
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import urllib3
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from .backends import Jaeger, Reference, Tag, Zipkin, parse_location
from .processes import ServerNotStartedError, running

pytestmark = pytest.mark.e2e


def post(url: str, body: bytes, content_type: str) -> int:
    with urllib3.PoolManager(retries=False, timeout=5.0) as http:
        return http.request("POST", url, body=body, headers={"Content-Type": content_type}).status


def otlp_request(trace_id: bytes, service: str, start: int) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    attribute = resource.resource.attributes.add(key="service.name")
    attribute.value.string_value = service
    spans = resource.scope_spans.add().spans
    parent = spans.add(
        trace_id=trace_id,
        span_id=bytes(7) + b"\x01",
        name="parent",
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=start,
        end_time_unix_nano=start + 2_000_000,
    )
    parent.status.code = Status.STATUS_CODE_ERROR
    child = spans.add(
        trace_id=trace_id,
        span_id=bytes(7) + b"\x02",
        parent_span_id=parent.span_id,
        name="child",
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=start + 500_000,
        end_time_unix_nano=start + 1_500_000,
    )
    child.attributes.add(key="large").value.int_value = 2**60 + 1
    child.attributes.add(key="whole").value.double_value = 3.0
    child.attributes.add(key="yes").value.bool_value = True
    event = child.events.add(name="retry", time_unix_nano=start + 600_000)
    event.attributes.add(key="attempt").value.int_value = 2
    return request


def test_jaeger_gives_back_the_spans_it_was_sent_over_otlp(jaeger: Jaeger) -> None:
    trace_id = secrets.token_bytes(16)
    service = f"raw-{trace_id.hex()[:8]}"
    start = time.time_ns() // 1000 * 1000
    status = post(
        f"{jaeger.url(jaeger.otlp_http)}/v1/traces",
        otlp_request(trace_id, service, start).SerializeToString(),
        "application/x-protobuf",
    )

    trace = jaeger.trace(trace_id.hex(), spans=2)

    assert status == 200
    assert trace.trace_id == trace_id.hex()
    parent, child = trace.spans
    assert (parent.name, parent.span_id, parent.parent_id) == ("parent", "0000000000000001", None)
    assert parent.service == child.service == service
    assert parent.start == start // 1000
    assert parent.duration == 2000
    assert parent.tag("error") == Tag("error", "bool", True)
    assert child.references == (Reference("CHILD_OF", trace_id.hex(), parent.span_id),)
    assert child.parent_id == parent.span_id
    assert child.tags == (
        Tag("large", "int64", 2**60 + 1),
        Tag("span.kind", "string", "client"),
        Tag("whole", "float64", 3.0),
        Tag("yes", "bool", True),
    )
    assert [log.timestamp for log in child.logs] == [start // 1000 + 600]
    assert child.logs[0].fields == (Tag("attempt", "int64", 2), Tag("event", "string", "retry"))
    assert service in jaeger.services()
    assert jaeger.traces(service) == (trace,)


def test_zipkin_gives_back_the_spans_it_was_sent_as_json(zipkin: Zipkin) -> None:
    trace_id = secrets.token_hex(16)
    span: dict[str, Any] = {
        "traceId": trace_id,
        "id": "0000000000000001",
        "name": "parent",
        "kind": "SERVER",
        "timestamp": time.time_ns() // 1000,
        "duration": 2000,
        "localEndpoint": {"serviceName": f"raw-{trace_id[:8]}"},
        "annotations": [{"timestamp": time.time_ns() // 1000, "value": "retry"}],
        "tags": {"city": "Zürich"},
    }
    child = {**span, "id": "0000000000000002", "parentId": span["id"], "name": "child"}
    body = json.dumps([span, child]).encode()

    assert post(f"{zipkin.url}/api/v2/spans", body, "application/json") == 202
    assert sorted(zipkin.trace(trace_id, spans=2), key=lambda found: found["id"]) == [span, child]
    assert f"raw-{trace_id[:8]}" in zipkin.services()


def test_waiting_for_spans_that_were_not_sent_ends_with_what_arrived(
    jaeger: Jaeger, zipkin: Zipkin
) -> None:
    trace_id = secrets.token_bytes(16)
    request = otlp_request(trace_id, "raw", time.time_ns())
    url = f"{jaeger.url(jaeger.otlp_http)}/v1/traces"
    post(url, request.SerializeToString(), "application/x-protobuf")
    jaeger.trace(trace_id.hex(), spans=2)

    started = time.monotonic()
    with pytest.raises(AssertionError, match=r"for 3 spans, the server has 2: child, parent"):
        jaeger.trace(trace_id.hex(), spans=3, within=0.2)
    with pytest.raises(AssertionError, match=r"for 1 spans, the server has 2: child, parent"):
        jaeger.trace(trace_id.hex(), spans=1)
    with pytest.raises(AssertionError, match=r"for any span, the server has 0"):
        jaeger.trace(secrets.token_hex(16), within=0.2)
    with pytest.raises(AssertionError, match=r"for 1 spans, the server has 0"):
        zipkin.trace(secrets.token_hex(16), spans=1, within=0.2)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("print('no storage')", r"ended; its log:\nno storage"),
        ("import time; print('busy', flush=True); time.sleep(60)", r"0\.5 s; its log:\nbusy"),
    ],
)
def test_a_server_that_does_not_start_is_reported_with_its_log(
    code: str, complaint: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", code]
    # Port 9 is the discard service: nothing answers HTTP there.
    server = running(command, log=tmp_path / "log", health="http://127.0.0.1:9/", within=0.5)

    started = time.monotonic()
    with pytest.raises(ServerNotStartedError, match=complaint), server:
        pass
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("127.0.0.1", ("127.0.0.1", {})),
        (" ::1 ", ("::1", {})),
        ("traces.test query=26686", ("traces.test", {"query": 26686})),
        ("localhost,otlp=1, query=65535", ("localhost", {"otlp": 1, "query": 65535})),
    ],
)
def test_the_place_of_a_running_server_is_a_host_and_ports(
    text: str, location: tuple[str, dict[str, int]]
) -> None:
    assert parse_location(text, ["otlp", "query"]) == location


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", r"expected HOST"),
        ("query=1", r"expected HOST"),
        ("localhost qwery=1", r"'qwery' is not one of otlp, query"),
        ("localhost query=http", r"'query=http' names no port"),
        ("localhost query=0", r"'query=0' names no port"),
        ("localhost query=65536", r"'query=65536' names no port"),
    ],
)
def test_a_place_that_cannot_be_read_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_location(text, ["otlp", "query"])
