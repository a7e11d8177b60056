"""The exporters against real receivers, through the whole pipeline."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import SpanContext, TraceFlags

import bentotrace
from bentotrace.delivery.status import DestinationStatus
from bentotrace.plugin import BuildContext
from bentotrace.transport import Outcome

pytest.importorskip("grpc", reason="one of the receivers speaks gRPC with grpcio")
pytest.importorskip("thrift", reason="the receivers decode with the thrift library")

from bentotrace.testing import JaegerGRPCReceiver, JaegerHTTPReceiver, JaegerUDPReceiver

Receiver = Any
Build = Callable[..., bentotrace.Tracing]


@pytest.fixture(params=["udp", "http", "grpc"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


RECEIVERS = {"udp": JaegerUDPReceiver, "http": JaegerHTTPReceiver, "grpc": JaegerGRPCReceiver}


@pytest.fixture
def receiver(transport: str) -> Iterator[Receiver]:
    with RECEIVERS[transport]() as made:
        yield made


def options(transport: str, receiver: Receiver) -> dict[str, Any]:
    if transport == "udp":
        return {"thrift": {"agent_host_name": receiver.host, "agent_port": receiver.port}}
    protocol = "grpc" if transport == "grpc" else "thrift"
    return {"protocol": protocol, "collector_endpoint": receiver.endpoint}


@pytest.fixture
def build(transport: str, receiver: Receiver) -> Iterator[Build]:
    made: list[bentotrace.Tracing] = []

    def build(**jaeger: Any) -> bentotrace.Tracing:
        section = options(transport, receiver)
        for name, value in jaeger.items():
            section[name] = {**section.get(name, {}), **value} if name == "thrift" else value
        source = {"exporter_type": "jaeger", "sample_rate": 1, "timeout": 5, "jaeger": section}
        tracing = bentotrace.build(source)
        made.append(tracing)
        return tracing

    yield build
    for tracing in made:
        tracing.shutdown()


def end_spans(
    tracing: bentotrace.Tracing, *names: str, attributes: dict[str, Any] | None = None
) -> DestinationStatus:
    """End spans, flush, and give the destination's status."""
    tracer = tracing.provider.get_tracer("test")
    for name in names:
        tracer.start_span(name, attributes=attributes).end()
    tracing.flush(10)
    return tracing.status().destinations[0]


only_over_udp = pytest.mark.parametrize("transport", ["udp"], indirect=True)
only_to_collectors = pytest.mark.parametrize("transport", ["http", "grpc"], indirect=True)


def test_spans_arrive(build: Build, receiver: Receiver) -> None:
    status = end_spans(build(), "one", "two")

    assert [span.name for span in receiver.wait(2)] == ["one", "two"]
    assert (status.ended, status.exported, status.failed) == (2, 2, 0)
    assert len(receiver.requests) == 1
    assert receiver.errors == []


def test_every_resource_goes_in_a_batch_of_its_own(transport: str, receiver: Receiver) -> None:
    from bentotrace_jaeger.config import JaegerOptions, ThriftOptions
    from bentotrace_jaeger.exporter import create

    section = options(transport, receiver)
    if transport == "udp":
        section["thrift"] = ThriftOptions(**section["thrift"])
    told: list[tuple[Outcome, int]] = []
    exporter = create(
        JaegerOptions(**section) if transport != "grpc" else _insecure(section),
        BuildContext(
            timeout=5,
            resource=Resource({}),
            service_name="",
            report=lambda outcome, spans: told.append((outcome, spans)),
        ),
    )
    resources = [Resource({"service.name": "one"}), Resource({"service.name": "two"})]
    resources.append(Resource({"service.name": "one"}))
    spans = [
        ReadableSpan(
            f"span {number}",
            SpanContext(1, number + 1, False, TraceFlags(1)),
            resource=resource,
            start_time=5,
            end_time=6,
        )
        for number, resource in enumerate(resources)
    ]

    assert exporter.export(spans) is SpanExportResult.SUCCESS
    received = receiver.wait(3)
    exporter.shutdown()

    assert [(span.service_name, span.name) for span in received] == [
        ("one", "span 0"),
        ("one", "span 2"),
        ("two", "span 1"),
    ]
    assert [(outcome.ok, count) for outcome, count in told] == [(True, 2), (True, 1)]


