from __future__ import annotations

from collections.abc import Callable
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

import bentotrace

pytest.importorskip("opentelemetry.instrumentation.wsgi", reason="the extra wsgi is not installed")

from bentotrace.integrations.wsgi import TracingMiddleware

Start = Callable[..., Any]

TRACE_ID, SPAN_ID = "5" * 32, "7" * 16
CALLER = f"00-{TRACE_ID}-{SPAN_ID}-01"
NAMES = [
    pytest.param({}, id="old names"),
    pytest.param({"OTEL_SEMCONV_STABILITY_OPT_IN": "http"}, id="stable names"),
    pytest.param({"OTEL_SEMCONV_STABILITY_OPT_IN": "http/dup"}, id="both"),
]


def test_a_request_continues_the_trace_of_its_caller(start: Start, receiver: Any) -> None:
    service = start("wsgi")
    service.get("/predict", traceparent=CALLER)
    service.end()

    spans = {span.name: span for span in receiver.spans}
    server = spans.pop("GET /predict", None) or spans.pop("GET")
    assert (server.kind, server.trace_id, server.parent_id) == ("server", TRACE_ID, SPAN_ID)
    assert [(span.name, span.parent_id) for span in spans.values()] == [("work", server.span_id)]


@pytest.mark.few_pythons
@pytest.mark.parametrize("names", NAMES)
def test_nothing_of_an_excluded_request_is_exported(
    names: dict[str, str], start: Start, receiver: Any
) -> None:
    service = start("wsgi", **names)
    service.get("/healthz?deep=1", traceparent=CALLER)
    service.get("/api/healthz")
    service.end()

    (server,) = [span for span in receiver.spans if span.kind == "server"]
    assert "/api/healthz" in server.attributes.values()
    assert {span.trace_id for span in receiver.spans} == {server.trace_id}


@pytest.mark.parametrize("names", NAMES)
def test_a_route_has_its_own_rate(names: dict[str, str], start: Start, receiver: Any) -> None:
    rates = [{"match": "/predict", "rate": 1}]
    service = start("wsgi", sample_rate=0, sample_rates=rates, **names)
    service.get("/")
    service.get("/predict")
    service.end()

    (server,) = [span for span in receiver.spans if span.kind == "server"]
    assert "/predict" in server.attributes.values()


def test_without_a_tracing_the_global_one_is_taken(start: Start, receiver: Any) -> None:
    service = start("wsgi", SERVICE_TAKES_GLOBAL="1")
    service.get("/predict")
    service.end()

    assert sorted(span.kind for span in receiver.spans) == ["internal", "server"]


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ({"PATH_INFO": "/a b", "QUERY_STRING": "c=d"}, "/a%20b?c=d"),
        ({"PATH_INFO": "/\xc3\xbc", "SCRIPT_NAME": "/shop"}, "/shop/%C3%BC"),
        ({"PATH_INFO": "/models/iris:predict;v=1"}, "/models/iris:predict;v=1"),
        ({"PATH_INFO": "/a", "REQUEST_URI": "/a;b"}, "/a;b"),
        ({"PATH_INFO": "/a", "RAW_URI": "/a;b"}, None),
    ],
)
def test_the_target_that_a_server_leaves_out_is_put_together(
    given: dict[str, str], target: str | None
) -> None:
    seen: list[str | None] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(environ.get("REQUEST_URI"))
        start_response("204 No Content", [])
        return []

    environ: dict[str, Any] = {**given}
    setup_testing_defaults(environ)
    with bentotrace.build({"exporter_type": "none"}) as tracing:
        list(TracingMiddleware(app, tracing)(environ, lambda *_arguments: None))

    assert seen == [target]


def test_the_options_of_the_middleware_within_are_passed_on() -> None:
    seen: list[str] = []

    def app(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("204 No Content", [])
        return []

    environ: dict[str, Any] = {"PATH_INFO": "/predict"}
    setup_testing_defaults(environ)
    with bentotrace.build({"exporter_type": "none"}) as tracing:
        middleware = TracingMiddleware(
            app, tracing, request_hook=lambda _span, environ: seen.append(environ["PATH_INFO"])
        )
        list(middleware(environ, lambda *_arguments: None))

    assert seen == ["/predict"]
