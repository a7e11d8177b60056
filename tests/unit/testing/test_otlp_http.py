from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("opentelemetry.proto", reason="the receiver decodes with opentelemetry-proto")

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceResponse,
)

from bentotrace.testing import OTLPHTTPReceiver, ReceivedEvent, ReceivedLink

upstream = pytest.importorskip(
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    reason="opentelemetry-exporter-otlp-proto-http sends in these tests",
)


def exporter(receiver: OTLPHTTPReceiver, **options: Any) -> Any:
    return upstream.OTLPSpanExporter(endpoint=receiver.endpoint, timeout=5, **options)


def test_a_span_of_upstreams_exporter_arrives_whole(sdk_spans: list[Any]) -> None:
    with OTLPHTTPReceiver() as receiver:
        sender = exporter(receiver, headers={"x-token": "abc"})
        assert sender.export(sdk_spans).name == "SUCCESS"
        sender.shutdown()
        child, parent, alone = receiver.wait(3)
    sent = sdk_spans[0]
    assert child.trace_id == f"{sent.context.trace_id:032x}"
    assert child.span_id == f"{sent.context.span_id:016x}"
    assert child.parent_id == parent.span_id
    assert (parent.parent_id, alone.parent_id) == (None, None)
    assert [span.kind for span in (child, parent, alone)] == ["client", "server", "internal"]
    assert (child.start_ns, child.end_ns) == (sent.start_time, sent.end_time)
    assert child.attributes == {"text": "ü", "yes": True, "n": -5, "x": 0.5, "list": ("a", "b")}
    assert child.events == (ReceivedEvent("fell", sent.events[0].timestamp, {"height": 3}),)
    assert child.links == (ReceivedLink(f"{0xABC:032x}", f"{0xDEF:016x}", {"why": "because"}),)
    assert (child.status, child.status_description) == ("error", "broken")
    assert parent.status == "unset"
    assert child.service_name == "shop"
    assert child.resource == {"service.name": "shop", "host.cores": 4}
    assert (child.scope_name, child.scope_version) == ("shop.tracer", "1.2")
    (request,) = receiver.requests
    assert request.headers["x-token"] == "abc"
    assert (request.path, request.span_count, request.status) == ("/v1/traces", 3, 200)


def test_gzip_is_decoded(sdk_spans: list[Any]) -> None:
    from opentelemetry.exporter.otlp.proto.http import Compression

    with OTLPHTTPReceiver() as receiver:
        sender = exporter(receiver, compression=Compression.Gzip)
        assert sender.export(sdk_spans).name == "SUCCESS"
        sender.shutdown()
        assert len(receiver.wait(3)) == 3
        assert receiver.requests[0].encoding == "gzip"


def test_upstreams_exporter_trusts_its_certificate(
    sdk_spans: list[Any], certificates: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    # requests, which the exporter sends with, lets these come before the exporter's own file.
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    with OTLPHTTPReceiver(ssl_context=certificates.server_context) as receiver:
        sender = exporter(receiver, certificate_file=certificates.ca_file)
        assert sender.export(sdk_spans).name == "SUCCESS"
        sender.shutdown()
        assert len(receiver.wait(3)) == 3


def test_a_partial_success_keeps_all_but_the_rejected_spans(
    sdk_spans: list[Any], post: Callable[..., Any]
) -> None:
    with OTLPHTTPReceiver() as receiver:
        sender = exporter(receiver)
        sender.export(sdk_spans)
        sender.shutdown()
        body = receiver.requests[0].body
        receiver.clear()
        receiver.respond_with_partial_success(2, "too old")
        answer = post(receiver.endpoint, body, content_type="application/x-protobuf")
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/x-protobuf"
        partial = ExportTraceServiceResponse.FromString(answer.data).partial_success
        assert (partial.rejected_spans, partial.error_message) == (2, "too old")
        assert [span.name for span in receiver.spans] == ["child"]
        assert receiver.requests[0].span_count == 3


def test_json_is_an_unsupported_media_type(post: Callable[..., Any]) -> None:
    with OTLPHTTPReceiver() as receiver:
        assert post(receiver.endpoint, b"{}", content_type="application/json").status == 415
