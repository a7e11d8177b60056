"""The times of spans and events, whatever they are, arrive as the same ones over every wire."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import SpanContext, TraceFlags

import bentotrace
from bentotrace.encoding import MAX_TIME, repair
from bentotrace.plugin import BuildContext
from bentotrace.spool.codec import decode_batch, encode_batch

for reader in ("grpc", "google.protobuf", "opentelemetry.proto.trace.v1.trace_pb2", "thrift"):
    pytest.importorskip(reader, reason="the extra testing reads what arrives")

from bentotrace import testing  # noqa: E402

RESOURCE = Resource({"service.name": "iris"})
NOW = 1_700_000_000_000_000_000
MS = 1_000_000


class Times(NamedTuple):
    start: Any
    end: Any
    event: Any


# What is in the span, and what arrives.
ODD: dict[str, tuple[Times, Times]] = {
    "ordinary": (Times(NOW, NOW + MS, NOW + 1000), Times(NOW, NOW + MS, NOW + 1000)),
    "no duration": (Times(NOW, NOW, NOW), Times(NOW, NOW, NOW)),
    "ends before it starts": (Times(NOW, NOW - MS, NOW - MS), Times(NOW, NOW, NOW - MS)),
    "ends at 0": (Times(NOW, 0, 0), Times(NOW, NOW, 0)),
    "not ended": (Times(NOW, None, NOW), Times(NOW, NOW, NOW)),
    "not started": (Times(None, MS, MS), Times(0, MS, MS)),
    "no times": (Times(None, None, 0), Times(0, 0, 0)),
    "starts at the epoch": (Times(0, MS, 0), Times(0, MS, 0)),
    "starts before the epoch": (Times(-MS, MS, -MS), Times(0, MS, 0)),
    "is before the epoch": (Times(-2 * MS, -MS, -1), Times(0, 0, 0)),
    "starts far before the epoch": (Times(-1 << 100, NOW, -1 << 100), Times(0, NOW, 0)),
    "the latest": (Times(NOW, MAX_TIME, MAX_TIME), Times(NOW, MAX_TIME, MAX_TIME)),
    "ends after it": (Times(NOW, MAX_TIME + 1, 1 << 64), Times(NOW, MAX_TIME, MAX_TIME)),
    "starts after it": (Times(1 << 63, NOW, 1 << 63), Times(MAX_TIME, MAX_TIME, MAX_TIME)),
    "beyond 64 bits": (Times(1 << 64, 1 << 65, 1 << 200), Times(MAX_TIME, MAX_TIME, MAX_TIME)),
    "floats": (Times(float(NOW), NOW + 1024.0, NOW + 0.0), Times(NOW, NOW + 1024, NOW)),
    "fractions": (
        Times(NOW + Fraction(1, 3), NOW + Fraction(MS * 2, 2), Fraction(5, 2)),
        Times(NOW, NOW + MS, 2),
    ),
    "not finite": (Times(-math.inf, math.inf, math.inf), Times(0, MAX_TIME, MAX_TIME)),
    "not a number": (Times(math.nan, NOW, math.nan), Times(0, NOW, 0)),
    "text": (Times("soon", "later", "now"), Times(0, 0, 0)),
}


class Wire(NamedTuple):
    """A receiver, the exporter's options, the unit of times, and the shortest duration."""

    exporter: str
    receiver: str
    options: Callable[[Any], Mapping[str, Any]]
    unit: int = 1
    shortest: int = 0


WIRES = {
    "OTLP over HTTP": Wire(
        "otlp",
        "OTLPHTTPReceiver",
        lambda there: {"protocol": "http", "endpoint": there.endpoint},
    ),
    "OTLP over gRPC": Wire(
        "otlp",
        "OTLPGRPCReceiver",
        lambda there: {"protocol": "grpc", "endpoint": there.endpoint},
    ),
    "Jaeger over UDP": Wire(
        "jaeger",
        "JaegerUDPReceiver",
        lambda there: {"thrift": {"agent_host_name": there.host, "agent_port": there.port}},
        1000,
    ),
    "Jaeger over HTTP": Wire(
        "jaeger",
        "JaegerHTTPReceiver",
        lambda there: {"protocol": "thrift", "collector_endpoint": there.endpoint},
        1000,
    ),
    "Jaeger over gRPC": Wire(
        "jaeger",
        "JaegerGRPCReceiver",
        lambda there: {"protocol": "grpc", "collector_endpoint": there.endpoint},
    ),
    # Zipkin reads a duration of 0 as a missing one.
    "Zipkin": Wire(
        "zipkin", "ZipkinReceiver", lambda there: {"endpoint": there.endpoint}, 1000, 1000
    ),
}


def span(name: str, times: Times) -> ReadableSpan:
    return ReadableSpan(
        name,
        context=SpanContext(1, 2, False, TraceFlags(1)),
        resource=RESOURCE,
        events=[Event("event", {}, times.event)],
        start_time=times.start,
        end_time=times.end,
    )


def arriving(wire: Wire, times: Times) -> Times:
    """Round the times, and the duration, to the unit of a wire."""

    def rounded(value: int) -> int:
        return (value + wire.unit // 2) // wire.unit * wire.unit

    start = rounded(times.start)
    duration = max(rounded(times.end - times.start), wire.shortest)
    return Times(start, start + duration, rounded(times.event))


def spool(spans: list[ReadableSpan]) -> bytes:
    try:
        return encode_batch(spans)
    except TypeError:
        return encode_batch(repair(spans).spans)


@pytest.mark.parametrize("spooled", [False, True], ids=["direct", "spooled"])
@pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES)
def test_odd_times_are_the_same_over_every_wire(wire: Wire, spooled: bool) -> None:
    spans = [span(name, times) for name, (times, _) in ODD.items()]
    if spooled:
        spans = [each for one in spans for each in decode_batch(spool([one]))]
    with getattr(testing, wire.receiver)() as receiver:
        config = bentotrace.load_config(
            {"exporter_type": wire.exporter, wire.exporter: wire.options(receiver)}
        )
        (destination,) = config.exporters
        context = BuildContext(timeout=5, resource=RESOURCE, service_name="iris")
        exporter = destination.plugin.create(destination.options, context)

        assert exporter.export(spans) is SpanExportResult.SUCCESS

        received = receiver.wait(len(spans))
        exporter.shutdown()
    got = {
        each.name: Times(each.start_ns, each.end_ns, each.events[0].time_ns) for each in received
    }
    assert got == {name: arriving(wire, times) for name, (_, times) in ODD.items()}
