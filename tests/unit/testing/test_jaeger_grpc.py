from __future__ import annotations

import pytest

grpc = pytest.importorskip("grpc", reason="the receiver speaks gRPC with grpcio")
pytest.importorskip("google.protobuf", reason="the receiver decodes with protobuf")

from bentotrace.testing import JaegerGRPCReceiver  # noqa: E402
from bentotrace.testing.jaeger_protobuf import message_class  # noqa: E402

METHOD = "/jaeger.api_v2.CollectorService/PostSpans"


def test_a_call_is_taken_and_a_refused_one_is_not_kept() -> None:
    message = message_class("PostSpansRequest")()
    message.batch.process.service_name = "shop"
    message.batch.spans.add(trace_id=b"\1" * 16, span_id=b"\2" * 8, operation_name="hello")
    body = message.SerializeToString()
    with JaegerGRPCReceiver() as receiver, grpc.insecure_channel(receiver.address) as channel:
        receiver.respond_with("UNAVAILABLE")
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(METHOD)(body, timeout=10.0)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert channel.unary_unary(METHOD)(body, timeout=10.0) == b""
        (span,) = receiver.wait(1)
        assert (span.name, span.service_name) == ("hello", "shop")
        assert [request.path for request in receiver.requests] == [METHOD] * 2
        assert receiver.endpoint == f"http://127.0.0.1:{receiver.port}"
