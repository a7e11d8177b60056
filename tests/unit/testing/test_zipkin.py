from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bentotrace.testing import ReceivedEvent, ReceivedSpan, ZipkinReceiver

JSON = "application/json"


@pytest.fixture
def receiver() -> Iterator[ZipkinReceiver]:
    with ZipkinReceiver() as receiver:
        yield receiver


@pytest.fixture
def send(post: Callable[..., Any], receiver: ZipkinReceiver) -> Callable[..., Any]:
    def send(**changes: Any) -> Any:
        span = {"traceId": "1" * 32, "id": "2" * 16, **changes}
        return post(receiver.endpoint, json.dumps([span]).encode(), content_type=JSON)

    return send


def only(receiver: ZipkinReceiver) -> ReceivedSpan:
    (span,) = receiver.wait(1)
    return span


def test_a_span_arrives_whole(receiver: ZipkinReceiver, send: Callable[..., Any]) -> None:
    response = send(
        parentId="3" * 16,
        name="span",
        kind="SERVER",
        timestamp=1_700_000_000_000_001,
        duration=7,
        localEndpoint={"serviceName": "shop", "ipv4": "10.0.0.1"},
        tags={
            "n": "1",
            "yes": "true",
            "host.name": "h",
            "otel.status_code": "ERROR",
            "error": "broken",
            "otel.scope.name": "tracer",
            "otel.scope.version": "1.2",
            "otel.dropped_links_count": "4",
        },
        annotations=[
            {"timestamp": 5, "value": "plain"},
            {"timestamp": 6, "value": '{"fell": {"height": 3}}'},
            {"timestamp": 7, "value": '{"fell": 3}'},
        ],
    )
    assert response.status == 202
    span = only(receiver)
    assert (span.trace_id, span.span_id, span.parent_id) == ("1" * 32, "2" * 16, "3" * 16)
    assert (span.name, span.kind) == ("span", "server")
    assert span.start_ns == 1_700_000_000_000_001_000
    assert span.end_ns == span.start_ns + 7000
    assert span.attributes == {"n": "1", "yes": "true", "host.name": "h"}
    assert (span.status, span.status_description) == ("error", "broken")
    assert (span.service_name, span.resource) == ("shop", {"service.name": "shop"})
    assert (span.scope_name, span.scope_version, span.dropped_links) == ("tracer", "1.2", 4)
    assert span.events == (
        ReceivedEvent("plain", 5000),
        ReceivedEvent("fell", 6000, {"height": 3}),
        ReceivedEvent('{"fell": 3}', 7000),
    )
    assert span.raw["localEndpoint"]["ipv4"] == "10.0.0.1"


def test_what_is_left_out_or_null_is_empty(
    receiver: ZipkinReceiver, send: Callable[..., Any]
) -> None:
    send(kind=None, parentId=None, tags={"error": "false"})
    span = only(receiver)
    assert (span.kind, span.parent_id, span.name, span.events) == ("internal", None, "", ())
    assert (span.status, span.attributes) == ("unset", {"error": "false"})
    assert (span.start_ns, span.end_ns) == (0, 0)


def test_a_short_trace_id_is_filled_up(receiver: ZipkinReceiver, send: Callable[..., Any]) -> None:
    send(traceId="a" * 16)
    assert only(receiver).trace_id == "0" * 16 + "a" * 16


def test_gzip_is_decoded(receiver: ZipkinReceiver, post: Callable[..., Any]) -> None:
    body = gzip.compress(json.dumps([{"traceId": "1" * 32, "id": "2" * 16}]).encode())
    post(receiver.endpoint, body, content_type=JSON, content_encoding="gzip")
    assert only(receiver).span_id == "2" * 16


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"traceId": "A" * 32}, "lower-case hexadecimal"),
        ({"traceId": "1" * 31}, "expected 16 or 32"),
        ({"traceId": "0" * 32}, "all zeros"),
        ({"id": 1}, "id is 1"),
        ({"id": None}, "id is None"),
        ({"parentId": ""}, "parentId is ''"),
        ({"kind": "INTERNAL"}, "kind is 'INTERNAL'"),
        ({"timestamp": 1.5}, "timestamp is 1.5, expected a JSON int"),
        ({"duration": True}, "duration is True"),
        ({"duration": -1}, "expected 0 or more"),
        ({"tags": {"n": 1}}, "the tag 'n' is 1, expected a string"),
        ({"tags": []}, r"tags is \[\], expected a JSON dict"),
        ({"annotations": ["a"]}, "str among the annotations"),
        ({"tags": {"otel.status_code": "BAD"}}, "otel.status_code is 'BAD'"),
    ],
)
def test_a_malformed_span_is_refused(
    receiver: ZipkinReceiver, send: Callable[..., Any], changes: dict[str, Any], reason: str
) -> None:
    assert send(**changes).status == 400
    assert receiver.spans == []
    with pytest.raises(TimeoutError, match=reason):
        receiver.wait(1, timeout=0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[1]",
        b"\xff",
        "[]".encode("utf-16"),
        b'[{"traceId": "11111111111111111111111111111111", "id": "2222222222222222", "x": NaN}]',
        b"[" * 100_000,
    ],
    ids=["nothing", "object", "number", "not UTF-8", "UTF-16", "NaN", "deep"],
)
def test_what_is_no_list_of_spans_is_refused(
    receiver: ZipkinReceiver, post: Callable[..., Any], body: bytes
) -> None:
    assert post(receiver.endpoint, body, content_type=JSON).status == 400
    assert len(receiver.errors) == 1
