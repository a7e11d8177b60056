from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

grpc = pytest.importorskip("grpc", reason="grpcio speaks gRPC in these tests")
pytest.importorskip("opentelemetry.proto", reason="opentelemetry-proto writes these requests")

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: E402
    ExportTraceServiceRequest,
)

from bentotrace.testing import OTLPGRPCReceiver  # noqa: E402

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def request_bytes(count: int = 1) -> bytes:
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for number in range(1, count + 1):
        spans.add(trace_id=b"\1" * 16, span_id=bytes([number]) * 8, name=f"span {number}")
    return bytes(request.SerializeToString())


@pytest.fixture
def call() -> Iterator[Callable[..., Any]]:
    """Call the method on a receiver, over a channel that is closed at the end."""
    channels = []

    def call(receiver: OTLPGRPCReceiver, body: bytes, **options: Any) -> Any:
        channel = grpc.insecure_channel(receiver.address)
        channels.append(channel)
        return channel.unary_unary(METHOD)(body, timeout=10.0, **options)

    yield call
    for channel in channels:
        channel.close()


def test_a_call_is_kept_with_its_metadata(call: Callable[..., Any]) -> None:
    body = request_bytes(2)
    with OTLPGRPCReceiver() as receiver:
        call(receiver, body, metadata=[("x-token", "abc"), ("x-bin", b"\0\1"), ("x-token", "d")])
        (request,) = receiver.requests
    assert request.path == METHOD
    assert request.headers["x-token"] == "abc, d"
    assert request.headers["x-bin"] == "AAE="
    assert "user-agent" in request.headers
    assert (request.body_size, request.body) == (len(body), body)
    assert (request.span_count, request.status, request.encoding) == (2, 0, "")


def test_a_message_that_cannot_be_read_is_an_invalid_argument(call: Callable[..., Any]) -> None:
    with OTLPGRPCReceiver() as receiver:
        with pytest.raises(grpc.RpcError) as caught:
            call(receiver, b"\xff")
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "not a ExportTraceServiceRequest" in caught.value.details()
    (error,) = receiver.errors
    assert (error.path, error.body) == (METHOD, b"\xff")
    assert receiver.requests[0].status == grpc.StatusCode.INVALID_ARGUMENT.value[0]


def test_scripted_answers_are_used_once_each_and_refused_spans_are_not_kept(
    call: Callable[..., Any],
) -> None:
    detail = ("grpc-status-details-bin", b"\x08\x08")
    with OTLPGRPCReceiver() as receiver:
        receiver.respond_with("UNAVAILABLE", "later", times=2)
        receiver.respond_with(grpc.StatusCode.RESOURCE_EXHAUSTED, metadata=[detail])
        caught = []
        for _ in range(3):
            with pytest.raises(grpc.RpcError) as error:
                call(receiver, request_bytes())
            caught.append(error.value)
        assert call(receiver, request_bytes()) == b""
        assert [error.code().name for error in caught] == [
            "UNAVAILABLE",
            "UNAVAILABLE",
            "RESOURCE_EXHAUSTED",
        ]
        assert caught[0].details() == "later"
        assert detail in [tuple(pair) for pair in caught[2].trailing_metadata()]
        assert len(receiver.spans) == 1
        assert [request.span_count for request in receiver.requests] == [1, 1, 1, 1]
        assert [request.status for request in receiver.requests] == [14, 14, 8, 0]


def test_a_message_that_is_too_large_is_resource_exhausted(call: Callable[..., Any]) -> None:
    with OTLPGRPCReceiver(max_request_size=1000) as receiver:
        with pytest.raises(grpc.RpcError) as caught:
            call(receiver, request_bytes(100))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        call(receiver, request_bytes(1))
        assert len(receiver.wait(1)) == 1


def test_another_method_is_unimplemented() -> None:
    with OTLPGRPCReceiver() as receiver, grpc.insecure_channel(receiver.address) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(METHOD + "All")(b"", timeout=10.0)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_an_answer_can_be_late(call: Callable[..., Any]) -> None:
    with OTLPGRPCReceiver() as receiver:
        receiver.respond_with("OK", delay=0.2)
        started = time.monotonic()
        call(receiver, request_bytes())
        assert 0.2 <= time.monotonic() - started < 5.0
        assert len(receiver.spans) == 1


def test_close_does_not_wait_for_late_answers() -> None:
    with OTLPGRPCReceiver() as receiver, grpc.insecure_channel(receiver.address) as channel:
        receiver.respond_with("OK", delay=60.0)
        pending = channel.unary_unary(METHOD).future(request_bytes(), timeout=30.0)
        end = time.monotonic() + 5.0
        while receiver._scripted and time.monotonic() < end:
            time.sleep(0.01)
        started = time.monotonic()
        receiver.close()
        assert time.monotonic() - started < 5.0
        assert pending.exception(timeout=10.0) is not None
        assert not [t for t in threading.enumerate() if "OTLPGRPC" in t.name]
    assert receiver.spans == []


def test_it_speaks_tls(certificates: SimpleNamespace) -> None:
    server = grpc.ssl_server_credentials([(certificates.key, certificates.chain)])
    client = grpc.ssl_channel_credentials(certificates.ca)
    with OTLPGRPCReceiver(credentials=server) as receiver:
        assert receiver.endpoint == f"https://127.0.0.1:{receiver.port}"
        with grpc.secure_channel(receiver.address, client) as channel:
            channel.unary_unary(METHOD)(request_bytes(), timeout=10.0)
        assert len(receiver.wait(1)) == 1
