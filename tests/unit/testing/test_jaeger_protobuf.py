from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("google.protobuf", reason="protobuf reads and writes in these tests")

from bentotrace.testing import ReceivedEvent, ReceivedLink
from bentotrace.testing.jaeger_protobuf import decode_post_spans, message_class

TRACE, OTHER = b"\1" * 16, b"\2" * 16


def request(**span: Any) -> Any:
    """Make a request of one span."""
    message = message_class("PostSpansRequest")()
    message.batch.process.service_name = "shop"
    message.batch.spans.add(
        **{"trace_id": TRACE, "span_id": b"\3" * 8, "operation_name": "span", **span}
    )
    return message


def decode(message: Any) -> Any:
    (span,) = decode_post_spans(message.SerializeToString())
    return span


def test_a_request_arrives_whole() -> None:
    message = request(
        references=[
            {"trace_id": TRACE, "span_id": b"\4" * 8},
            {"trace_id": OTHER, "span_id": b"\5" * 8, "ref_type": 1},
        ],
        flags=1,
        start_time={"seconds": 1_700_000_000, "nanos": 123_456_789},
        duration={"seconds": 2, "nanos": 1},
        tags=[
            {"key": "text", "v_str": "ü"},
            {"key": "empty"},
            {"key": "yes", "v_type": 1, "v_bool": True},
            {"key": "n", "v_type": 2, "v_int64": -(2**63)},
            {"key": "x", "v_type": 3, "v_float64": 0.5},
            {"key": "raw", "v_type": 4, "v_binary": b"\xff"},
            {"key": "span.kind", "v_str": "client"},
            {"key": "otel.status_code", "v_str": "ERROR"},
            {"key": "error", "v_type": 1, "v_bool": True},
        ],
        logs=[
            {
                "timestamp": {"seconds": 1, "nanos": 2},
                "fields": [{"key": "event", "v_str": "e"}, {"key": "z", "v_type": 2}],
            }
        ],
    )
    message.batch.process.tags.add(key="cores", v_type=2, v_int64=4)
    span = decode(message)
    assert (span.trace_id, span.span_id, span.parent_id) == ("01" * 16, "03" * 8, "04" * 8)
    assert span.links == (ReceivedLink("02" * 16, "05" * 8),)
    assert (span.name, span.kind, span.status) == ("span", "client", "error")
    assert span.start_ns == 1_700_000_000_123_456_789
    assert span.end_ns - span.start_ns == 2_000_000_001
    assert span.attributes == {
        "text": "ü",
        "empty": "",
        "yes": True,
        "n": -(2**63),
        "x": 0.5,
        "raw": b"\xff",
    }
    assert span.events == (ReceivedEvent("e", 1_000_000_002, {"z": 0}),)
    assert span.resource == {"service.name": "shop", "cores": 4}
    assert span.raw.flags == 1


def test_a_spans_own_process_comes_before_the_batchs() -> None:
    assert decode(request(process={"service_name": "own"})).service_name == "own"


def test_the_fields_have_the_numbers_of_jaegers_idl() -> None:
    key_value = message_class("KeyValue")(key="k", v_type=2, v_int64=3)
    assert key_value.SerializeToString() == b"\x0a\x01k\x10\x02\x28\x03"
    names = [value.name for value in key_value.DESCRIPTOR.fields_by_name["v_type"].enum_type.values]
    assert names == ["STRING", "BOOL", "INT64", "FLOAT64", "BINARY"]
    post = message_class("PostSpansRequest")()
    post.batch.process.service_name = "s"
    assert post.SerializeToString() == b"\x0a\x05\x12\x03\x0a\x01s"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"trace_id": b"\1" * 8}, "trace_id is '01"),
        ({"span_id": bytes(8)}, "span_id is '0000"),
        ({"references": [{"trace_id": TRACE}]}, "reference's span_id is ''"),
        (
            {"references": [{"trace_id": TRACE, "span_id": b"\1" * 8, "ref_type": 2}]},
            "ref_type is 2",
        ),
        ({"tags": [{"key": "k", "v_type": 5}]}, "tag 'k' is 5"),
        ({"tags": [{"key": "k", "v_type": 2, "v_str": "1"}]}, r"v_int64, but has .*'v_str'"),
        ({"start_time": {"nanos": 1_000_000_000}}, "nanos of start_time"),
        ({"duration": {"nanos": -1}}, "nanos of duration"),
    ],
)
def test_a_malformed_span_is_an_error(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        decode(request(**changes))


def test_a_span_without_a_process_is_an_error() -> None:
    message = request()
    message.batch.ClearField("process")
    with pytest.raises(ValueError, match="has a process"):
        decode(message)


def test_a_field_that_jaeger_does_not_know_is_an_error() -> None:
    body = request().SerializeToString()
    with pytest.raises(ValueError, match="2 bytes belong to unknown fields"):
        decode_post_spans(body + b"\x18\x01")


@given(st.binary(max_size=60))
def test_any_bytes_decode_or_are_a_value_error(noise: bytes) -> None:
    body = request(tags=[{"key": "k", "v_str": "x" * 40}]).SerializeToString()
    for broken in (noise, body[: len(noise)] + noise, noise + body[len(noise) :]):
        try:
            decode_post_spans(broken)
        except ValueError:
            continue
