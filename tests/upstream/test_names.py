"""OpenTelemetry's own exporters run by their entry-point names, with their options checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import bentotrace
from bentotrace.exceptions import ConfigError
from bentotrace.testing import (
    JaegerGRPCReceiver,
    JaegerHTTPReceiver,
    JaegerUDPReceiver,
    OTLPGRPCReceiver,
    OTLPHTTPReceiver,
    ReceivedSpan,
    ZipkinReceiver,
)
from bentotrace.testing.http_server import HTTPReceiver, Response

Receiver = Any


class ZipkinProtoReceiver(HTTPReceiver):
    """Receives Zipkin's protobuf, which only upstream sends, and reads it with their messages."""

    path = "/api/v2/spans"
    content_types = frozenset({"application/x-protobuf"})
    success = Response(202)

    def decode(self, body: bytes) -> list[ReceivedSpan]:
        from opentelemetry.exporter.zipkin.proto.http.v2.gen import zipkin_pb2

        return [
            ReceivedSpan(
                trace_id=span.trace_id.hex(),
                span_id=span.id.hex(),
                name=span.name,
                start_ns=span.timestamp * 1000,
                end_ns=(span.timestamp + span.duration) * 1000,
                service_name=span.local_endpoint.service_name,
            )
            for span in zipkin_pb2.ListOfSpans.FromString(body).spans
        ]


def endpoint(receiver: Receiver) -> dict[str, Any]:
    return {"endpoint": receiver.endpoint}


CASES: dict[str, tuple[Callable[[], Receiver], Callable[[Receiver], dict[str, Any]]]] = {
    "jaeger_thrift": (
        JaegerUDPReceiver,
        lambda it: {"agent_host_name": it.host, "agent_port": it.port},
    ),
    "jaeger_thrift over HTTP": (
        JaegerHTTPReceiver,
        lambda it: {"collector_endpoint": it.endpoint},
    ),
    "jaeger_proto": (
        JaegerGRPCReceiver,
        lambda it: {"collector_endpoint": it.address, "insecure": True},
    ),
    "zipkin_json": (ZipkinReceiver, endpoint),
    "zipkin_proto": (ZipkinProtoReceiver, endpoint),
    "otlp_proto_http": (
        OTLPHTTPReceiver,
        lambda it: {"endpoint": it.endpoint, "headers": {"x-key": "k"}, "compression": "gzip"},
    ),
    "otlp_proto_grpc": (
        OTLPGRPCReceiver,
        lambda it: {"endpoint": it.endpoint, "insecure": True, "headers": {"x-key": "k"}},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_an_exporter_runs_by_its_name(case: str) -> None:
    name = case.partition(" ")[0]
    receiver_class, options = CASES[case]
    with receiver_class() as receiver:
        section = options(receiver)
        source = {
            "exporter_type": name,
            "sample_rate": 1,
            "resource": {"attributes": {"service.name": "iris"}},
            name: section,
        }
        with bentotrace.build(source) as tracing:
            tracing.provider.get_tracer("t").start_span("hello").end()
        status = tracing.status().destinations[0]
        (span,) = receiver.wait(1)
        (request,) = receiver.requests

    assert (span.name, span.service_name) == ("hello", "iris")
    assert (status.ended, status.exported, status.failed) == (1, 1, 0)
    if "headers" in section:
        assert request.headers["x-key"] == "k"
    if "compression" in section:
        assert request.encoding == "gzip"


@pytest.mark.parametrize("name", sorted({case.partition(" ")[0] for case in CASES}))
def test_an_option_that_the_constructor_lacks_is_told_with_the_closest(name: str) -> None:
    wrong, right = ("agent_hostname", "agent_host_name")
    if name == "jaeger_proto":
        wrong, right = ("insecur", "insecure")
    elif name != "jaeger_thrift":
        wrong, right = ("endpiont", "endpoint")

    with pytest.raises(ConfigError) as caught:
        bentotrace.load_config({"exporter_type": name, name: {wrong: "x"}})

    (problem,) = caught.value.problems
    assert problem.message == f"unknown option; did you mean {right}?"


def test_an_option_of_the_wrong_type_is_told() -> None:
    source = {"exporter_type": "jaeger_thrift", "jaeger_thrift": {"agent_port": "6831"}}

    with pytest.raises(ConfigError) as caught:
        bentotrace.load_config(source)

    (problem,) = caught.value.problems
    assert problem.path == "jaeger_thrift.agent_port"
    assert problem.message.startswith("expected a whole number, found text")


def test_a_failure_of_an_exporter_without_reasons_is_still_counted() -> None:
    source = {
        "exporter_type": "zipkin_json",
        "sample_rate": 1,
        "zipkin_json": {"endpoint": "http://127.0.0.1:9/api/v2/spans", "timeout": 1},
    }
    with bentotrace.build(source) as tracing:
        tracing.provider.get_tracer("t").start_span("hello").end()
    status = tracing.status().destinations[0]

    assert (status.exported, status.failed) == (0, 1)
    assert status.last_error is not None
