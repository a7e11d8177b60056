"""Trace services of BentoML before 1.2, their runners, and ``serve-grpc``.

BentoML 1.4 still serves them, with its own instrumentation of requests.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from opentelemetry import context as context_api
from opentelemetry.trace import get_current_span

from bentotrace.integrations._requests import ExcludedURLs, with_non_recording_span
from bentotrace.integrations.bentoml.known import known_service
from bentotrace.integrations.bentoml.provider import ServiceTracerProvider

if TYPE_CHECKING:
    from bentotrace.config.document import Service
    from bentotrace.pipeline.tracing import Tracing

__all__ = ["Legacy", "check_runner", "use_session"]


class Legacy:
    """The pipeline of a worker, built when BentoML first asks for a part of it."""

    def __init__(self, start: Callable[[Service], tuple[Tracing, ServiceTracerProvider]]) -> None:
        self._start = start

    @cached_property
    def _started(self) -> tuple[Tracing, ServiceTracerProvider]:
        from bentoml import server_context

        return self._start(known_service(server_context.service_name or "unknown"))

    def tracer_provider(self, get: Callable[[], Any]) -> Any:
        """Return the tracer provider of the server that this process is."""
        return self._started[1] if _is_worker() else get()

    def tracing_excluded_urls(self, get: Callable[[], Any]) -> Any:
        """Return none; the sampler drops excluded requests, with all spans below them."""
        return ExcludedURLs(()) if _is_worker() else get()


def _is_worker() -> bool:
    from bentoml import server_context

    return server_context.service_type in ("api_server", "grpc_api_server", "runner")


async def check_runner(check: Callable[..., Awaitable[bool]], *args: Any) -> bool:
    """Ask a runner whether it is ready; without a trace unless a request asks for it."""
    if get_current_span().get_span_context().is_valid:
        return await check(*args)
    token = context_api.attach(with_non_recording_span(context_api.Context()))
    try:
        return await check(*args)
    finally:
        context_api.detach(token)


def use_session(get: Callable[[Any], Any], runner: Any) -> Any:
    """Return the session of a client of a runner, in which BentoML itself traces each call."""
    from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor

    session = get(runner)
    # Otherwise a call has two spans under `bentotrace run`, which instruments every session.
    AioHttpClientInstrumentor.uninstrument_session(session)
    return session
