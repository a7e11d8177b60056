from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry import trace as trace_api

pytest.importorskip(
    "opentelemetry.instrumentation.asgi", reason="a BentoML service has its middleware"
)

from bentotrace.integrations.bentoml.exclusion import (
    ExcludedURLs,
    ExclusionMiddleware,
    TracingMiddleware,
)

PARENT = (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


def serve(path: str, pattern: str, **scope: Any) -> tuple[trace_api.SpanContext, bool]:
    """Serve a request; gives its span, and whether the middleware left it alone."""
    found: list[Any] = []

    async def app(_scope: object, _receive: object, send: object) -> None:
        span = trace_api.get_current_span()
        assert not span.is_recording()
        found.extend((span.get_span_context(), send is answer))

    async def answer(_message: object) -> None:
        pass

    async def run() -> None:
        request = {"type": "http", "scheme": "http", "path": path, "headers": [], **scope}
        excluded_urls: Any = ExcludedURLs([pattern])
        nothing = trace_api.NoOpTracerProvider()
        within = ExclusionMiddleware(app, excluded_urls)
        middleware = TracingMiddleware(within, excluded_urls=excluded_urls, tracer_provider=nothing)
        await middleware(request, None, answer)
        assert trace_api.get_current_span() is trace_api.INVALID_SPAN

    asyncio.run(run())
    return found[0], found[1]


def test_an_excluded_request_has_a_span_of_its_own_that_is_not_sampled() -> None:
    context, excluded = serve("/readyz", "/readyz")

    assert excluded
    assert context.is_valid
    assert not context.trace_flags.sampled


def test_it_stays_in_the_trace_of_its_caller() -> None:
    context, _ = serve("/readyz", "/readyz", headers=[PARENT])

    assert f"{context.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert not context.trace_flags.sampled


@pytest.mark.parametrize(
    ("pattern", "query"),
    [("iris.test:81/a", b""), ("a.b=c d$", b"b=c%20d"), (r"/a$", b"b=c"), ("https", b"")],
)
@pytest.mark.parametrize(
    "host", [{"server": ("iris.test", 81)}, {"headers": [(b"host", b"iris.test:81")]}]
)
def test_a_pattern_is_searched_in_the_whole_url(
    pattern: str, query: bytes, host: dict[str, Any]
) -> None:
    _, excluded = serve("/a", pattern, query_string=query, scheme="https", **host)

    assert excluded


@pytest.mark.parametrize("pattern", ["/b", "^/$", "iris.test/b"])
def test_any_other_request_is_left_to_the_middleware_within(pattern: str) -> None:
    context, excluded = serve("/a", pattern)

    assert not excluded
    assert not context.is_valid


def test_a_lifespan_is_no_request() -> None:
    context, _ = serve("/", ".", type="lifespan")

    assert not context.is_valid
