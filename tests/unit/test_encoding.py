from __future__ import annotations

import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.trace import SpanKind, StatusCode

from bentotrace.encoding import (
    MAX_FLOAT,
    BoundedCache,
    group_by_resource,
    json_text,
    number_text,
    plain_attributes,
    read_event,
    read_fields,
    read_span,
    safe_str,
    to_bytes,
    to_microseconds,
    varint,
)
from bentotrace.spans import LeanSpan, LeanTracer, to_sdk_span

from ..messages import length_delimited


@pytest.mark.parametrize(
    ("attributes", "events", "links"),
    [
        ({"text": "x", "number": 1}, 0, 0),
        ({"text": "x" * 21}, 1, 0),
        ({"mixed": [1, "two"], "none": None}, 2, 1),
        ({"a": 1, "b": 2, "c": 3}, 3, 2),
    ],
    ids=["plain", "cut", "cleaned", "dropped"],
)
def test_a_lean_span_has_the_fields_of_the_sdks(
    attributes: dict[str, Any], events: int, links: int
) -> None:
    limits = SpanLimits(
        max_span_attributes=2, max_events=2, max_links=1, max_span_attribute_length=20
    )
    provider = TracerProvider(span_limits=limits, shutdown_on_exit=False)
    tracer = LeanTracer.adopt(provider.get_tracer("shop", "1"))
    span = tracer.start_span("checkout", kind=SpanKind.SERVER, attributes=attributes)
    assert type(span) is LeanSpan
    for number in range(events):
        # The value of the last is cleaned, so that the SDK creates it.
        span.add_event(f"event {number}", {"n": number if number < 2 else [1, "two"]}, number)
    for number in range(links):
        span.add_link(span.context, {"n": number})
    span.set_status(StatusCode.ERROR, "sold out")
    span.end()

    *head, content = read_span(span)
    *sdk_head, sdk_content = read_span(to_sdk_span(span))

    assert head == sdk_head
    assert dict(content[0]) == dict(sdk_content[0])
    assert list(map(read_event, content[1])) == list(map(read_event, sdk_content[1]))
    assert tuple(content[2]) == tuple(sdk_content[2])
    assert content[3:] == sdk_content[3:]


def test_an_event_of_anything_has_attributes() -> None:
    assert read_event(Event("odd", None, 7)) == ("odd", 7, {}, 0)


def test_spans_are_grouped_by_equal_resources_in_their_order() -> None:
    first, second, third = Resource({"a": 1}), Resource({"b": 1}), Resource({"a": 1})
    spans = [
        ReadableSpan(str(number), resource=resource)
        for number, resource in enumerate([first, second, third, second])
    ]

    groups = group_by_resource(spans)

    assert [[span.name for span in group] for group in groups] == [["0", "2"], ["1", "3"]]
    assert group_by_resource(spans[:1]) == [spans[:1]]
    assert group_by_resource([]) == []


def test_known_makes_each_once_and_stays_small() -> None:
    made: list[int] = []
    known: BoundedCache[int, int] = BoundedCache(lambda key: made.append(key) or key * 2)  # type: ignore[func-returns-value]

    assert [known[5], known[5]] == [10, 10]
    assert made == [5]
    for key in range(10_000):
        assert known[key] == key * 2
    assert len(known) < 2000


def test_attributes_are_copied_whatever_they_are() -> None:
    bounded = BoundedAttributes(attributes={"a": 1})

    assert type(plain_attributes(bounded)) is dict
    assert plain_attributes(bounded) == {"a": 1}
    assert plain_attributes(None) == {}
    assert plain_attributes({}) == {}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"),
        (1 << 70, str(1 << 70)),
        (0.1, "0.1"),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (MAX_FLOAT, "1.7976931348623157e+308"),
    ],
)
def test_any_number_has_a_text(value: float, text: str) -> None:
    assert number_text(value) == text


