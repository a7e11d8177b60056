from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("thrift", reason="the receiver decodes with the thrift library")

from bentotrace.testing import JaegerHTTPReceiver


@pytest.mark.parametrize(
    "content_type", ["application/x-thrift", "application/vnd.apache.thrift.binary"]
)
def test_a_batch_is_taken_and_answered_202(
    thrift_writer: Any, post: Callable[..., Any], content_type: str
) -> None:
    body = thrift_writer.batch_bytes(thrift_writer.batch(thrift_writer.span(name="hello")))
    with JaegerHTTPReceiver() as receiver:
        url = receiver.endpoint + "?format=jaeger.thrift"
        response = post(url, body, content_type=content_type, authorization="Basic dTpw")
        (span,) = receiver.wait(1)
        assert response.status == 202
        assert (span.name, span.service_name) == ("hello", "shop")
        assert receiver.requests[0].path == "/api/traces?format=jaeger.thrift"
        assert receiver.requests[0].headers["authorization"] == "Basic dTpw"


def test_the_compact_protocol_is_refused(thrift_writer: Any, post: Callable[..., Any]) -> None:
    body = thrift_writer.batch_bytes(thrift_writer.batch(thrift_writer.span()), "compact")
    with JaegerHTTPReceiver() as receiver:
        response = post(receiver.endpoint, body, content_type="application/x-thrift")
        assert response.status == 400
        assert len(receiver.errors) == 1


def test_an_error_status_can_be_scripted(thrift_writer: Any, post: Callable[..., Any]) -> None:
    body = thrift_writer.batch_bytes(thrift_writer.batch(thrift_writer.span()))
    with JaegerHTTPReceiver() as receiver:
        receiver.respond_with(413)
        response = post(receiver.endpoint, body, content_type="application/x-thrift")
        assert response.status == 413
        assert receiver.spans == []
