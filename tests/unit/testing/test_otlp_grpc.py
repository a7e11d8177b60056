from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

grpc = pytest.importorskip("grpc", reason="the receiver speaks gRPC with grpcio")
pytest.importorskip("opentelemetry.proto", reason="the receiver decodes with opentelemetry-proto")

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: E402
    ExportTraceServiceResponse,
)

from bentotrace.testing import OTLPGRPCReceiver  # noqa: E402

upstream = pytest.importorskip(
    "opentelemetry.exporter.otlp.proto.grpc.trace_exporter",
    reason="opentelemetry-exporter-otlp-proto-grpc sends in these tests",
)


def test_a_span_of_upstreams_exporter_arrives_whole(sdk_spans: list[Any]) -> None:
    with OTLPGRPCReceiver() as receiver:
        sender = upstream.OTLPSpanExporter(
            endpoint=receiver.endpoint,
            headers={"x-token": "abc"},
            compression=grpc.Compression.Gzip,
            timeout=10,
        )
        assert sender.export(sdk_spans).name == "SUCCESS"
        sender.shutdown()
        child, parent, alone = receiver.wait(3)
    assert (child.name, child.parent_id, child.kind) == ("child", parent.span_id, "client")
    assert (parent.name, alone.name) == ("parent", "alone")
    assert child.attributes == {"text": "ü", "yes": True, "n": -5, "x": 0.5, "list": ("a", "b")}
    assert child.end_ns == sdk_spans[0].end_time
    assert receiver.requests[0].headers["x-token"] == "abc"


def test_upstreams_exporter_trusts_its_certificate(
    sdk_spans: list[Any], certificates: SimpleNamespace
) -> None:
    server = grpc.ssl_server_credentials([(certificates.key, certificates.chain)])
    with OTLPGRPCReceiver(credentials=server) as receiver:
        sender = upstream.OTLPSpanExporter(
            endpoint=receiver.endpoint,
            credentials=grpc.ssl_channel_credentials(certificates.ca),
            timeout=10,
        )
        assert sender.export(sdk_spans).name == "SUCCESS"
        sender.shutdown()
        assert len(receiver.wait(3)) == 3


def test_a_partial_success_keeps_all_but_the_rejected_spans(sdk_spans: list[Any]) -> None:
    with OTLPGRPCReceiver() as receiver:
        sender = upstream.OTLPSpanExporter(endpoint=receiver.endpoint, timeout=10)
        sender.export(sdk_spans)
        sender.shutdown()
        body = receiver.requests[0].body
        receiver.clear()
        receiver.respond_with_partial_success(1, "too old")
        with grpc.insecure_channel(receiver.address) as channel:
            answer = channel.unary_unary(receiver_method(receiver))(body, timeout=10.0)
        partial = ExportTraceServiceResponse.FromString(answer).partial_success
        assert (partial.rejected_spans, partial.error_message) == (1, "too old")
        assert [span.name for span in receiver.spans] == ["child", "parent"]


def receiver_method(receiver: OTLPGRPCReceiver) -> str:
    return f"/{receiver.service}/{receiver.method}"
