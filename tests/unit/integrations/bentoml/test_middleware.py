from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry import trace as trace_api

import bentotrace
from bentotrace.integrations._requests import ExcludedURLs
from bentotrace.integrations.bentoml.middleware import ServiceMiddleware

PARENT = (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


def serve(path: str, pattern: str, *, disabled: bool = False, **scope: Any) -> Any:
    """Serve a request; return its span's context, and whether OpenTelemetry left it alone."""
    instrumentation = pytest.importorskip(
        "opentelemetry.instrumentation.asgi", reason="a BentoML service has its middleware"
    )
    found: list[Any] = []

    async def app(_scope: object, _receive: object, send: object) -> None:
        span = trace_api.get_current_span()
        assert not span.is_recording()
        found.extend((span.get_span_context(), send is answer))

    async def answer(_message: object) -> None:
        pass

    async def run(tracing: bentotrace.Tracing) -> None:
        request = {"type": "http", "scheme": "http", "path": path, "headers": [], **scope}
        excluded_urls = ExcludedURLs([pattern])
        middleware = instrumentation.OpenTelemetryMiddleware(
            ServiceMiddleware(app, tracing, excluded_urls),
            excluded_urls=excluded_urls,
            tracer_provider=trace_api.NoOpTracerProvider(),
        )
        await middleware(request, None, answer)
        assert trace_api.get_current_span() is trace_api.INVALID_SPAN

    with bentotrace.build({"exporter_type": "none", "disabled": disabled}) as tracing:
        asyncio.run(run(tracing))
    return found


def test_an_excluded_request_has_a_span_of_its_own_that_is_not_sampled() -> None:
    context, excluded = serve("/readyz", "/readyz")

    assert excluded
    assert context.is_valid
    assert not context.trace_flags.sampled


def test_it_stays_in_the_trace_of_its_caller() -> None:
    context, _ = serve("/readyz", "/readyz", headers=[PARENT])

    assert f"{context.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert not context.trace_flags.sampled


def test_where_tracing_is_disabled_it_has_none() -> None:
    context, excluded = serve("/readyz", "/readyz", disabled=True)

    assert excluded
    assert not context.is_valid


@pytest.mark.parametrize("pattern", ["iris.test:81/a", r"/a$", "https"])
@pytest.mark.parametrize(
    "host", [{"server": ("iris.test", 81)}, {"headers": [(b"host", b"iris.test:81")]}]
)
def test_a_pattern_is_searched_in_the_whole_url(pattern: str, host: dict[str, Any]) -> None:
    if "headers" in host and "iris" in pattern and not _knows_host():
        pytest.skip("This version of OpenTelemetry's middleware knows the server's address only.")

    _, excluded = serve("/a", pattern, query_string=b"b=c", scheme="https", **host)

    assert excluded


def _knows_host() -> bool:
    instrumentation = pytest.importorskip(
        "opentelemetry.instrumentation.asgi", reason="a BentoML service has its middleware"
    )
    scope = {"headers": [(b"host", b"iris.test")], "path": "/"}
    return "iris.test" in instrumentation.get_host_port_url_tuple(scope)[2]


@pytest.mark.parametrize("pattern", ["/b", "^/$", "iris.test/b", "a.b=c d$"])
def test_any_other_request_is_left_to_the_middleware_around_it(pattern: str) -> None:
    context, excluded = serve("/a", pattern, query_string=b"b=c%20d")

    assert not excluded
    assert not context.is_valid


@pytest.mark.parametrize("end", ["lifespan.shutdown.complete", "lifespan.startup.failed"])
def test_all_is_exported_when_the_application_has_ended(end: str) -> None:
    source = {"exporter_type": "console", "sample_rate": 1, "processor": {"schedule_delay": 60}}

    def exported() -> int:
        return tracing.status().destinations[0].exported

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        # As a hook of a service for its startup or shutdown does.
        tracing.provider.get_tracer("test").start_span("hook").end()
        assert exported() == 0
        await send({"type": end})

    async def send(message: Any) -> None:
        assert message == {"type": end}
        assert exported() == 1

    with bentotrace.build(source) as tracing:
        middleware = ServiceMiddleware(app, tracing, ExcludedURLs(["."]))
        asyncio.run(middleware({"type": "lifespan"}, None, send))  # type: ignore[arg-type]
