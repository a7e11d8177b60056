from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry import trace as trace_api
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import bentotrace
from bentotrace.integrations._requests import ExcludedURLs
from bentotrace.integrations.bentoml.provider import ServiceTracerProvider

pytest.importorskip("opentelemetry.instrumentation.asgi", reason="BentoML has its middleware")
pytest.importorskip("starlette", reason="BentoML makes applications of it")

from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from starlette.applications import Starlette
from starlette.middleware import Middleware

from bentotrace.integrations.bentoml.recorded import RequestMiddleware, replace_middleware


class Served:
    """What requests show within the middleware.

    Attributes:
        ids: the ids that BentoML would log.
        within: of each request, whether it is recorded, and is in OpenTelemetry's middleware.
        spans: the names of the exported spans.
    """

    def __init__(self, path: str, **options: Any) -> None:
        self.ids: list[int] = []
        self.within: list[tuple[bool, bool]] = []
        exported = InMemorySpanExporter()
        with bentotrace.build({"exporter_type": "none", **options}) as tracing:
            provider = ServiceTracerProvider(tracing.provider)
            provider.add_span_processor(SimpleSpanProcessor(exported))
            excluded_urls = ExcludedURLs(tracing.config.options.excluded_urls)
            middleware = RequestMiddleware(
                self._app,
                tracing,
                excluded_urls=excluded_urls,
                tracer_provider=provider,
                server_request_hook=self._hook,
            )
            scope = {"type": "http", "method": "GET", "path": path, "headers": []}
            asyncio.run(middleware(scope, self._receive, self._send))
        self.spans = sorted(span.name for span in exported.get_finished_spans())

    def _hook(self, span: Any, _scope: object) -> None:
        assert span is trace_api.get_current_span() or not span.is_recording()
        self.ids.append(span.context.span_id)

    async def _app(self, _scope: object, receive: Any, send: Any) -> None:
        span = trace_api.get_current_span()
        self.within.append((span.is_recording(), hasattr(send, "__wrapped__")))
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    async def _receive(self) -> dict[str, Any]:
        return {"type": "http.request"}

    async def _send(self, _message: object) -> None:
        pass


@pytest.mark.parametrize("options", [{"sample_rate": 0}, {"disabled": True}])
def test_a_request_that_is_not_recorded_goes_around_but_has_an_id(options: dict[str, Any]) -> None:
    served = Served("/a", **options)

    assert served.within == [(False, False)]
    assert len(served.ids) == 1
    assert (served.ids[0] != 0) is ("disabled" not in options)
    assert served.spans == []


@pytest.mark.parametrize("pattern", ["/a", "example.test", "0.0.0.0"])
def test_one_that_is_excluded_has_no_id(pattern: str) -> None:
    served = Served("/a", sample_rate=1, excluded_urls=pattern)

    excluded = pattern != "example.test"
    assert served.within == [(not excluded, not excluded)]
    assert len(served.ids) == (not excluded)


def test_one_that_is_recorded_has_the_spans_of_its_messages_only_if_they_are_wanted() -> None:
    assert Served("/a", sample_rate=1).spans == ["GET /a"]
    assert Served("/a", sample_rate=1, asgi_message_spans=True).spans == [
        "GET /a",
        "GET /a http receive",
        "GET /a http send",
        "GET /a http send",
    ]


def test_only_the_middleware_of_the_service_is_replaced() -> None:
    def hook(*_: object) -> None: ...

    with bentotrace.build({"exporter_type": "none"}) as tracing:
        provider = ServiceTracerProvider(tracing.provider)
        app = Starlette(
            middleware=[
                Middleware(OpenTelemetryMiddleware, tracer_provider=provider),
                Middleware(OpenTelemetryMiddleware),
                Middleware(
                    OpenTelemetryMiddleware, tracer_provider=provider, client_request_hook=hook
                ),
            ]
        )
        replace_middleware(app, tracing, provider)

    kinds = [next(iter(each)) for each in app.user_middleware]
    assert kinds == [RequestMiddleware, OpenTelemetryMiddleware, OpenTelemetryMiddleware]