def _insecure(section: dict[str, Any]) -> Any:
    from bentotrace_jaeger.config import GRPCOptions, JaegerOptions

    return JaegerOptions(**section, grpc=GRPCOptions(insecure=True))


@only_over_udp
def test_nobody_listening_is_a_failure(build: Build, receiver: Receiver) -> None:
    tracing = build()
    receiver.close()

    status = end_spans(tracing, "one", "two")

    assert (status.exported, status.failed) == (0, 2)
    assert status.last_error is not None
    assert status.last_error.reason == f"nothing listens on {receiver.address}/udp"


@only_over_udp
def test_an_oversized_batch_is_split_by_size(build: Build, receiver: Receiver) -> None:
    names = [f"span {number}" for number in range(200)]
    status = end_spans(build(), *names, attributes={"text": "x" * 2000})

    assert sorted(span.name for span in receiver.wait(200)) == sorted(names)
    assert status.exported == 200
    sizes = [request.body_size for request in receiver.requests]
    assert len(sizes) > 5
    assert max(sizes) <= 65_000


@only_over_udp
def test_without_splitting_an_oversized_batch_is_failed_and_counted(
    build: Build, receiver: Receiver
) -> None:
    tracing = build(thrift={"udp_split_oversized_batches": False})

    status = end_spans(tracing, *["span"] * 100, attributes={"text": "x" * 2000})

    assert (status.exported, status.failed) == (0, 100)
    assert status.last_error is not None
    assert status.last_error.kind == "too_large"
    assert "splitting is off" in status.last_error.reason
    assert receiver.requests == []


