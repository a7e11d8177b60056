"""Excluded requests of a service that OpenTelemetry's start instruments."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from bentotrace.testing import OTLPHTTPReceiver

from ...programs import PATIENCE, Program, started
from .conftest import BIN

for needed in ("fastapi", "uvicorn", "opentelemetry.instrumentation.fastapi"):
    pytest.importorskip(needed, reason=f"this serves with {needed}")

APP = """\
from fastapi import FastAPI
from opentelemetry import trace

app = FastAPI()


@app.get("/{name}")
async def get(name: str) -> dict[str, object]:
    context = trace.get_current_span().get_span_context()
    with trace.get_tracer("app").start_as_current_span(f"work of {name}"):
        pass
    return {"trace": f"{context.trace_id:032x}", "sampled": context.trace_flags.sampled}
"""

CALLER = {"traceparent": f"00-{'5' * 32}-{'7' * 16}-01"}


@contextmanager
def serving(directory: Path, **variables: str) -> Iterator[tuple[HTTPConnection, Program]]:
    """Serve, and give a connection that is kept."""
    (directory / "app.py").write_text(APP, encoding="utf-8")
    file = directory / "tracing.yaml"
    file.write_text(file.read_text("utf-8") + "  excluded_urls: [/healthz, internal=1]\n", "utf-8")
    command = [BIN / "opentelemetry-instrument", BIN / "uvicorn", "app:app", "--port", "0"]
    with started(directory, *command, BENTOTRACE_CONFIG="tracing.yaml", **variables) as service:
        host, port = service.wait_for(r"running on http://([\d.]+):(\d+)").groups()
        with closing(HTTPConnection(host, int(port), timeout=PATIENCE)) as connection:
            yield connection, service


def ask(connection: HTTPConnection, target: str, **headers: str) -> dict[str, Any]:
    connection.request("GET", target, headers=headers)
    answer: dict[str, Any] = json.load(connection.getresponse())
    return answer


def names_of(receiver: OTLPHTTPReceiver) -> set[str]:
    return {span.name for span in receiver.spans if not span.name.endswith((" send", " receive"))}


def test_nothing_of_an_excluded_request_or_below_it_is_exported(
    directory: Path, receiver: OTLPHTTPReceiver
) -> None:
    with serving(directory) as (connection, _):
        for target in ("/healthz", "/cart?internal=1"):
            answer = ask(connection, target, **CALLER)
            assert answer == {"trace": "5" * 32, "sampled": False}
        first = ask(connection, "/healthz")
        second = ask(connection, "/predict")

    assert (first["sampled"], second["sampled"]) == (False, True)
    assert len({first["trace"], second["trace"], "0" * 32, "5" * 32}) == 4
    assert names_of(receiver) == {"GET /{name}", "work of predict"}
    assert {span.trace_id for span in receiver.spans} == {second["trace"]}


def test_a_variable_of_the_framework_excludes_as_before(
    directory: Path, receiver: OTLPHTTPReceiver
) -> None:
    with serving(directory, OTEL_PYTHON_FASTAPI_EXCLUDED_URLS="healthz,metrics") as (connection, _):
        for target in ("/healthz", "/metrics"):
            assert ask(connection, target)["trace"] == "0" * 32

    assert names_of(receiver) == {"work of healthz", "work of metrics"}


def test_an_excluded_request_is_counted_by_the_metrics(
    directory: Path, receiver: OTLPHTTPReceiver
) -> None:
    metrics = {"OTEL_METRICS_EXPORTER": "console", "OTEL_METRIC_EXPORT_INTERVAL": "100"}
    with serving(directory, **metrics) as (connection, service):
        ask(connection, "/healthz")
        service.wait_for("http.server.duration")

    assert receiver.spans == []
