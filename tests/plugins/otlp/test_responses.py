"""Responses of receivers over HTTP that report rejected spans or warnings."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

import bentotrace
from bentotrace.delivery.status import DestinationStatus

from ...messages import length_delimited, varint
from ...servers import Receiver as ServedReceiver
from ...servers import reply, running_servers
from .pipelines import end_spans

pytest.importorskip("opentelemetry.proto", reason="the receivers decode with opentelemetry-proto")
pytest.importorskip("grpc", reason="one of the receivers speaks gRPC with grpcio")


SHORT = {"rejectedSpans": "1", "errorMessage": "no room"}


@pytest.mark.parametrize(
    "partial",
    [
        SHORT,
        {"rejectedSpans": 1, "errorMessage": "no room"},
        {"rejectedSpans": 1.0, "errorMessage": "no room"},
        {"rejected_spans": "1", "error_message": "no room"},
    ],
)
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("name", ["partialSuccess", "partial_success"])
def test_a_partial_success_in_json_is_counted_and_explained(
    partial: Any, encoding: str, name: str
) -> None:
    body = json.dumps({name: partial}).encode()
    status = receive(body, "application/json", encoding, "one", "two", "three")

    assert (status.exported, status.failed) == (2, 1)
    assert status.last_error is not None
    assert status.last_error.reason.endswith("rejected 1 of its spans: no room")


def message(rejected: int, text: bytes) -> bytes:
    """Return a partial success in protobuf."""
    return length_delimited(1, b"\x08" + varint(rejected) + length_delimited(2, text))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-protobuf", message(0, b"too old")),
        ("application/x-protobuf", message((1 << 64) - 3, b"too old")),
        ("application/json", b'{"partialSuccess": {"errorMessage": "too old"}}'),
        (
            "application/json",
            b'{"partialSuccess": {"rejectedSpans": -3, "errorMessage": "too old"}}',
        ),
        (
            "application/json",
            b'{"partialSuccess": {"rejectedSpans": {}, "errorMessage": "too old"}}',
        ),
    ],
)
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_warning_without_rejected_spans_is_a_success_and_logged_once(
    caplog: pytest.LogCaptureFixture, kind: str, body: bytes, encoding: str
) -> None:
    status = receive(body, kind, encoding, "one", "two", each_alone=True)

    assert (status.exported, status.failed) == (2, 0)
    logged = [record.getMessage() for record in caplog.records]
    assert (
        logged.count("the receiver accepted the spans with a warning: too old (logged once)") == 1
    )


def test_a_log_handler_that_raises_costs_no_span(raising_log_handler: Callable[[], int]) -> None:
    status = receive(message(0, b"too old"), "application/x-protobuf", "identity", "one", "two")

    assert (status.exported, status.failed) == (2, 0)
    assert raising_log_handler() == 1


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b"{",
        b"ok",
        b'{"partialSuccess": null}',
        b'{"partialSuccess": [1]}',
        b'{"partialSuccess": ' * 10_000,
        b'{"partialSuccess": {"rejectedSpans": "NaN"}}',
    ],
)
def test_another_response_is_a_success_without_a_warning(
    caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    status = receive(body, "application/json", "identity", "one")

    assert (status.exported, status.failed) == (1, 0)
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


@pytest.mark.parametrize("rejected", [b"4", b"9" * 19, b"9" * 5000])
def test_no_more_spans_are_rejected_than_were_sent(rejected: bytes) -> None:
    body = b'{"partialSuccess": {"rejectedSpans": %s}}' % rejected
    status = receive(body, "application/json", "identity", "one", "two")

    assert (status.exported, status.failed) == (0, 2)
    assert status.last_error is not None
    assert len(status.last_error.reason) < 200


def receive(
    body: bytes,
    kind: str,
    encoding: str,
    *names: str,
    each_alone: bool = False,
) -> DestinationStatus:
    """Export spans to a server that responds with this body."""
    content = gzip.compress(body) if encoding == "gzip" else body
    headers = (f"Content-Type: {kind}", f"Content-Encoding: {encoding}")
    answer = reply("200 OK", content, *headers)
    with running_servers() as serve:
        options = {"protocol": "http", "endpoint": serve(ServedReceiver([answer])).url}
        source = {"exporter_type": "otlp", "sample_rate": 1, "otlp": options}
        with bentotrace.build(source) as tracing:
            for name in names if each_alone else ():
                status = end_spans(tracing, name)
            return status if each_alone else end_spans(tracing, *names)
