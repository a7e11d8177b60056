"""Whatever stands in a span's fields, the other spans of its batch arrive, over every wire."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from bentotrace_console import ConsoleOptions, bentotrace_exporter
from bentotrace_jaeger.binary import BinaryEncoder
from bentotrace_jaeger.compact import CompactEncoder
from bentotrace_jaeger.protobuf import ProtobufEncoder
from bentotrace_otlp.encoder import TraceEncoder
from bentotrace_zipkin.encoder import JSONEncoder
from hypothesis import HealthCheck, given, settings
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from bentotrace.encoding import PlainSpan, group_by_resource, repair, safe_str
from bentotrace.plugin import BuildContext
from bentotrace.spool.codec import decode_batch, encode_batch
from bentotrace.testing.strategies import any_spans

pytestmark = pytest.mark.one_python

thrift = pytest.importorskip(
    "bentotrace.testing.jaeger_thrift", reason="the thrift library reads in these tests"
)
protobuf = pytest.importorskip(
    "bentotrace.testing.jaeger_protobuf", reason="protobuf reads in these tests"
)
otlp = pytest.importorskip("bentotrace.testing.otlp", reason="protobuf reads in these tests")

RESOURCE = Resource({"service.name": "iris"})
CONTEXT = SpanContext(1, 2, False, TraceFlags(1))
NOW = 1_700_000_000_000_000_000


def good(number: int) -> ReadableSpan:
    return ReadableSpan(
        f"good {number}",
        context=SpanContext(7, number + 1, False, TraceFlags(1)),
        resource=RESOURCE,
        attributes={"number": number},
        events=[Event("e", {"a": 1}, NOW)],
        links=[Link(CONTEXT)],
        kind=SpanKind.SERVER,
        status=Status(StatusCode.OK),
        start_time=NOW,
        end_time=NOW + 5_000,
        instrumentation_scope=InstrumentationScope("test"),
    )


class Wire(NamedTuple):
    encode: Callable[[Sequence[ReadableSpan]], Any]
    decode: Callable[[Any], Sequence[str]]


def zipkin_names(body: bytes) -> list[str]:
    decoded = json.loads(body)
    for span in decoded:
        # The server reads longs, and strings.
        assert type(span["timestamp"]) is type(span["duration"]) is int
        assert max(span["timestamp"], span["duration"]) < 1 << 63
        assert all(type(value) is str for value in span.get("tags", {}).values())
        assert type(span.get("name", "")) is str
    return [span.get("name", "") for span in decoded]


def by_resource(encode: Callable[[Sequence[ReadableSpan]], Any]) -> Any:
    return lambda spans: [encode(group) for group in group_by_resource(spans)]


def compact(spans: Sequence[ReadableSpan]) -> bytes:
    batch = CompactEncoder().encode(spans)
    return batch.assemble(batch.spans)


def names(decode: Callable[[bytes], Sequence[Any]]) -> Callable[[Any], list[str]]:
    return lambda bodies: [span.name for body in bodies for span in decode(body)]


def print_spans(spans: Sequence[ReadableSpan]) -> str:
    context = BuildContext(timeout=1, resource=RESOURCE, service_name="iris")
    with redirect_stdout(io.StringIO()) as printed:
        console = bentotrace_exporter()
        exporter = console.create(ConsoleOptions(indent=False), context)
        assert exporter.export(spans) is SpanExportResult.SUCCESS
    return printed.getvalue()


WIRES = {
    "console": Wire(
        print_spans, lambda text: [json.loads(line)["name"] for line in text.splitlines()]
    ),
    "Jaeger compact": Wire(by_resource(compact), names(thrift.decode_emit_batch)),
    "Jaeger binary": Wire(
        by_resource(lambda spans: BinaryEncoder().encode(spans)), names(thrift.decode_batch)
    ),
    "Jaeger protobuf": Wire(
        by_resource(lambda spans: ProtobufEncoder().encode(spans)),
        names(protobuf.decode_post_spans),
    ),
    "OTLP": Wire(lambda spans: [TraceEncoder().encode(spans)], names(otlp.decode_request)),
    "Zipkin": Wire(lambda spans: JSONEncoder({}).encode(spans), zipkin_names),
    "spool": Wire(
        encode_batch, lambda content: [safe_str(each.name) for each in decode_batch(content)]
    ),
}


@pytest.mark.parametrize("wire", WIRES)
@settings(max_examples=150, suppress_health_check=list(HealthCheck), deadline=None)
@given(odd=any_spans(99))
def test_the_good_spans_of_a_batch_arrive(wire: str, odd: ReadableSpan) -> None:
    arrived = transfer(wire, odd)
    assert "good 0" in arrived
    assert "good 1" in arrived


def transfer(wire: str, odd: ReadableSpan) -> Sequence[str]:
    """Encode a span between two good ones, repaired if necessary; return the decoded names."""
    spans = [good(0), odd, good(1)]
    try:
        encoded = WIRES[wire].encode(spans)
    except Exception:
        repaired = repair(spans)
        assert repaired.lost + len(repaired.spans) == len(spans)
        encoded = WIRES[wire].encode(repaired.spans)
    return WIRES[wire].decode(encoded)


class Raising:
    """An object of which nothing can be read."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)


