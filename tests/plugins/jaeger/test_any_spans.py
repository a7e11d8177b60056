"""Spans that Hypothesis makes up arrive as they are, too."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

from .spans import SCOPE, UINT64, RoundTrip, context, span

pytestmark = pytest.mark.one_python

pytest.importorskip(
    "bentotrace.testing.jaeger_thrift", reason="the thrift library reads in these tests"
)
pytest.importorskip("bentotrace.testing.jaeger_protobuf", reason="protobuf reads in these tests")

TEXT = st.text(max_size=200)
VALUES = st.one_of(
    TEXT,
    st.booleans(),
    st.integers(-(1 << 70), 1 << 70),
    st.floats(),
    st.binary(max_size=50),
    st.lists(TEXT, max_size=4).map(tuple),
    st.lists(st.integers(-(1 << 70), 1 << 70), max_size=4).map(tuple),
)
ATTRIBUTES = st.dictionaries(
    TEXT.filter(lambda key: not key.startswith(("otel.", "span.", "error", "event", "w3c"))),
    VALUES,
    max_size=8,
)
SPAN_IDS = st.integers(1, UINT64)
TRACE_IDS = st.integers(1, (1 << 128) - 1)
CONTEXTS = st.builds(lambda trace_id, span_id: context(trace_id, span_id), TRACE_IDS, SPAN_IDS)
# The seconds of the protobuf encoding end in 2106.
TIMES = st.integers(0, (1 << 32) * 10**9 - 1)


@st.composite
def any_span(draw: st.DrawFn) -> ReadableSpan:
    own = draw(CONTEXTS)
    parent = draw(st.none() | st.builds(lambda span_id: context(own.trace_id, span_id), SPAN_IDS))
    start = draw(TIMES)
    events = st.builds(
        lambda name, attributes, at: Event(name, attributes, at), TEXT, ATTRIBUTES, TIMES
    )
    return span(
        name=draw(TEXT),
        context=own,
        parent=parent,
        kind=draw(st.sampled_from(list(SpanKind))),
        start_time=start,
        end_time=start + draw(st.integers(0, 1 << 50)),
        attributes=draw(ATTRIBUTES),
        events=draw(st.lists(events, max_size=3)),
        links=draw(st.lists(CONTEXTS.map(Link), max_size=3)),
        instrumentation_scope=draw(st.sampled_from([None, SCOPE])),
        status=draw(
            st.sampled_from([Status(), Status(StatusCode.OK), Status(StatusCode.ERROR, "no")])
        ),
    )


def as_text(value: Any) -> Any:
    """Say what a value is to be in Jaeger; independent of the code under test."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, bool | bytes):
        return value
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 63 else str(value)
    if isinstance(value, float):
        if value != value:
            return "NaN"
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, value)
    return [as_text(item) for item in value]


def assert_attributes(received: dict[str, Any], sent: Any) -> None:
    assert set(received) == {as_text(key) for key in sent}
    for key, value in sent.items():
        wanted, got = as_text(value), received[as_text(key)]
        if isinstance(wanted, list):
            got = json.loads(got)
        assert got == wanted
        assert type(got) is type(wanted)


@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
@given(st.lists(any_span(), min_size=1, max_size=5))
def test_any_spans_arrive_as_they_are(
    round_trip: RoundTrip, encoding: str, spans: list[ReadableSpan]
) -> None:
    received = round_trip(spans)

    assert len(received) == len(spans)
    unit = 1 if encoding == "protobuf" else 1000
    for got, sent in zip(received, spans, strict=True):
        assert got.trace_id == f"{sent.context.trace_id:032x}"
        assert got.span_id == f"{sent.context.span_id:016x}"
        assert got.parent_id == (f"{sent.parent.span_id:016x}" if sent.parent else None)
        assert got.name == as_text(sent.name)
        assert got.kind == sent.kind.name.lower()
        assert sent.start_time is not None
        assert sent.end_time is not None
        assert abs(got.start_ns - sent.start_time) <= unit
        assert abs(got.end_ns - got.start_ns - (sent.end_time - sent.start_time)) <= unit
        assert_attributes(got.attributes, sent.attributes)
        assert [event.name for event in got.events] == [as_text(e.name) for e in sent.events]
        for got_event, event in zip(got.events, sent.events, strict=True):
            assert_attributes(got_event.attributes, event.attributes)
        assert [(link.trace_id, link.span_id) for link in got.links] == [
            (f"{link.context.trace_id:032x}", f"{link.context.span_id:016x}") for link in sent.links
        ]
        assert got.status == sent.status.status_code.name.lower()
