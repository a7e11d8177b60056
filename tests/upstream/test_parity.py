"""The same spans through OpenTelemetry's own exporters and ours: the receivers read the same.

All deliberate differences:

=========  ====================================================  ===============================
format     upstream                                              ours
=========  ====================================================  ===============================
Jaeger     the resource's attributes are tags of every span too  tags of the process, once
Jaeger     an event's name is its field ``message``              ``event``, as specified
Jaeger     a sequence is Python's ``str()`` of a tuple           JSON
Protobuf   times go through a float, 0.2 µs off                  exact to the nanosecond
Zipkin     a sequence is JSON of strings                         JSON of its own types
Zipkin     ``service.name`` is a tag too                         the endpoint's name only
Zipkin     ``debug`` is sent for every sampled span              not sent
=========  ====================================================  ===============================
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from attrs import evolve
from opentelemetry.exporter.jaeger.proto.grpc import JaegerExporter as JaegerProtoExporter
from opentelemetry.exporter.jaeger.thrift import JaegerExporter as JaegerThriftExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
    OTLPSpanExporter as OTLPGRPCExporter,
)
from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
    OTLPSpanExporter as OTLPHTTPExporter,
)
from opentelemetry.exporter.zipkin.json import ZipkinExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

import bentotrace
from bentotrace.discovery.registry import load
from bentotrace.plugin import BuildContext
from bentotrace.testing import (
    JaegerGRPCReceiver,
    JaegerHTTPReceiver,
    JaegerUDPReceiver,
    OTLPGRPCReceiver,
    OTLPHTTPReceiver,
    ReceivedSpan,
    ZipkinReceiver,
)

Receiver = Any


def ours(name: str, options: dict[str, Any]) -> SpanExporter:
    config = bentotrace.load_config({"exporter_type": name, name: options})
    context = BuildContext(timeout=5, resource=Resource({}), service_name="")
    return load(name).create(config.exporters[0].options, context)


def received(
    receiver_class: Callable[[], Receiver],
    make: Callable[[Receiver], SpanExporter],
    spans: Sequence[ReadableSpan],
) -> dict[str, ReceivedSpan]:
    """Export to a receiver; what it read, by the spans' ids."""
    with receiver_class() as receiver:
        exporter = make(receiver)
        assert exporter.export(spans) is SpanExportResult.SUCCESS
        arrived = receiver.wait(len(spans))
        assert receiver.errors == []
        exporter.shutdown()
    return {span.span_id: span for span in arrived}


def address(receiver: Receiver) -> dict[str, Any]:
    return {"agent_host_name": receiver.host, "agent_port": receiver.port}


def compare(
    theirs: dict[str, ReceivedSpan],
    mine: dict[str, ReceivedSpan],
    as_ours: Callable[[ReceivedSpan], ReceivedSpan],
) -> None:
    assert theirs.keys() == mine.keys()
    for span_id, span in theirs.items():
        assert mine[span_id] == as_ours(span)
        types = {key: type(value) for key, value in as_ours(span).attributes.items()}
        assert {key: type(value) for key, value in mine[span_id].attributes.items()} == types


def sequences_as_json(attributes: dict[str, Any]) -> dict[str, Any]:
    shown = dict(attributes)
    for key in ("texts", "numbers", "booleans"):
        if key in shown:
            shown[key] = _json(ast.literal_eval(shown[key]))
    return shown


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def jaeger_as_ours(span: ReceivedSpan) -> ReceivedSpan:
    attributes = dict(span.attributes)
    resource = {"service.name": span.service_name}
    for key in ("service.name", "service.version", "replica", "canary", "share"):
        if key in attributes:
            resource[key] = attributes.pop(key)
        elif key in span.resource:
            resource[key] = span.resource[key]
    events = []
    for event in span.events:
        fields = dict(event.attributes)
        events.append(evolve(event, name=fields.pop("message"), attributes=fields))
    return evolve(
        span,
        attributes=sequences_as_json(attributes),
        resource=resource,
        events=tuple(events),
    )


