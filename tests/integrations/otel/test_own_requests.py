"""What an exporter sends is not traced, whatever is instrumented."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bentotrace.testing import OTLPGRPCReceiver, OTLPHTTPReceiver

from ...programs import finished

SCRIPT = """\
import json, sys
import grpc, requests, urllib3
from opentelemetry import trace
from opentelemetry.instrumentation.grpc import GrpcInstrumentorClient
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor

import bentotrace

block, asked = json.loads(sys.argv[1]), sys.argv[2]
tracing = bentotrace.configure({**block, "sample_rate": 1})
for instrumentor in (GrpcInstrumentorClient, RequestsInstrumentor, URLLib3Instrumentor):
    instrumentor().instrument()
for name in ("first", "second"):
    trace.get_tracer("script").start_span(name).end()
    assert tracing.flush(30)
if asked:
    # The instrumentations do work.
    urllib3.PoolManager().request("GET", asked)
tracing.shutdown()
"""


def spans_of(receiver: Any, directory: Path, block: dict[str, Any], asked: str = "") -> list[str]:
    (directory / "script.py").write_text(SCRIPT, encoding="utf-8")
    finished(directory, [sys.executable, "script.py", json.dumps(block), asked])
    return sorted(span.name for span in receiver.spans)


@pytest.fixture(autouse=True)
def _instrumentations() -> None:
    for name in ("grpc", "requests", "urllib3"):
        pytest.importorskip(
            f"opentelemetry.instrumentation.{name}", reason=f"it instruments {name}"
        )


def test_over_http_one_span_gives_one_export(receiver: Any, tmp_path: Path) -> None:
    otlp = {"protocol": "http", "endpoint": receiver.endpoint}
    assert spans_of(receiver, tmp_path, {"exporter_type": "otlp", "otlp": otlp}) == [
        "first",
        "second",
    ]
    assert len(receiver.requests) == 2


def test_what_the_application_asks_is_traced(receiver: Any, tmp_path: Path) -> None:
    block = {"exporter_type": "otlp", "otlp": {"protocol": "http", "endpoint": receiver.endpoint}}
    with OTLPHTTPReceiver() as other:
        assert spans_of(receiver, tmp_path, block, other.endpoint) == ["GET", "first", "second"]


def test_over_grpc_one_span_gives_one_export(tmp_path: Path) -> None:
    with OTLPGRPCReceiver() as receiver:
        block = {"exporter_type": "otlp", "otlp": {"endpoint": receiver.endpoint}}
        assert spans_of(receiver, tmp_path, block) == ["first", "second"]


def test_an_exporter_of_opentelemetry_that_uses_requests_is_not_traced_either(
    receiver: Any, tmp_path: Path
) -> None:
    reason = "it sends with requests"
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http.trace_exporter", reason=reason)
    options = {"endpoint": receiver.endpoint}
    block = {"exporter_type": "otlp_proto_http", "otlp_proto_http": options}
    assert spans_of(receiver, tmp_path, block) == ["first", "second"]
