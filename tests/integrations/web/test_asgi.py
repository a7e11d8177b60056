from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any

import pytest

import bentotrace

pytest.importorskip("uvicorn", reason="the service runs under uvicorn")
pytest.importorskip("opentelemetry.instrumentation.asgi", reason="the extra asgi is not installed")

from bentotrace.integrations.asgi import TracingMiddleware

Start = Callable[..., Any]

TRACE_ID, SPAN_ID = "5" * 32, "7" * 16
CALLER = f"00-{TRACE_ID}-{SPAN_ID}-01"
NAMES = [
    pytest.param({}, id="old names"),
    pytest.param({"OTEL_SEMCONV_STABILITY_OPT_IN": "http"}, id="stable names"),
    pytest.param({"OTEL_SEMCONV_STABILITY_OPT_IN": "http/dup"}, id="both"),
]


def test_a_request_continues_the_trace_of_its_caller(start: Start, receiver: Any) -> None:
    service = start("asgi")
    service.get("/predict", traceparent=CALLER)
    service.end(signal.SIGTERM)

    spans = {span.kind: span for span in receiver.spans}
    assert {span.trace_id for span in receiver.spans} == {TRACE_ID}
    assert spans["server"].parent_id == SPAN_ID
    assert "work" in [span.name for span in receiver.spans]


@pytest.mark.parametrize("names", NAMES)
def test_nothing_of_an_excluded_request_is_exported(
    names: dict[str, str], start: Start, receiver: Any
) -> None:
    service = start("asgi", **names)
    service.get("/healthz?deep=1", traceparent=CALLER)
    service.get("/api/healthz")
    service.end(signal.SIGTERM)

    (server,) = [span for span in receiver.spans if span.kind == "server"]
    assert "/api/healthz" in server.attributes.values()
    assert {span.trace_id for span in receiver.spans} == {server.trace_id}


@pytest.mark.parametrize("names", NAMES)
def test_a_route_has_its_own_rate(names: dict[str, str], start: Start, receiver: Any) -> None:
    rates = [{"match": "/predict", "rate": 1}]
    service = start("asgi", sample_rate=0, sample_rates=rates, **names)
    service.get("/")
    service.get("/predict")
    service.end(signal.SIGTERM)

    (server,) = [span for span in receiver.spans if span.kind == "server"]
    assert "/predict" in server.attributes.values()


@pytest.mark.parametrize("variables", [{}, {"SERVICE_TAKES_GLOBAL": "1"}])
def test_the_end_of_the_lifespan_exports_what_is_queued(
    variables: dict[str, str], start: Start, receiver: Any
) -> None:
    service = start("asgi", flush_on_signals=[], **variables)
    for _ in range(20):
        service.get("/predict")
    service.end(signal.SIGTERM)

    assert sum(span.kind == "server" for span in receiver.spans) == 20


def test_the_options_of_the_middleware_within_are_passed_on() -> None:
    seen: list[str] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def nothing(*_arguments: Any) -> None:
        pass

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "headers": [],
        "server": ("localhost", 80),
        "scheme": "http",
    }
    with bentotrace.build({"exporter_type": "none"}) as tracing:
        middleware = TracingMiddleware(
            app, tracing, server_request_hook=lambda _span, scope: seen.append(scope["path"])
        )
        asyncio.run(middleware(scope, nothing, nothing))

    assert seen == ["/"]


def test_a_lifespan_that_fails_to_end_exports_what_is_queued_all_the_same() -> None:
    flushed: list[float] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "lifespan.shutdown.failed"})

    async def send(_message: Any) -> None:
        assert flushed == [5.0]

    with bentotrace.build({"exporter_type": "none"}) as tracing:
        tracing.flush = lambda timeout=0.0: bool(flushed.append(timeout))  # type: ignore[method-assign]
        asyncio.run(TracingMiddleware(app, tracing)({"type": "lifespan"}, send, send))