def test_a_number_of_thousands_of_digits_is_written_in_hexadecimal() -> None:
    assert int(number_text(-(10**5000)), 16) == -(10**5000)


@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        ("ü", "ü"),
        (None, None),
        ([1, True, 2.5, "a", None], [1, True, 2.5, "a", None]),
        ({1: (math.nan, 1 << 64, b"\xff")}, {"1": ["NaN", str(1 << 64), "\ufffd"]}),
        (object, str(object)),
    ],
)
def test_any_value_has_json(value: Any, parsed: Any) -> None:
    assert json.loads(json_text(value)) == parsed


@given(st.lists(st.text(st.characters())) | st.lists(st.floats()) | st.lists(st.booleans()))
def test_what_the_sdk_makes_of_a_sequence_has_the_same_json(values: list[Any]) -> None:
    assert json_text(tuple(values)) == json_text(values)


def test_endless_nesting_ends_in_text() -> None:
    endless: list[Any] = [1]
    endless += [endless, endless]
    deep: list[Any] = []
    for _ in range(100):
        deep = [deep]

    assert json_text(endless) == '[1,"[1, [...], [...]]","[1, [...], [...]]"]'
    assert json_text(deep).startswith("[" * 32 + '"[')


def test_what_cannot_be_shown_is_named() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    assert safe_str(Broken()) == "<Broken>"


def test_lone_surrogates_become_question_marks() -> None:
    assert to_bytes("ü\ud800") == b"\xc3\xbc?"


@pytest.mark.parametrize(("nanoseconds", "microseconds"), [(0, 0), (499, 0), (500, 1), (1499, 1)])
def test_microseconds_are_rounded(nanoseconds: int, microseconds: int) -> None:
    assert to_microseconds(nanoseconds) == microseconds


@given(st.integers(0, 64).flatmap(lambda bits: st.integers((1 << bits) >> 1, (1 << bits) - 1)))
def test_a_varint_has_seven_bits_to_a_byte_and_no_byte_too_many(number: int) -> None:
    written = varint(number)

    assert sum((byte & 0x7F) << 7 * at for at, byte in enumerate(written)) == number
    assert [byte >> 7 for byte in written] == [1] * (len(written) - 1) + [0]
    assert written[-1] or written == b"\0"


@given(st.integers(0, (1 << 64) - 1), st.integers(1, (1 << 29) - 1))
def test_a_varint_is_read_back(value: int, number: int) -> None:
    assert list(read_fields(varint(number << 3) + varint(value))) == [(number, 0, value)]


def test_every_wire_type_is_read_in_order() -> None:
    message = (
        length_delimited(2, b"text")
        + b"\x09"
        + struct.pack("<d", 1.5)
        + b"\x1d"
        + struct.pack("<i", -2)
        + length_delimited(2, b"")
        + b"\x20\x07"
    )
    assert list(read_fields(message)) == [
        (2, 2, b"text"),
        (1, 1, struct.pack("<d", 1.5)),
        (3, 5, struct.pack("<i", -2)),
        (2, 2, b""),
        (4, 0, 7),
    ]


@pytest.mark.parametrize(
    ("garbage", "flaw"),
    [
        (b"\x80", "inside a varint"),
        (b"\x08", "inside a varint"),
        (b"\x08" + b"\xff" * 10 + b"\x01", "longer than 10"),
        (b"\x12\x05abc", "inside a field"),
        (b"\x09abc", "inside a field"),
        (b"\x0b", "wire type 3"),
        (b"\x0f", "wire type 7"),
        (b"\x00\x00", "field number 0"),
        (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "inside a field"),
    ],
)
def test_garbage_is_refused(garbage: bytes, flaw: str) -> None:
    with pytest.raises(ValueError, match=flaw):
        list(read_fields(garbage))


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_value_error(data: bytes) -> None:
    try:
        total = sum(1 for _ in read_fields(data))
    except ValueError:
        return
    assert total <= len(data)
