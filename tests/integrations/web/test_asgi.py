from __future__ import annotations

import asyncio
import http.client
import signal
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, get_current_span

import bentotrace
from bentotrace.pipeline.provider import ProcessProvider

pytest.importorskip("uvicorn", reason="the service runs under uvicorn")
pytest.importorskip("opentelemetry.instrumentation.asgi", reason="the extra asgi is not installed")

from bentotrace.integrations.asgi import TracingMiddleware

from .conftest import TIMEOUT

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


@pytest.mark.parametrize("excluded", [[], ["/large"]], ids=["recorded", "excluded"])
def test_requests_after_a_large_one_on_its_connection_are_not_in_its_trace(
    excluded: list[str], start: Start, receiver: Any
) -> None:
    service = start("asgi", excluded_urls=excluded)
    connection = http.client.HTTPConnection(service.address, timeout=TIMEOUT)
    for path in ("/large", "/large", "/predict"):
        # More than uvicorn buffers, so it stops to read until the application receives.
        connection.request("POST", path, body=bytes(1_000_000))
        assert connection.getresponse().read() == b"served"
    connection.close()
    service.end(signal.SIGTERM)

    requests = [span for span in receiver.spans if span.kind == "server"]
    assert [span.parent_id for span in requests] == [None] * (1 if excluded else 3)
    assert len({span.trace_id for span in requests}) == len(requests)


@pytest.mark.few_pythons
@pytest.mark.parametrize(
    ("options", "messages"), [({}, 0), ({"asgi_message_spans": True}, 2)], ids=["default", "on"]
)
def test_a_message_of_a_request_has_a_span_where_the_file_says_so(
    options: dict[str, Any], messages: int, start: Start, receiver: Any
) -> None:
    service = start("asgi", **options)
    service.get("/predict", traceparent=CALLER)
    service.end(signal.SIGTERM)

    (server,) = [span for span in receiver.spans if span.kind == "server"]
    # The status is set by the code that also creates the spans of messages.
    assert 200 in server.attributes.values()
    names = [span.name for span in receiver.spans if span.parent_id == server.span_id]
    assert names.count("GET /predict http send") == messages
    assert "work" in names
    # The only message that is received has its span, too.
    assert names.count("GET /predict http receive") == messages / 2
    assert len({span.span_id for span in receiver.spans}) == 2 + messages * 3 / 2


def test_a_span_of_that_name_is_recorded_elsewhere() -> None:
    with bentotrace.build({"exporter_type": "none"}, sample_rate=1.0) as tracing:
        tracer = tracing.provider.get_tracer("application")
        assert tracer.start_span("GET / http send").is_recording()
        instrumented = tracing.provider.get_tracer("opentelemetry.instrumentation.asgi")
        assert not instrumented.start_span("GET / http send").is_recording()
        assert instrumented.start_span("send").is_recording()
        client = instrumented.start_span("GET / http send", kind=SpanKind.CLIENT)
        assert client.is_recording()


@pytest.mark.parametrize("spans", ["lean", "sdk"])
def test_the_messages_of_a_replaced_pipeline_have_no_spans_either(spans: str) -> None:
    with bentotrace.build({"exporter_type": "none", "spans": spans}, sample_rate=1.0) as first:
        tracer = first.provider.get_tracer("opentelemetry.instrumentation.asgi")
        for messages in (False, True, False):
            block = {"exporter_type": "none", "spans": spans, "asgi_message_spans": messages}
            with bentotrace.build(block, sample_rate=1.0) as second:
                assert isinstance(first.provider, ProcessProvider)
                assert isinstance(second.provider, ProcessProvider)
                first.provider.replace(second.provider)
                with tracer.start_as_current_span("GET / http send") as span:
                    assert span.is_recording() == messages
                assert tracer.start_span("GET / http send").is_recording() == messages


def test_a_message_without_a_span_leaves_the_span_of_its_request_current() -> None:
    with bentotrace.build({"exporter_type": "none"}, sample_rate=1.0) as tracing:
        tracer = tracing.provider.get_tracer("opentelemetry.instrumentation.asgi")
        send = tracer.start_as_current_span("GET / http send")
        decorated = send(get_current_span)
        with tracer.start_as_current_span("GET /") as request:
            with send as nested, send:
                nested.set_attribute("asgi.event.type", "http.response.start")
                assert get_current_span() is request
            assert decorated() is request
        assert isinstance(request, ReadableSpan)
        assert not request.attributes


@pytest.mark.few_pythons
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


@pytest.mark.few_pythons
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


@pytest.mark.parametrize("former", [{"disabled": True}, {"sample_rate": 0.0}])
def test_requests_are_recorded_when_the_pipeline_is_replaced(former: dict[str, Any]) -> None:
    recorded: list[bool] = []

    async def app(*_: object) -> None:
        recorded.append(get_current_span().is_recording())

    async def nothing(*_: object) -> Any:
        return {}

    on = {"exporter_type": "none", "sample_rate": 1.0}
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "http_version": "1.1"}
    with bentotrace.build(on) as first, bentotrace.build({**on, **former}) as second:
        assert isinstance(first.provider, ProcessProvider)
        assert isinstance(second.provider, ProcessProvider)
        first.provider.replace(second.provider)
        middleware = TracingMiddleware(app, second)
        with bentotrace.build(on) as third:
            assert isinstance(third.provider, ProcessProvider)
            first.provider.replace(third.provider)
            asyncio.run(middleware({**scope, "server": ("localhost", 80)}, nothing, nothing))
    assert recorded == [True]


def test_the_end_of_the_lifespan_exports_the_spans_of_the_pipeline_that_runs() -> None:
    async def app(_scope: object, _receive: object, send: Any) -> None:
        await send({"type": "lifespan.shutdown.complete"})

    async def nothing(*_: object) -> Any:
        return {}

    block = {
        "exporter_type": "console",
        "sample_rate": 1.0,
        "console": {"stream": "stderr"},
        "processor": {"schedule_delay": 60},
    }
    with bentotrace.build(block) as first, bentotrace.build(block) as second:
        assert isinstance(first.provider, ProcessProvider)
        assert isinstance(second.provider, ProcessProvider)
        middleware = TracingMiddleware(app, first)
        first.provider.replace(second.provider)
        second.provider.get_tracer("x").start_span("a").end()
        asyncio.run(middleware({"type": "lifespan"}, nothing, nothing))
        assert [item.exported for item in second.status().destinations] == [1]
