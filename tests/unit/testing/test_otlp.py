from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("opentelemetry.proto", reason="opentelemetry-proto writes these requests")

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from bentotrace.testing.otlp import decode_request, partial_success


def span(**changes: Any) -> Span:
    return Span(**{"trace_id": b"\1" * 16, "span_id": b"\2" * 8, "name": "span", **changes})


def request_bytes(*spans: Span) -> bytes:
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.extend(spans)
    return bytes(request.SerializeToString())


def pair(key: str, **value: Any) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(**value))


def test_every_type_of_value_arrives_with_its_type() -> None:
    nested = AnyValue()
    nested.array_value.values.add(int_value=1)
    nested.array_value.values.add(string_value="x")
    mapping = AnyValue()
    mapping.kvlist_value.values.add(key="k").value.bool_value = False
    attributes = [
        pair("text", string_value=""),
        pair("yes", bool_value=True),
        pair("n", int_value=-(2**63)),
        pair("x", double_value=0.5),
        pair("b", bytes_value=b"\xff"),
        KeyValue(key="array", value=nested),
        KeyValue(key="map", value=mapping),
        KeyValue(key="nothing"),
    ]
    (received,) = decode_request(request_bytes(span(attributes=attributes)))
    assert received.attributes == {
        "text": "",
        "yes": True,
        "n": -(2**63),
        "x": 0.5,
        "b": b"\xff",
        "array": (1, "x"),
        "map": {"k": False},
        "nothing": None,
    }
    assert received.attributes["yes"] is True
    assert type(received.attributes["n"]) is int


def test_counts_states_and_kinds_arrive() -> None:
    sent = span(
        kind=Span.SPAN_KIND_CONSUMER,
        trace_state="a=b",
        dropped_attributes_count=1,
        dropped_events_count=2,
        dropped_links_count=3,
        events=[Span.Event(name="e", time_unix_nano=5, dropped_attributes_count=4)],
        links=[
            Span.Link(
                trace_id=b"\3" * 16,
                span_id=b"\4" * 8,
                trace_state="c=d",
                dropped_attributes_count=6,
            )
        ],
    )
    (received,) = decode_request(request_bytes(sent))
    assert (received.kind, received.trace_state) == ("consumer", "a=b")
    assert (received.dropped_attributes, received.dropped_events) == (1, 2)
    assert received.dropped_links == 3
    assert received.events[0].dropped_attributes == 4
    assert (received.links[0].trace_state, received.links[0].dropped_attributes) == ("c=d", 6)
    assert received.parent_id is None
    assert received.service_name == ""
    assert received.raw == sent


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"trace_id": b"\1" * 15}, "trace_id is '0101"),
        ({"trace_id": bytes(16)}, "not all zero"),
        ({"span_id": b""}, "span_id is ''"),
        ({"parent_span_id": b"\1"}, "parent_span_id"),
        ({"links": [Span.Link(trace_id=b"\1" * 16)]}, "link's span_id"),
        ({"kind": 6}, "kind is 6, expected 0 to 5"),
        (
            {"attributes": [pair("a", int_value=1), pair("a", int_value=2)]},
            "duplicate attribute 'a'",
        ),
    ],
)
def test_a_malformed_span_is_an_error(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        decode_request(request_bytes(span(**changes)))


def test_a_partial_success_is_what_opentelemetry_says_it_is() -> None:
    response = ExportTraceServiceResponse.FromString(partial_success(3, "too old"))
    assert response.partial_success.rejected_spans == 3
    assert response.partial_success.error_message == "too old"


@given(st.binary(max_size=60))
def test_any_bytes_decode_or_are_a_value_error(noise: bytes) -> None:
    for body in (noise, request_bytes(span(name="x" * 40))[: len(noise)] + noise):
        try:
            decode_request(body)
        except ValueError:
            continue
