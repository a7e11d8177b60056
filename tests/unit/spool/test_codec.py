"""What was on disk is exported as if it had never been there."""

from __future__ import annotations

import json
import math
import random
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import pytest
from bentotrace_otlp.encoder import TraceEncoder
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.span import TraceState

from bentotrace.spool.codec import DamagedBatchError, decode_batch, encode_batch

CONTEXT = SpanContext(1 << 100, 1 << 60, is_remote=False, trace_flags=TraceFlags(1))


class Colour(IntEnum):
    RED = 7


class Word(str):
    def __str__(self) -> str:
        return "another"


def span(**changes: Any) -> ReadableSpan:
    values: dict[str, Any] = {
        "name": "GET /",
        "context": CONTEXT,
        "resource": Resource.get_empty(),
        "start_time": 1,
        "end_time": 2,
        **changes,
    }
    return ReadableSpan(**values)


def back(*spans: ReadableSpan) -> list[ReadableSpan]:
    return decode_batch(encode_batch(spans))


def attribute(value: Any) -> Any:
    (decoded,) = back(span(attributes={"key": value}))
    assert decoded.attributes is not None
    return decoded.attributes["key"]


# Every character there is, lone surrogates included.
TEXT = st.text(st.characters(), max_size=20)
NUMBERS = st.integers() | st.integers(-(1 << 70), 1 << 70)
SCALARS = st.none() | TEXT | st.booleans() | NUMBERS | st.floats() | st.binary(max_size=20)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
ATTRIBUTES = st.dictionaries(TEXT, VALUES, max_size=4)
COUNTS = st.integers(0, 9)
TIMES = st.integers(0, (1 << 64) - 1)
CLEAN = st.dictionaries(
    st.text("abc.", min_size=1, max_size=5), st.text("xyz") | st.booleans() | st.integers(0, 99)
)
STATES = st.dictionaries(
    st.text("abc", min_size=1, max_size=5), st.text("xyz", min_size=1, max_size=5), max_size=3
)


@st.composite
def bounded_attributes(draw: st.DrawFn) -> BoundedAttributes:
    made = BoundedAttributes(attributes=draw(CLEAN))
    made.dropped = draw(COUNTS)
    return made


@st.composite
def bounded_lists(draw: st.DrawFn, items: st.SearchStrategy[Any]) -> Any:
    made = BoundedList.from_seq(5, draw(st.lists(items, max_size=3)))
    made.dropped = draw(COUNTS)
    return made


CONTEXTS = st.builds(
    SpanContext,
    st.integers(1, (1 << 128) - 1),
    st.integers(1, (1 << 64) - 1),
    st.booleans(),
    st.integers(0, 255).map(TraceFlags),
    st.none() | STATES.map(lambda entries: TraceState(list(entries.items()))),
)
EVENTS = st.builds(Event, TEXT, st.none() | ATTRIBUTES | bounded_attributes(), TIMES)
LINKS = st.builds(Link, CONTEXTS, st.none() | ATTRIBUTES | bounded_attributes())
RESOURCES = st.builds(Resource, CLEAN, st.sampled_from(["", "https://example.com/schema"]))
SCOPES = st.builds(
    InstrumentationScope, TEXT, st.none() | TEXT, st.none() | TEXT, st.none() | CLEAN
)
SPANS = st.builds(
    ReadableSpan,
    TEXT,
    CONTEXTS,
    st.none() | CONTEXTS,
    RESOURCES,
    st.none() | ATTRIBUTES | bounded_attributes(),
    st.lists(EVENTS, max_size=2) | bounded_lists(EVENTS),
    st.lists(LINKS, max_size=2) | bounded_lists(LINKS),
    st.sampled_from(SpanKind),
    status=st.builds(Status, st.sampled_from(StatusCode))
    | st.just(Status(StatusCode.ERROR, "böse")),
    start_time=st.none() | TIMES,
    end_time=st.none() | TIMES,
    instrumentation_scope=st.none() | SCOPES,
)


@pytest.mark.one_python
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(SPANS, min_size=1, max_size=4))
@example([span(attributes={"key": "\ud83d\ude00"})])
@example([span(attributes={"key": -math.nan})])
def test_what_comes_back_is_exported_as_the_same_bytes(spans: list[ReadableSpan]) -> None:
    assert TraceEncoder().encode(back(*spans)) == TraceEncoder().encode(spans)


def test_spans_of_a_real_provider_come_back_whole() -> None:
    kept = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "iris"}, "https://schema"))
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("asgi", "1.2", "https://scope")
    with (
        tracer.start_as_current_span("outer", kind=SpanKind.SERVER, attributes={"a": [1, 2]}),
        tracer.start_as_current_span("inner", links=[Link(CONTEXT, {"b": 1.5})]) as inner,
    ):
        inner.add_event("event", {"c": True})
        inner.record_exception(ValueError("bad"))
        inner.set_status(StatusCode.ERROR, "bad")
    provider.shutdown()
    spans = kept.get_finished_spans()

    decoded = back(*spans)

    assert [one.to_json() for one in decoded] == [one.to_json() for one in spans]
    assert decoded[0].resource is decoded[1].resource
    assert decoded[0].resource == spans[0].resource
    assert decoded[0].instrumentation_scope == spans[0].instrumentation_scope
    assert decoded[0].parent == spans[0].parent


