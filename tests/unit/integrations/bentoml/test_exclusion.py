from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry import trace as trace_api

from bentotrace.integrations.bentoml.exclusion import Excluded, ExclusionMiddleware
from bentotrace.pipeline.urls import URLPatterns

PARENT = (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


def serve(path: str, pattern: str, **scope: Any) -> tuple[trace_api.SpanContext, bool, list[int]]:
    """Serve a request; gives its span, whether the middleware within is to skip it, and its ids."""
    found: list[Any] = []
    ids: list[int] = []

    async def app(_scope: object, _receive: object, _send: object) -> None:
        span = trace_api.get_current_span()
        assert not span.is_recording()
        found.extend((span.get_span_context(), Excluded().url_disabled("")))

    async def run() -> None:
        request = {"type": "http", "scheme": "http", "path": path, "headers": [], **scope}
        middleware = ExclusionMiddleware(app, URLPatterns([pattern]), ids.append)
        await middleware(request, None, None)
        assert trace_api.get_current_span() is trace_api.INVALID_SPAN

    asyncio.run(run())
    return found[0], found[1], ids


def test_an_excluded_request_has_a_span_of_its_own_that_is_not_sampled() -> None:
    context, excluded, ids = serve("/readyz", "/readyz")

    assert excluded
    assert context.is_valid
    assert not context.trace_flags.sampled
    assert ids == [context.span_id]


def test_it_stays_in_the_trace_of_its_caller() -> None:
    context, _, _ = serve("/readyz", "/readyz", headers=[PARENT])

    assert f"{context.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert not context.trace_flags.sampled


@pytest.mark.parametrize(
    ("pattern", "query"),
    [("iris.test/a", b""), ("a.b=c d$", b"b=c%20d"), (r"/a$", b"b=c"), ("https", b"")],
)
def test_a_pattern_is_searched_in_the_whole_url(pattern: str, query: bytes) -> None:
    _, excluded, _ = serve(
        "/a", pattern, query_string=query, scheme="https", server=("iris.test", 80)
    )

    assert excluded


@pytest.mark.parametrize("pattern", ["/b", "^/$", "iris.test/b"])
def test_any_other_request_is_left_to_the_middleware_within(pattern: str) -> None:
    context, excluded, ids = serve("/a", pattern)

    assert not excluded
    assert not context.is_valid
    assert not ids


def test_a_lifespan_is_no_request() -> None:
    _, excluded, _ = serve("/", ".", type="lifespan")

    assert not excluded