@only_over_udp
def test_a_span_too_large_alone_is_dropped_alone_and_named(
    build: Build, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    tracing = build()
    tracer = tracing.provider.get_tracer("test")
    for name, size in (("before", 5), ("huge", 70_000), ("after", 5)):
        tracer.start_span(name, attributes={"text": "x" * size}).end()
    tracing.flush(10)
    status = tracing.status().destinations[0]

    assert [span.name for span in receiver.wait(2)] == ["before", "after"]
    assert (status.exported, status.failed) == (2, 1)
    assert "span 'huge' alone is too large (70" in caplog.text
    assert "do not fit in a datagram of 65000" in caplog.text


@only_over_udp
def test_every_span_too_large_alone_is_named_at_debug(
    build: Build, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    names = [f"huge {number}" for number in range(3)]

    status = end_spans(build(), *names, attributes={"text": "x" * 70_000})

    assert status.failed == 3
    for name in names:
        assert f"did not deliver 1 span: span '{name}' alone is too large (70" in caplog.text


@only_over_udp
def test_a_packet_is_no_larger_than_the_option_says(build: Build, receiver: Receiver) -> None:
    end_spans(build(thrift={"max_packet_size": 1000}), *["span"] * 50)

    receiver.wait(50)
    assert max(request.body_size for request in receiver.requests) <= 1000


@only_to_collectors
def test_what_a_collector_finds_too_large_is_halved(
    build: Build, receiver: Receiver, transport: str
) -> None:
    if transport == "http":
        receiver.respond_with(413)
    else:
        receiver.respond_with("RESOURCE_EXHAUSTED", "message larger than max (5 vs. 4)")
    names = [f"span {number}" for number in range(9)]

    status = end_spans(build(), *names)

    assert [span.name for span in receiver.wait(9)] == names
    assert [request.span_count for request in receiver.requests] == [9, 4, 5]
    assert (status.exported, status.failed) == (9, 0)


@pytest.mark.parametrize("transport", ["http"], indirect=True)
def test_a_web_page_is_no_collector(build: Build, receiver: Receiver) -> None:
    receiver.respond_with(200, headers={"content-type": "text/html"}, body=b"<html>hello</html>")

    status = end_spans(build(), "one")

    assert (status.exported, status.failed) == (0, 1)
    assert status.last_error is not None
    assert status.last_error.reason.startswith("the response is a web page")


@only_to_collectors
def test_a_single_offender_is_dropped_alone_and_named(
    build: Build, receiver: Receiver, transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    refusal: tuple[Any, ...] = (413,)
    if transport == "grpc":
        refusal = ("RESOURCE_EXHAUSTED", "message larger than max (5 vs. 4)")
    # All of them, then the first half, then the first of that.
    for _ in range(3):
        receiver.respond_with(*refusal)

    status = end_spans(build(), "huge", "b", "c", "d")

    assert [span.name for span in receiver.wait(3)] == ["b", "c", "d"]
    assert (status.exported, status.failed) == (3, 1)
    assert "span 'huge' alone is too large (" in caplog.text


@only_to_collectors
def test_headers_are_sent(build: Build, receiver: Receiver, transport: str) -> None:
    section = "thrift" if transport == "http" else "grpc"
    end_spans(build(**{section: {"headers": {"X-Api-Key": "k1"}}}), "one")

    (request,) = receiver.requests
    assert request.headers["x-api-key"] == "k1"
    assert request.headers["user-agent"].startswith(f"bentotrace/{bentotrace.__version__}")


@only_to_collectors
def test_a_refusal_is_a_failure_with_reason_and_endpoint(
    build: Build, receiver: Receiver, transport: str
) -> None:
    if transport == "http":
        receiver.respond_with(400, body=b"bad tenant")
    else:
        receiver.respond_with("INVALID_ARGUMENT", "bad tenant")

    status = end_spans(build(), "one", "two")

    assert (status.exported, status.failed) == (0, 2)
    assert status.last_error is not None
    assert "bad tenant" in status.last_error.reason
    assert str(receiver.port) in status.last_error.endpoint


@only_to_collectors
def test_what_is_retryable_is_sent_again(build: Build, receiver: Receiver, transport: str) -> None:
    receiver.respond_with(503 if transport == "http" else "UNAVAILABLE")

    status = end_spans(build(), "one")

    assert (status.exported, status.failed) == (1, 0)
    assert len(receiver.requests) == 2


@pytest.mark.parametrize("transport", ["http"], indirect=True)
def test_user_and_password_are_sent_over_http_and_shown_nowhere(
    build: Build, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    tracing = build(username="me", password="s3cret")

    status = end_spans(tracing, "one")

    (request,) = receiver.requests
    assert request.headers["authorization"] == "Basic bWU6czNjcmV0"
    assert request.headers["content-type"] == "application/x-thrift"
    assert "s3cret" not in repr(tracing.config) + repr(status) + caplog.text
    assert "bWU6czNjcmV0" not in repr(tracing.config) + repr(status) + caplog.text


@pytest.mark.parametrize("transport", ["udp", "http"], indirect=True)
def test_sending_thrift_imports_neither_grpc_nor_thrift_nor_protobuf(
    transport: str, receiver: Receiver
) -> None:
    # An old SDK imports asyncio, and that ssl.
    script = f"""
import sys
import opentelemetry.sdk.trace.export
before = set(sys.modules)
import bentotrace
source = {{"exporter_type": "jaeger", "sample_rate": 1, "jaeger": {options(transport, receiver)!r}}}
with bentotrace.build(source) as tracing:
    tracing.provider.get_tracer("test").start_span("one").end()
assert tracing.status().destinations[0].exported == 1
unwanted = {{"grpc", "google.protobuf", "requests", "thrift", "bentotrace_jaeger.protobuf"}}
if {transport!r} == "udp":
    unwanted |= {{"urllib3", "ssl", "bentotrace_jaeger.binary"}}
loaded = unwanted & (set(sys.modules) - before)
sys.exit(f"imported {{loaded}}" if loaded else 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr
    receiver.wait(1)