class RaisingState(TraceState):
    """A trace state that has an entry, and no text."""

    def to_header(self) -> str:
        raise RuntimeError

    items = to_header  # type: ignore[assignment]


class OddState(TraceState):
    """A trace state with entries that are not checked."""

    def __init__(self, entries: dict[Any, Any]) -> None:
        self._dict = entries


class OddNumber(int):
    """A number with which nothing can be computed."""

    def __index__(self) -> int:
        raise RuntimeError

    __and__ = __or__ = __lt__ = __rshift__ = __index__  # type: ignore[assignment]


class OddResource(Resource):
    """A resource with attributes that are not checked."""

    def __init__(self, attributes: Any) -> None:
        super().__init__({})
        self._attributes = attributes


def state(trace_state: Any) -> SpanContext:
    return SpanContext(1, 2, False, TraceFlags(1), trace_state)


def like(**fields: Any) -> Any:
    return SimpleNamespace(**fields)


RAISING_STATE, NO_TEXT = RaisingState([("a", "b")]), OddState({"a": 5, 6: "b", "c": "d"})

# The fields that differ from a good span's, and the names under which they are logged.
ODD: dict[str, tuple[dict[str, Any], set[str]]] = {
    "context, trace state that raises": ({"context": state(RAISING_STATE)}, {"trace_state"}),
    "context, trace state without text": ({"context": state(NO_TEXT)}, {"trace_state"}),
    "context, no trace state": ({"context": state("a=b")}, {"trace_state"}),
    "context, flags": (
        {"context": SpanContext(1, 2, False, OddNumber(3))},  # type: ignore[arg-type]
        set(),
    ),
    "context, remote": (
        {"context": SpanContext(1, 2, Raising(), TraceFlags(1))},  # type: ignore[arg-type]
        {"is_remote"},
    ),
    "parent": ({"parent": Raising()}, {"parent"}),
    "parent, trace state": ({"parent": state(RAISING_STATE)}, {"parent.trace_state"}),
    "link": ({"links": [Raising()]}, {"links"}),
    "link, trace state that raises": (
        {"links": [Link(state(RAISING_STATE))]},
        {"link.trace_state"},
    ),
    "link, trace state without text": ({"links": [Link(state(NO_TEXT))]}, {"link.trace_state"}),
    "link, attributes": (
        {"links": [like(context=CONTEXT, attributes=Raising(), dropped_attributes=0)]},
        {"link.attributes"},
    ),
    "link, dropped": (
        {"links": [like(context=CONTEXT, attributes={}, dropped_attributes=-5)]},
        {"link.dropped_attributes"},
    ),
    "event, name": ({"events": [Event(Raising(), {}, NOW)]}, {"event.name"}),  # type: ignore[arg-type]
    "event, time": ({"events": [Event("e", {}, Raising())]}, {"event.timestamp"}),  # type: ignore[arg-type]
    "event, dropped": (
        {"events": [like(name="e", attributes={}, timestamp=NOW, dropped_attributes='"')]},
        {"event.dropped_attributes"},
    ),
    "resource": (
        {"resource": Raising()},
        {"resource", "resource.attributes", "resource.schema_url"},
    ),
    "resource, attributes": ({"resource": OddResource(Raising())}, {"resource.attributes"}),
    "status, code": (
        {"status": like(status_code=SpanKind.SERVER, description="")},
        {"status"},
    ),
    "status, description": (
        {"status": like(status_code=StatusCode.ERROR, description=Raising())},
        {"status.description"},
    ),
    "scope, name": (
        {"instrumentation_scope": InstrumentationScope(Raising())},  # type: ignore[arg-type]
        {"scope.name"},
    ),
    "scope, attributes": (
        {"instrumentation_scope": like(name="", version="", schema_url="", attributes=Raising())},
        {"instrumentation_scope", "scope.attributes"},
    ),
    "dropped, text": ({"dropped": ('"', 0, 0)}, {"dropped_attributes"}),
    "dropped, negative": ({"dropped": (0, -5, 0)}, {"dropped_events"}),
    "dropped, too large": ({"dropped": (0, 0, 1 << 64)}, {"dropped_links"}),
}


def odd_span(dropped: Any = (0, 0, 0), **changes: Any) -> ReadableSpan:
    span = PlainSpan(
        **{"name": "odd", "context": CONTEXT, "start_time": NOW, "end_time": NOW, **changes}
    )
    span.dropped = dropped
    return span


@pytest.mark.parametrize("field", ODD)
@pytest.mark.parametrize("wire", WIRES)
def test_a_span_with_an_odd_field_arrives_with_the_others(wire: str, field: str) -> None:
    assert sorted(transfer(wire, odd_span(**ODD[field][0]))) == ["good 0", "good 1", "odd"]


@pytest.mark.parametrize("field", ODD)
def test_an_odd_field_is_named(field: str) -> None:
    changes, fields = ODD[field]
    assert repair([good(0), odd_span(**changes), good(1)]).fields == fields


def test_the_valid_entries_of_a_trace_state_are_kept() -> None:
    ((span,), *_) = repair([odd_span(context=state(NO_TEXT))])
    assert span.context is not None
    assert span.context.trace_state.to_header() == "c=d"
