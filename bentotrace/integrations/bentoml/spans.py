"""The tracer of the service that serves the current request, and how its spans show an error."""

from __future__ import annotations

from contextvars import ContextVar

from opentelemetry.trace import Span, Status, StatusCode, Tracer

__all__ = ["SCOPE", "current_tracer", "describe_error", "record_error"]

SCOPE = "bentotrace.bentoml"
"""The instrumentation scope of the spans that this package creates."""

current_tracer: ContextVar[Tracer | None] = ContextVar("bentotrace_bentoml_tracer", default=None)
"""The tracer of the service that serves the current request; None if it creates no such spans."""

_MARK = "__bentotrace_recorded__"


def describe_error(span: Span, error: BaseException) -> None:
    """Set the status of a span that failed, without an event."""
    name = type(error).__qualname__
    span.set_attribute("error.type", name)
    span.set_status(Status(StatusCode.ERROR, f"{name}: {error}"))


def record_error(span: Span, error: BaseException) -> None:
    """Set the status of a span, and record the exception unless another span already has it."""
    describe_error(span, error)
    if span.is_recording() and not getattr(error, _MARK, False):
        span.record_exception(error)
        # An exception with __slots__ takes no attribute.
        if hasattr(error, "__dict__"):
            setattr(error, _MARK, True)