@pytest.mark.parametrize(
    "value",
    [
        *("", "ü", "\ud800", "\udc00\ud800", "\x00", True, False, 0, -1, 1 << 63, -(1 << 90)),
        *(0.1, -0.0, math.inf, -math.inf, b"", b"\x00\xff", (), (1, "a", None), {"a": {"i": 1}}),
        {"b": "not base64"},
    ],
    ids=repr,
)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    decoded = attribute(value)

    assert decoded == value
    assert type(decoded) is type(value)
    assert repr(decoded) == repr(value)


def test_not_a_number_comes_back_bit_by_bit() -> None:
    assert math.isnan(attribute(math.nan))
    assert math.copysign(1, attribute(-math.nan)) == -1


@pytest.mark.parametrize(
    ("value", "comes_back"),
    [
        ([1, [2]], (1, (2,))),
        (OrderedDict(a=1), {"a": 1}),
        ({1: 2}, {"1": 2}),
        (Colour.RED, 7),
        (Word("word"), "word"),
        (1j, "1j"),
        ({1}, "{1}"),
    ],
    ids=repr,
)
def test_what_is_no_value_of_opentelemetry_comes_back_as_exporters_send_it(
    value: Any, comes_back: Any
) -> None:
    assert attribute(value) == comes_back
    spans = [span(attributes={"key": value})]
    assert TraceEncoder().encode(back(*spans)) == TraceEncoder().encode(spans)


def test_what_is_nested_too_deep_comes_back_as_exporters_send_it() -> None:
    value: Any = "x"
    for _ in range(100):
        value = (value,)
    spans = [span(attributes={"key": value})]

    assert TraceEncoder().encode(back(*spans)) == TraceEncoder().encode(spans)


def test_an_integer_of_thousands_of_digits_comes_back() -> None:
    assert attribute(1 << 100_000) == 1 << 100_000


def test_a_span_keeps_its_scope_for_exporters_that_ask_by_the_old_name() -> None:
    scope = InstrumentationScope("asgi", "1.2")
    (decoded,) = back(span(instrumentation_scope=scope))

    assert decoded.instrumentation_info.name == "asgi"
    assert decoded.instrumentation_info.version == "1.2"


def test_what_spans_share_is_written_once() -> None:
    resource = Resource({"service.name": random.Random(1).randbytes(2000).hex()})
    one = [span(resource=resource, name="a")]

    many = one * 200

    assert len(encode_batch(many)) < 2 * len(encode_batch(one))


def damaged(content: bytes) -> str:
    with pytest.raises(DamagedBatchError) as caught:
        decode_batch(content)
    return str(caught.value)


def packed(value: Any) -> bytes:
    return zlib.compress(json.dumps(value).encode())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 50,
        packed(None),
        packed([]),
        packed([1, [], []]),
        packed([1, [], [], [[0]]]),
        packed([1, [], [], [[0] * 14]]),
        packed([1, [["x"]], [], []]),
        packed([1, [[{"a": {"i": "x"}}, ""]], [], []]),
        packed([1, [[{"a": {"z": "x"}}, ""]], [], []]),
        zlib.compress(b"[" * 100_000),
        zlib.compress(b"\xff\xfe"),
    ],
    ids=range(12),
)
def test_bytes_that_are_no_batch_are_damaged(content: bytes) -> None:
    assert damaged(content)


def test_a_batch_of_a_version_that_is_not_known_is_said_to_be_that() -> None:
    assert "the version is 2, not 1" in damaged(packed([2, [], [], []]))


@pytest.mark.few_pythons
def test_a_small_batch_that_would_fill_the_memory_is_damaged() -> None:
    packer = zlib.compressobj(9)
    megabyte = b" " * (1 << 20)
    bomb = b"".join([*(packer.compress(megabyte) for _ in range(300)), packer.flush()])

    assert len(bomb) < 1 << 20
    assert "too large" in damaged(bomb)


def test_a_batch_that_was_cut_or_changed_never_comes_back_as_another() -> None:
    spans = [span(name=str(number)) for number in range(50)]
    content = encode_batch(spans)
    chance = random.Random(1)
    changes: Sequence[bytes] = [content[:cut] for cut in range(0, len(content), 7)]
    for _ in range(100):
        place = chance.randrange(2, len(content))
        flipped = content[place] ^ (1 << chance.randrange(8))
        changes = [*changes, content[:place] + bytes([flipped]) + content[place + 1 :]]

    for changed in changes:
        try:
            decoded = decode_batch(changed)
        except DamagedBatchError:
            continue
        # Some bits mean nothing.
        assert TraceEncoder().encode(decoded) == TraceEncoder().encode(spans)
