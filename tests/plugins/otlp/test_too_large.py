"""What a receiver over gRPC finds too large is divided; a quota is not asked again and again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import bentotrace
from bentotrace.delivery.status import DestinationStatus

pytest.importorskip("opentelemetry.proto", reason="the receiver decodes with opentelemetry-proto")
pytest.importorskip("grpc", reason="the receiver speaks gRPC with grpcio")

WORDS = {
    "Go": ("RESOURCE_EXHAUSTED", "grpc: received message larger than max (300000 vs. 90000)"),
    "Java": ("RESOURCE_EXHAUSTED", "gRPC message exceeds maximum size 90000: 300000"),
    ".NET": (
        "RESOURCE_EXHAUSTED",
        "Received message exceeds the maximum configured message size.",
    ),
    "Rust": (
        "OUT_OF_RANGE",
        "Error, decoded message length too large: found 300000 bytes, the limit is: 90000 bytes",
    ),
    "C": ("RESOURCE_EXHAUSTED", "SERVER: Received message larger than max (300000 vs. 90000)"),
    "nothing": ("RESOURCE_EXHAUSTED", ""),
}


class Limited:
    """A receiver over gRPC with a limit, in the words of an implementation."""

    def __init__(self, limit: int, code: str, words: str) -> None:
        self.limit, self.code, self.words = limit, code, words
        self.sizes: list[int] = []
        self.taken = 0

    def service(self, _: Any) -> Any:
        import grpc
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
        )

        def take(body: bytes, call: Any) -> bytes:
            self.sizes.append(len(body))
            if len(body) > self.limit:
                call.abort(grpc.StatusCode[self.code], self.words)
            request = ExportTraceServiceRequest.FromString(body)
            self.taken += sum(
                len(scope.spans)
                for resource in request.resource_spans
                for scope in resource.scope_spans
            )
            return b""

        return grpc.unary_unary_rpc_method_handler(take)

    @contextmanager
    def serving(self) -> Iterator[int]:
        from concurrent.futures import ThreadPoolExecutor

        import grpc

        server = grpc.server(
            ThreadPoolExecutor(2),
            handlers=[self],
            options=[("grpc.max_receive_message_length", -1)],
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield port
        server.stop(0).wait()


def export_large(port: int) -> DestinationStatus:
    """Export 60 spans of 5 KB over gRPC, in one batch."""
    options = {"protocol": "grpc", "endpoint": f"http://127.0.0.1:{port}"}
    with bentotrace.build({"exporter_type": "otlp", "sample_rate": 1, "otlp": options}) as tracing:
        tracer = tracing.provider.get_tracer("test")
        for _ in range(60):
            tracer.start_span("large", attributes={"prompt": "x" * 5000}).end()
        tracing.flush(10)
        return tracing.status().destinations[0]


@pytest.mark.parametrize("who", WORDS)
def test_what_grpc_finds_too_large_is_halved_in_every_implementation_s_words(who: str) -> None:
    receiver = Limited(90_000, *WORDS[who])
    with receiver.serving() as port:
        status = export_large(port)

    assert (status.exported, status.failed) == (60, 0)
    assert receiver.taken == 60


@pytest.mark.parametrize(("words", "most_requests"), [("rate limit exceeded", 1), ("no more", 4)])
def test_a_quota_costs_few_requests(words: str, most_requests: int) -> None:
    receiver = Limited(0, "RESOURCE_EXHAUSTED", words)
    with receiver.serving() as port:
        status = export_large(port)

    assert (status.exported, status.failed) == (0, 60)
    assert len(receiver.sizes) <= most_requests
    assert status.last_error is not None
    assert words in status.last_error.reason
