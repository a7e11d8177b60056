"""The exporter against real receivers, through the whole pipeline."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import bentotrace
from bentotrace.pipeline.status import DestinationStatus

pytest.importorskip("opentelemetry.proto", reason="the receivers decode with opentelemetry-proto")
pytest.importorskip("grpc", reason="one of the receivers speaks gRPC with grpcio")

from bentotrace.testing import OTLPGRPCReceiver, OTLPHTTPReceiver

Receiver = Any
Build = Callable[..., bentotrace.Tracing]


@pytest.fixture(params=["http", "grpc"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def receiver(protocol: str) -> Iterator[Receiver]:
    with OTLPHTTPReceiver() if protocol == "http" else OTLPGRPCReceiver() as made:
        yield made


@pytest.fixture
def build(protocol: str, receiver: Receiver) -> Iterator[Build]:
    made: list[bentotrace.Tracing] = []

    def build(**otlp: Any) -> bentotrace.Tracing:
        options = {"protocol": protocol, "endpoint": receiver.endpoint, **otlp}
        tracing = bentotrace.build(
            {"exporter_type": "otlp", "sample_rate": 1.0, "timeout": 3, "otlp": options}
        )
        made.append(tracing)
        return tracing

    yield build
    for tracing in made:
        tracing.shutdown()


def end_spans(tracing: bentotrace.Tracing, *names: str) -> DestinationStatus:
    """End spans, flush, and give the destination's status."""
    tracer = tracing.provider.get_tracer("test")
    for name in names:
        tracer.start_span(name).end()
    tracing.flush(10)
    return tracing.status().destinations[0]


def test_spans_arrive(build: Build, receiver: Receiver) -> None:
    status = end_spans(build(), "one", "two")

    assert [span.name for span in receiver.wait(2)] == ["one", "two"]
    assert (status.ended, status.exported, status.failed) == (2, 2, 0)
    assert status.last_error is None


def test_headers_of_the_protocol_are_sent(build: Build, receiver: Receiver, protocol: str) -> None:
    end_spans(build(**{protocol: {"headers": {"X-Api-Key": "k1"}}}), "one")

    (request,) = receiver.requests
    assert request.headers["x-api-key"] == "k1"
    assert request.headers["user-agent"].startswith(f"bentotrace/{bentotrace.__version__}")


def test_gzip_arrives_as_the_same_spans(build: Build, receiver: Receiver, protocol: str) -> None:
    names = [f"span {number}" for number in range(200)]
    end_spans(build(compression="gzip"), *names)

    assert [span.name for span in receiver.wait(200)] == names
    # grpcio does not tell a server how a message was compressed.
    assert receiver.requests[0].encoding == ("gzip" if protocol == "http" else "")


def test_a_partial_success_is_counted_and_explained(build: Build, receiver: Receiver) -> None:
    receiver.respond_with_partial_success(1, "no room")

    status = end_spans(build(), "one", "two", "three")

    assert (status.exported, status.failed) == (2, 1)
    assert status.last_error is not None
    assert status.last_error.kind == "partial"
    assert status.last_error.reason.endswith("refused 1 of its spans: no room")
    assert len(receiver.spans) == 2


def test_an_answer_with_a_message_but_no_rejection_is_a_success(
    build: Build, receiver: Receiver
) -> None:
    receiver.respond_with_partial_success(0, "you use an old version")

    status = end_spans(build(), "one")

    assert (status.exported, status.failed) == (1, 0)


def test_a_refusal_is_a_failure_with_reason_and_endpoint(
    build: Build, receiver: Receiver, protocol: str
) -> None:
    if protocol == "http":
        receiver.respond_with(400, body=b"bad tenant")
    else:
        receiver.respond_with("INVALID_ARGUMENT", "bad tenant")

    status = end_spans(build(), "one", "two")

    assert (status.exported, status.failed) == (0, 2)
    assert status.last_error is not None
    assert "bad tenant" in status.last_error.reason
    assert str(receiver.port) in status.last_error.endpoint


def test_what_is_retryable_is_sent_again(build: Build, receiver: Receiver, protocol: str) -> None:
    if protocol == "http":
        receiver.respond_with(503)
    else:
        receiver.respond_with("UNAVAILABLE")

    status = end_spans(build(), "one")

    assert (status.exported, status.failed) == (1, 0)
    assert len(receiver.requests) == 2
    assert [span.name for span in receiver.spans] == ["one"]


def test_a_web_page_is_no_receiver() -> None:
    with OTLPHTTPReceiver() as receiver:
        receiver.respond_with(
            200, headers={"content-type": "text/html"}, body=b"<html>hello</html>"
        )
        options = {"protocol": "http", "endpoint": receiver.endpoint}
        with bentotrace.build(
            {"exporter_type": "otlp", "sample_rate": 1, "otlp": options}
        ) as tracing:
            status = end_spans(tracing, "one")

    assert status.failed == 1
    assert status.last_error is not None
    assert status.last_error.reason.startswith("a web page answered")


def test_the_credentials_of_an_endpoint_are_shown_nowhere(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    with OTLPHTTPReceiver() as receiver:
        endpoint = receiver.endpoint.replace("http://", "http://user:s3cret@")
        options = {"protocol": "http", "endpoint": endpoint}
        with bentotrace.build(
            {"exporter_type": "otlp", "sample_rate": 1, "otlp": options}
        ) as tracing:
            status = end_spans(tracing, "one")
        (request,) = receiver.requests

    assert request.headers["authorization"].startswith("Basic ")
    assert "s3cret" not in repr(tracing.config) + repr(status) + caplog.text


def test_building_opens_no_connection_and_starts_no_thread(
    build: Build, receiver: Receiver
) -> None:
    before = threading.active_count()

    tracing = build()

    assert threading.active_count() == before
    tracing.shutdown()
    assert receiver.requests == []


def test_two_exporters_of_one_configuration_are_independent(
    build: Build, receiver: Receiver
) -> None:
    first, second = build(), build()
    first.shutdown()

    assert end_spans(second, "one").exported == 1
    assert [span.name for span in receiver.wait(1)] == ["one"]


def test_sending_over_http_imports_neither_grpc_nor_protobuf() -> None:
    script = """
import sys
import bentotrace
options = {"protocol": "http", "endpoint": "http://127.0.0.1:9"}
source = {"exporter_type": "otlp", "sample_rate": 1, "timeout": 0.1, "otlp": options}
with bentotrace.build(source) as tracing:
    tracing.provider.get_tracer("test").start_span("one").end()
assert tracing.status().destinations[0].failed == 1
loaded = {"grpc", "google.protobuf", "requests"} & set(sys.modules)
sys.exit(f"imported {loaded}" if loaded else 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr
