"""The trace of the start of a worker: imports, and the creation of the service."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from opentelemetry import context as context_api
from opentelemetry import trace as trace_api
from opentelemetry.sdk.trace import sampling

from bentotrace._version import __version__
from bentotrace.integrations.bentoml.spans import SCOPE, record_error

if TYPE_CHECKING:
    from bentotrace.pipeline.tracing import Tracing

__all__ = ["Start", "current_start"]


class Start:
    """The start of one worker, from its first instruction until it serves requests.

    It is recorded at any rate of requests but zero, since a worker starts only once.
    """

    def __init__(self, tracing: Tracing, name: str, began: float | None) -> None:
        """Begin the trace.

        Args:
            tracing: the pipeline of the service.
            name: of the service.
            began: when the process began, in seconds since the epoch; None for now.
        """
        options = tracing.config.options
        self._tracer = tracing.provider.get_tracer(f"{SCOPE}.start", __version__)
        if options.effective_rate > 0 and hasattr(self._tracer, "sampler"):
            self._tracer.sampler = sampling.ALWAYS_ON
        now = time.time_ns()
        start = now if began is None else int(began * 1e9)
        # A root, whatever happens to be current where the application is created.
        empty = context_api.Context()
        self._span = self._tracer.start_span(f"start {name}", empty, start_time=start)
        self._context = trace_api.set_span_in_context(self._span, empty)
        if began is not None:
            self._tracer.start_span("import", self._context, start_time=start).end(now)

    @contextmanager
    def current(self) -> Iterator[None]:
        """Add the spans that the application creates within the block to the trace."""
        token = context_api.attach(self._context)
        try:
            yield
        finally:
            context_api.detach(token)

    @contextmanager
    def creating(self, name: str) -> Iterator[None]:
        """Trace the creation of the service, in which it loads its models."""
        span = self._tracer.start_span(f"create {name}", self._context)
        token = context_api.attach(trace_api.set_span_in_context(span, self._context))
        try:
            yield
        except Exception as error:
            record_error(span, error)
            raise
        finally:
            context_api.detach(token)
            span.end()

    def end(self, *, failed: bool = False) -> None:
        """End the trace when the worker is ready, or has failed to become so."""
        if self._span.is_recording():
            if failed:
                self._span.set_status(trace_api.StatusCode.ERROR)
            self._span.end()


current_start: ContextVar[Start | None] = ContextVar("bentotrace_bentoml_start", default=None)
"""The start of the worker, while the application starts and ends."""
