"""The tracer provider that a BentoML service gets."""

from __future__ import annotations

from typing import Any

from opentelemetry import trace as trace_api

from bentotrace.integrations._requests import UnrecordedSpan

__all__ = ["ServiceTracerProvider"]


class ServiceTracerProvider(trace_api.TracerProvider):
    """A tracer provider whose unrecorded spans have an attribute ``context``, too.

    BentoML reads a request's id from ``span.context``, which only the SDK's recorded spans have;
    its own sampler therefore records every span.
    """

    def __init__(self, provider: trace_api.TracerProvider) -> None:
        self._provider = provider

    def get_tracer(self, *args: Any, **kwargs: Any) -> trace_api.Tracer:
        """Return a tracer of the wrapped provider."""
        return _Tracer(self._provider.get_tracer(*args, **kwargs))

    def __getattr__(self, name: str) -> Any:
        """Return another attribute of the wrapped provider, such as ``add_span_processor``."""
        return getattr(self._provider, name)


class _Tracer(trace_api.Tracer):
    def __init__(self, tracer: trace_api.Tracer) -> None:
        self._tracer = tracer

    def start_span(self, *args: Any, **kwargs: Any) -> trace_api.Span:
        span = self._tracer.start_span(*args, **kwargs)
        return span if span.is_recording() else UnrecordedSpan(span.get_span_context())

    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Any:
        return self._tracer.start_as_current_span(*args, **kwargs)
