"""Spans of tasks: BentoML runs one after the response to its request, and keeps its result.

BentoML stores the headers of the request that submitted a task. The context of its trace is one of
them, so any worker that returns the result later finds the trace.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from opentelemetry import context as context_api
from opentelemetry import trace as trace_api

from bentotrace.integrations._requests import extract_caller, with_current_context
from bentotrace.integrations.bentoml.spans import current_tracer

__all__ = ["Tasks"]

_ID = "bentoml.task.id"

Call = Callable[..., Awaitable[Any]]


class Tasks:
    """What is known of the task that the current request submits, runs or returns."""

    def __init__(self) -> None:
        self._running: ContextVar[trace_api.Span | None] = ContextVar("task", default=None)
        self._stored: ContextVar[tuple[str, context_api.Context] | None] = ContextVar(
            "stored task", default=None
        )

    def is_running(self, span: trace_api.Span) -> bool:
        """Return whether a span is that of the task that runs."""
        return self._running.get() is span

    async def submit(self, store: Call, name: str, request: Any) -> Any:
        """Store a request with the context of its trace."""
        span = trace_api.get_current_span()
        stored = self._stored.get()
        if stored is not None:
            # It is run again, by another request than the one that submitted it.
            span.add_link(_submitter(stored[1]))
        headers = request.scope["headers"]
        request.scope["headers"] = with_current_context(headers)
        try:
            task_id = await store(name, request)
        finally:
            request.scope["headers"] = headers
        span.set_attribute(_ID, task_id)
        return task_id

    async def run(
        self, call: Call, task_id: str, name: str, attributes: dict[str, Any], *args: Any
    ) -> None:
        """Run a task within its span."""
        tracer = current_tracer.get()
        if tracer is None:
            await call(task_id, name, *args)
            return
        attributes = {**attributes, _ID: task_id}
        with tracer.start_as_current_span(f"run {name}", attributes=attributes) as span:
            token = self._running.set(span)
            try:
                await call(task_id, name, *args)
            finally:
                self._running.reset(token)

    async def find(self, get: Call, task_id: str) -> Any:
        """Get a task that has ended from where it is stored, and remember its trace."""
        row = await get(task_id)
        self._stored.set((row.name, extract_caller(row.input.scope)))
        return row

    async def respond(self, respond: Call, task_id: str | None) -> Any:
        """Respond with a result, and add a span of that to the trace of the task."""
        tracer = current_tracer.get()
        if tracer is None or task_id is None:
            return await respond()
        request = trace_api.get_current_span()
        request.set_attribute(_ID, task_id)
        began = time.time_ns()
        response = await respond()
        stored = self._stored.get()
        if stored is None:
            # It is unknown, or still runs.
            return response
        name, context = stored
        submitter, own = _submitter(context), request.get_span_context()
        if submitter.is_valid and submitter.trace_id != own.trace_id:
            links = [trace_api.Link(own)] if request.is_recording() else []
            attributes = {_ID: task_id}
            span = tracer.start_span(
                f"result {name}", context, links=links, attributes=attributes, start_time=began
            )
            span.end()
            request.add_link(submitter)
        return response


def _submitter(context: context_api.Context) -> trace_api.SpanContext:
    return trace_api.get_current_span(context).get_span_context()
