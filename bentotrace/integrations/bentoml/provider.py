"""The tracer provider that BentoML is given."""

from __future__ import annotations

from typing import Any

from opentelemetry import trace as trace_api

from bentotrace.integrations._unrecorded_span import UnrecordedSpan

__all__ = ["ServiceTracerProvider"]


class ServiceTracerProvider(trace_api.TracerProvider):
    """Has spans that are not recorded tell their context as recorded ones do.

    BentoML takes a request's id from ``span.context``, which only the SDK's recorded spans have.
    Its own sampler records every span for that, whether it is sent or not, and pays for it.
    """

    def __init__(self, provider: trace_api.TracerProvider) -> None:
        self._provider = provider

    def get_tracer(self, *args: Any, **kwargs: Any) -> trace_api.Tracer:
        """Give a tracer of the provider within."""
        return _Tracer(self._provider.get_tracer(*args, **kwargs))

    def __getattr__(self, name: str) -> Any:
        """Give what else the provider within has, ``add_span_processor`` say."""
        return getattr(self._provider, name)


class _Tracer(trace_api.Tracer):
    def __init__(self, tracer: trace_api.Tracer) -> None:
        self._tracer = tracer

    def start_span(self, *args: Any, **kwargs: Any) -> trace_api.Span:
        span = self._tracer.start_span(*args, **kwargs)
        return span if span.is_recording() else UnrecordedSpan(span.get_span_context())

    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Any:
        return self._tracer.start_as_current_span(*args, **kwargs)
