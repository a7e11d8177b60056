from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("thrift", reason="the thrift library reads and writes in these tests")

from bentotrace.testing import ReceivedEvent, ReceivedLink
from bentotrace.testing.jaeger_thrift import decode_batch, decode_emit_batch

TRACE = f"{1:016x}{2**64 - 2:016x}"
PROTOCOLS = pytest.mark.parametrize("protocol", ["compact", "binary"])


def rich_batch(writer: Any) -> list[Any]:
    tags = [
        writer.tag("text", "ü"),
        writer.tag("x", 0.5),
        writer.tag("yes", True),
        writer.tag("no", False),
        writer.tag("n", -(2**63)),
        writer.tag("raw", b"\xff\0"),
        writer.tag("span.kind", "server"),
        writer.tag("otel.status_code", "OK"),
        writer.tag("otel.scope.name", "tracer"),
        writer.tag("otel.dropped_events_count", 2),
    ]
    child = writer.span(
        parent_span_id=-1,
        tags=tags,
        references=[writer.reference(0, -2, 1, -1), writer.reference(1, 5, -6, 7)],
        logs=[writer.log(1_700_000_000_000_100, writer.tag("event", "e"), writer.tag("n", 1))],
    )
    batch = writer.batch(child, writer.span(name="root"), tags=[writer.tag("host", "h")])
    return [*batch, (3, "I64", 9), (4, "STRUCT", [(n, "I64", n) for n in (1, 2, 3)])]


@PROTOCOLS
def test_a_batch_arrives_whole(thrift_writer: Any, protocol: Any) -> None:
    body = thrift_writer.batch_bytes(rich_batch(thrift_writer), protocol)
    child, root = decode_batch(body, protocol)
    assert (child.trace_id, child.span_id) == (TRACE, f"{0x1234:016x}")
    assert (child.parent_id, root.parent_id) == ("f" * 16, None)
    assert (child.name, child.kind, child.status) == ("span", "server", "ok")
    assert child.start_ns == 1_700_000_000_000_000_000
    assert child.end_ns == child.start_ns + 250_000
    assert child.attributes == {
        "text": "ü",
        "x": 0.5,
        "yes": True,
        "no": False,
        "n": -(2**63),
        "raw": b"\xff\0",
    }
    assert child.attributes["yes"] is True
    assert child.events == (ReceivedEvent("e", 1_700_000_000_000_100_000, {"n": 1}),)
    assert child.links == (ReceivedLink(f"{2**64 - 6:016x}{5:016x}", f"{7:016x}"),)
    assert (child.scope_name, child.dropped_events) == ("tracer", 2)
    assert child.resource == {"service.name": "shop", "host": "h"}
    assert child.raw["flags"] == 1
    assert child.raw["tags"][0] == {"key": "text", "vType": 0, "vStr": "ü"}
    assert "tags" not in root.raw


@PROTOCOLS
def test_a_message_is_the_batch_in_an_envelope(thrift_writer: Any, protocol: Any) -> None:
    batch = rich_batch(thrift_writer)
    message = thrift_writer.emit_batch_bytes(batch, protocol)
    assert decode_emit_batch(message, protocol) == decode_batch(
        thrift_writer.batch_bytes(batch, protocol), protocol
    )


@PROTOCOLS
def test_another_message_is_an_error(thrift_writer: Any, protocol: Any) -> None:
    batch = thrift_writer.batch(thrift_writer.span())
    with pytest.raises(ValueError, match="calls 'emitZipkinBatch', expected emitBatch"):
        decode_emit_batch(
            thrift_writer.emit_batch_bytes(batch, protocol, name="emitZipkinBatch"), protocol
        )
    with pytest.raises(ValueError, match="type 1, expected oneway"):
        decode_emit_batch(thrift_writer.emit_batch_bytes(batch, protocol, kind=1), protocol)


@PROTOCOLS
def test_every_shorter_and_longer_body_is_an_error(thrift_writer: Any, protocol: Any) -> None:
    body = thrift_writer.emit_batch_bytes(rich_batch(thrift_writer), protocol)
    for size in range(len(body)):
        with pytest.raises(ValueError, match=r"ends early|not Thrift"):
            decode_emit_batch(body[:size], protocol)
    with pytest.raises(ValueError, match="1 bytes after the end"):
        decode_emit_batch(body + b"\0", protocol)


