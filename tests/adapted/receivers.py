"""Receivers of what some published exporters send, for the contract kit."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta, timezone
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bentotrace.testing import HTTPReceiver, ReceivedSpan, ZipkinReceiver
from bentotrace.testing.http_server import Response
from bentotrace.testing.otlp import decode_request
from bentotrace.testing.receiver import ReceivedEvent, ReceivedLink, SpanKind

_IDS = ("traceId", "spanId", "parentSpanId")
_KINDS = ("", "CLIENT", "SERVER", "PRODUCER", "CONSUMER")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class OTLPJSONReceiver(HTTPReceiver):
    """OTLP's JSON: ids are hexadecimal, where protobuf's own JSON has base64."""

    path = "/v1/traces"
    content_types = frozenset({"application/json"})

    def decode(self, body: bytes) -> list[ReceivedSpan]:
        found = _with_base64(json.loads(body))
        try:
            message = json_format.ParseDict(found, ExportTraceServiceRequest())
        except json_format.ParseError as error:
            raise ValueError(str(error)) from error
        return decode_request(message.SerializeToString())


def _with_base64(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_base64(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64encode(bytes.fromhex(item)).decode() if key in _IDS else _with_base64(item)
        for key, item in value.items()
    }


class ZipkinProtobufReceiver(ZipkinReceiver):
    """Zipkin's v2 spans in protobuf, read with the messages of the exporter's own package."""

    content_types = frozenset({"application/x-protobuf"})

    def decode(self, body: bytes) -> list[ReceivedSpan]:
        from opentelemetry.exporter.zipkin.proto.http.v2.gen.zipkin_pb2 import ListOfSpans

        message = ListOfSpans()
        if message.MergeFromString(body) != len(body):
            raise ValueError("not a ListOfSpans")
        spans = [_zipkin_json(span) for span in message.spans]
        return super().decode(json.dumps(spans).encode())


def _zipkin_json(span: Any) -> dict[str, Any]:
    return {
        "traceId": span.trace_id.hex(),
        "id": span.id.hex(),
        "parentId": span.parent_id.hex() or None,
        "name": span.name,
        "kind": _KINDS[span.kind] or None,
        "timestamp": span.timestamp,
        "duration": span.duration,
        "tags": dict(span.tags),
        "annotations": [
            {"timestamp": each.timestamp, "value": each.value} for each in span.annotations
        ],
        "localEndpoint": {"serviceName": span.local_endpoint.service_name},
    }


class AzureReceiver(HTTPReceiver):
    """Application Insights: ``POST /v2.1/track``, a list of envelopes in JSON."""

    path = "/v2.1/track"
    content_types = frozenset({"application/json"})
    success = Response(
        200,
        {"content-type": "application/json"},
        b'{"itemsReceived": 1, "itemsAccepted": 1, "errors": []}',
    )

    def decode(self, body: bytes) -> list[ReceivedSpan]:
        envelopes = json.loads(body)
        events = [each for each in envelopes if each["data"]["baseType"] == "MessageData"]
        return [_azure_span(each, events) for each in envelopes if "id" in each["data"]["baseData"]]


def _azure_span(envelope: dict[str, Any], events: list[dict[str, Any]]) -> ReceivedSpan:
    data, tags = envelope["data"]["baseData"], envelope["tags"]
    properties = dict(data.get("properties") or {})
    links = json.loads(properties.pop("_MS.links", "[]"))
    start_ns = _azure_time(envelope)
    return ReceivedSpan(
        trace_id=tags["ai.operation.id"],
        span_id=data["id"],
        parent_id=tags.get("ai.operation.parentId"),
        name=data["name"],
        kind=_azure_kind(envelope["data"]["baseType"], data.get("type", "")),
        start_ns=start_ns,
        end_ns=start_ns + _azure_duration(data["duration"]),
        attributes=properties,
        events=tuple(
            ReceivedEvent(
                each["data"]["baseData"]["message"],
                _azure_time(each),
                each["data"]["baseData"].get("properties") or {},
            )
            for each in events
            if each["tags"]["ai.operation.parentId"] == data["id"]
        ),
        links=tuple(ReceivedLink(each["operation_Id"], each["id"]) for each in links),
        status="unset" if data["success"] else "error",
        service_name=tags.get("ai.cloud.role", ""),
    )


def _azure_kind(base_type: str, dependency: str) -> SpanKind:
    if base_type == "RequestData":
        return "server"
    if dependency.startswith("InProc"):
        return "internal"
    return "producer" if dependency.startswith("Queue Message") else "client"


def _azure_time(envelope: dict[str, Any]) -> int:
    found = datetime.fromisoformat(envelope["time"].replace("Z", "+00:00"))
    return (found - _EPOCH) // timedelta(microseconds=1) * 1000


def _azure_duration(text: str) -> int:
    """Return the nanoseconds of ``days.hours:minutes:seconds.milliseconds``."""
    days, _, rest = text.partition(".")
    hours, minutes, seconds = rest.split(":")
    whole = (int(days) * 24 + int(hours)) * 60 + int(minutes)
    return whole * 60 * 10**9 + round(float(seconds) * 1000) * 10**6
