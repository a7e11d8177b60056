"""The exporter against real receivers, through the whole pipeline."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Link, SpanContext, TraceFlags, TraceState

import bentotrace
from bentotrace.config.load import load_config

from ...servers import Server
from .pipelines import end_spans

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


def test_spans_arrive(build: Build, receiver: Receiver) -> None:
    status = end_spans(build(), "one", "two")

    assert [span.name for span in receiver.wait(2)] == ["one", "two"]
    assert (status.ended, status.exported, status.failed) == (2, 2, 0)
    assert status.last_error is None


class RaisingState(TraceState):
    """A trace state that has an entry, and no text."""

    def to_header(self) -> str:
        raise RuntimeError

    items = to_header  # type: ignore[assignment]


class NoIds(RandomIdGenerator):
    def generate_span_id(self) -> int:
        return 0


def test_a_span_that_is_not_valid_costs_itself_and_is_logged(
    build: Build, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    tracing = build()
    odd = SpanContext(1, 2, False, TraceFlags(1), RaisingState([("a", "b")]))
    tracer = tracing.provider.get_tracer("test")
    for round_ in range(2):
        tracer.start_span("odd", links=[Link(odd)]).end()
        end_spans(tracing, *[f"{round_} {number}" for number in range(5)])
    good, tracing.provider.id_generator = tracing.provider.id_generator, NoIds()
    tracing.provider.get_tracer("without ids").start_span("lost").end()
    # Older SDKs make a tracer anew, with the generator of the moment.
    tracing.provider.id_generator = good
    status = end_spans(tracing, "last")

    names = [span.name for span in receiver.wait(13)]
    assert names == [
        "odd",
        *[f"0 {n}" for n in range(5)],
        "odd",
        *[f"1 {n}" for n in range(5)],
        "last",
    ]
    assert (status.ended, status.exported, status.failed) == (14, 13, 0)
    assert status.dropped_by_reason == {"invalid span": 1}
    odd_field, lost = [record.getMessage() for record in caplog.records]
    assert odd_field.startswith(
        "fields of spans are out of range or of a wrong type and were converted: link.trace_state;"
    )
    assert "dropped 1 span without valid ids" in lost


def test_the_attributes_of_a_service_are_text(receiver: Receiver, protocol: str) -> None:
    attributes = {
        "service.name": "iris",
        "service.instance.id": 7,
        "service.version": 1.5,
        "service.namespace": True,
        "process.pid": 5,
    }
    block = {
        "exporter_type": "otlp",
        "sample_rate": 1.0,
        "otlp": {"protocol": protocol, "endpoint": receiver.endpoint},
        "resource": {"attributes": attributes},
    }
    with bentotrace.build(block) as tracing:
        end_spans(tracing, "one")
        (span,) = receiver.wait(1)

    assert {name: span.resource[name] for name in attributes} == {
        "service.name": "iris",
        "service.instance.id": "7",
        "service.version": "1.5",
        "service.namespace": "true",
        "process.pid": 5,
    }


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


def test_the_guides_header_for_grpc_turns_on_compression() -> None:
    headers = [["grpc-encoding", "gzip"], ["X-Key", "k1"]]
    source = {"exporter_type": "otlp", "otlp": {"grpc": {"headers": headers}}}
    with OTLPGRPCReceiver() as receiver, relay_to(receiver.endpoint) as (endpoint, sent):
        source["otlp"]["endpoint"] = endpoint  # type: ignore[index]
        with bentotrace.build({**source, "sample_rate": 1.0}) as tracing:
            end_spans(tracing, *["the same name"] * 200)
            assert len(receiver.wait(200)) == 200
        assert receiver.requests[0].headers["x-key"] == "k1"

    assert b"the same name" not in sent
    (note,) = tracing.config.notes
    assert str(note).startswith("otlp.grpc.headers has grpc-encoding, which turns on compression")


@contextmanager
def relay_to(endpoint: str) -> Iterator[tuple[str, bytearray]]:
    """Forward a connection; give the endpoint to use, and what is sent there."""
    sent = bytearray()
    host, _, port = endpoint.rpartition("://")[2].rpartition(":")

    def forward(connection: socket.socket) -> None:
        with socket.create_connection((host, int(port)), 10) as server:
            back = threading.Thread(target=copy, args=(server, connection))
            back.start()
            copy(connection, server, sent)
            server.shutdown(socket.SHUT_WR)
            back.join(10)

    relay = Server(forward).start()
    try:
        yield relay.url, sent
    finally:
        relay.stop()


def copy(source: socket.socket, target: socket.socket, kept: bytearray | None = None) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            if kept is not None:
                kept += data
            target.sendall(data)


def test_a_header_of_a_variable_is_checked_for_the_protocol_that_is_spoken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=bl%C3%A9")
    config = load_config({"exporter_type": "otlp", "otlp": {"protocol": "http"}})
    assert config.exporters[0].options.http.headers == {"x-tenant": "blé"}
    assert config.notes == ()
    config = load_config({"exporter_type": "otlp", "otlp": {"protocol": "grpc"}})
    (warning,) = config.notes
    assert str(warning).startswith("OTEL_EXPORTER_OTLP_HEADERS is ignored: x-tenant: its value ")
    assert config.exporters[0].options.grpc.headers == {}


def test_a_partial_success_is_counted_and_explained(build: Build, receiver: Receiver) -> None:
    receiver.respond_with_partial_success(1, "no room")

    status = end_spans(build(), "one", "two", "three")

    assert (status.exported, status.failed) == (2, 1)
    assert status.last_error is not None
    assert status.last_error.kind == "partial"
    assert status.last_error.reason.endswith("rejected 1 of its spans: no room")
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
    assert status.last_error.reason.startswith("the response is a web page")


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