@pytest.mark.parametrize("transport", ["udp", "http"])
def test_jaeger_thrift_is_read_the_same(transport: str, spans: Sequence[ReadableSpan]) -> None:
    if transport == "udp":
        theirs = received(
            JaegerUDPReceiver,
            lambda it: JaegerThriftExporter(**address(it), udp_split_oversized_batches=True),
            spans,
        )
        mine = received(
            JaegerUDPReceiver, lambda it: ours("jaeger", {"thrift": address(it)}), spans
        )
    else:
        theirs = received(
            JaegerHTTPReceiver,
            lambda it: JaegerThriftExporter(collector_endpoint=it.endpoint),
            spans,
        )
        mine = received(
            JaegerHTTPReceiver,
            lambda it: ours("jaeger", {"collector_endpoint": it.endpoint}),
            spans,
        )

    compare(theirs, mine, jaeger_as_ours)


def test_jaeger_protobuf_is_read_the_same(spans: Sequence[ReadableSpan]) -> None:
    theirs = received(
        JaegerGRPCReceiver,
        lambda it: JaegerProtoExporter(collector_endpoint=it.address, insecure=True),
        spans,
    )
    mine = received(
        JaegerGRPCReceiver,
        lambda it: ours("jaeger", {"protocol": "grpc", "collector_endpoint": it.endpoint}),
        spans,
    )

    def as_ours(span: ReceivedSpan) -> ReceivedSpan:
        return to_microseconds(jaeger_as_ours(span))

    exact = {span.name: (span.start_time, span.end_time) for span in spans}
    assert {span.name: (span.start_ns, span.end_ns) for span in mine.values()} == exact
    compare(theirs, {key: to_microseconds(span) for key, span in mine.items()}, as_ours)


def to_microseconds(span: ReceivedSpan) -> ReceivedSpan:
    return evolve(
        span,
        start_ns=round(span.start_ns, -3),
        end_ns=round(span.end_ns, -3),
        events=tuple(evolve(event, time_ns=round(event.time_ns, -3)) for event in span.events),
    )


def test_zipkin_json_is_read_the_same(spans: Sequence[ReadableSpan]) -> None:
    theirs = received(ZipkinReceiver, lambda it: ZipkinExporter(endpoint=it.endpoint), spans)
    mine = received(ZipkinReceiver, lambda it: ours("zipkin", {"endpoint": it.endpoint}), spans)

    def as_ours(span: ReceivedSpan) -> ReceivedSpan:
        attributes = dict(span.attributes)
        assert attributes.pop("service.name") == span.service_name
        assert span.raw["debug"] is True
        own = {"texts": ["a", "ü"], "booleans": [True, False]}
        own["numbers"] = [int(item) for item in json.loads(attributes.get("numbers", "[]"))]
        attributes |= {key: _json(value) for key, value in own.items() if key in attributes}
        return evolve(span, attributes=attributes)

    compare(theirs, mine, as_ours)
    assert not any("debug" in span.raw for span in mine.values())


def test_otlp_is_read_the_same(spans: Sequence[ReadableSpan]) -> None:
    over_http = received(
        OTLPHTTPReceiver,
        lambda it: ours("otlp", {"protocol": "http", "endpoint": it.endpoint}),
        spans,
    )
    over_grpc = received(
        OTLPGRPCReceiver, lambda it: ours("otlp", {"endpoint": it.endpoint}), spans
    )

    compare(
        received(OTLPHTTPReceiver, lambda it: OTLPHTTPExporter(endpoint=it.endpoint), spans),
        over_http,
        lambda span: span,
    )
    compare(
        received(
            OTLPGRPCReceiver,
            lambda it: OTLPGRPCExporter(endpoint=it.endpoint, insecure=True),
            spans,
        ),
        over_grpc,
        lambda span: span,
    )