def test_the_other_protocol_is_an_error(thrift_writer: Any) -> None:
    message = thrift_writer.emit_batch_bytes(rich_batch(thrift_writer), "binary")
    with pytest.raises(ValueError, match="not Thrift, compact protocol"):
        decode_emit_batch(message, "compact")


@PROTOCOLS
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"trace_id_low": 0, "trace_id_high": 0}, "trace id is '0+'"),
        ({"span_id": 0}, "spanId is '0+'"),
        ({"flags": None}, "Span.flags is missing"),
        ({"name": b"\xff"}, "can't decode byte 0xff"),
    ],
)
def test_a_malformed_span_is_an_error(
    thrift_writer: Any, protocol: Any, changes: dict[str, Any], reason: str
) -> None:
    batch = thrift_writer.batch(thrift_writer.span(**changes))
    with pytest.raises(ValueError, match=reason):
        decode_batch(thrift_writer.batch_bytes(batch, protocol), protocol)


@PROTOCOLS
@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ((12, "I64", 1), "Span has no field 12"),
        ((7, "I32", 1), "duplicate field Span.flags"),
        ((6, "I64", 1), "Span.references is of wire type 10, expected 15"),
        ((6, "LIST", [[(1, "I32", 2), (2, "I64", 1), (3, "I64", 1), (4, "I64", 1)]]), "refType"),
        ((10, "LIST", [[(1, "STRING", "k"), (2, "I32", 5)]]), "vType of 'k' is 5"),
        ((10, "LIST", [[(1, "STRING", "k"), (2, "I32", 3)]]), "type vLong, but has no value"),
        (
            (10, "LIST", [[(1, "STRING", "k"), (2, "I32", 3), (3, "STRING", "")]]),
            r"type vLong, but has \['vStr'\]",
        ),
        ((11, "LIST", [[(1, "I64", 1)]]), "Log.fields is missing"),
    ],
)
def test_a_wrong_field_is_an_error(
    thrift_writer: Any, protocol: Any, extra: Any, reason: str
) -> None:
    batch = thrift_writer.batch([*thrift_writer.span(), extra])
    with pytest.raises(ValueError, match=reason):
        decode_batch(thrift_writer.batch_bytes(batch, protocol), protocol)


def test_a_list_of_something_else_is_an_error(thrift_writer: Any) -> None:
    # A list of no structs is written in two bytes of the compact protocol: 0x19, and its type.
    span = thrift_writer.span(references=[])
    body = thrift_writer.batch_bytes(thrift_writer.batch(span), "compact")
    assert body.count(b"\x19\x0c") == 2  # the process's tags are such a list too
    with pytest.raises(ValueError, match=r"Span.references is a list of wire type 10"):
        decode_batch(b"\x19\x06".join(body.rsplit(b"\x19\x0c", 1)), "compact")


def test_a_compact_number_that_does_not_fit_is_an_error(thrift_writer: Any) -> None:
    body = thrift_writer.batch_bytes(thrift_writer.batch(thrift_writer.span()), "compact")
    # 0x15 is an i32 after one field that is left out; 2 is the number 1 in zigzag.
    flags = b"\x25\x02"
    assert body.count(flags) == 1
    wide = body.replace(flags, b"\x25\xff\xff\xff\xff\xff\x01")
    with pytest.raises(ValueError, match=r"Span.flags is -?[0-9]+, which does not fit in 32 bits"):
        decode_batch(wide, "compact")


@pytest.mark.one_python
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(noise=st.binary(max_size=40), keep=st.integers(0, 300))
def test_any_bytes_decode_or_are_a_value_error(thrift_writer: Any, noise: bytes, keep: int) -> None:
    for protocol in ("compact", "binary"):
        body = thrift_writer.emit_batch_bytes(rich_batch(thrift_writer), protocol)
        broken = body[:keep] + noise + body[keep + len(noise) :]
        for decode in (decode_emit_batch, decode_batch):
            try:
                decode(broken, protocol)
            except ValueError:
                continue
