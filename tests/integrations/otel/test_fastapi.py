from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

import bentotrace
from bentotrace.testing.otlp import OTLPHTTPReceiver

pytest.importorskip("opentelemetry.instrumentation.asgi", reason="the extra asgi is not installed")
pytest.importorskip("fastapi.telemetry", reason="the newest FastAPI creates spans, too")

from fastapi import FastAPI

from bentotrace.integrations.asgi import TracingMiddleware


async def get(app: Any, path: str) -> int:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
        "server": ("localhost", 80),
    }
    statuses: list[int] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, receive, send)
    return statuses[0]


@pytest.mark.parametrize("added", [True, False], ids=["added", "wrapped"])
def test_a_request_of_fastapi_has_one_span(added: bool) -> None:
    with OTLPHTTPReceiver() as receiver:
        section = {"protocol": "http", "endpoint": receiver.endpoint}
        block = {"exporter_type": "otlp", "sample_rate": 1, "otlp": section}
        with bentotrace.build(block) as tracing:
            app: Any = FastAPI(telemetry={"tracer_provider": tracing.provider})
            app.get("/classify")(lambda: "setosa")
            if added:
                app.add_middleware(TracingMiddleware, tracing=tracing)
            else:
                app = TracingMiddleware(app, tracing)
            assert asyncio.run(get(app, "/classify")) == 200
            assert tracing.flush()
        (span,) = receiver.spans

    assert span.kind == "server"
