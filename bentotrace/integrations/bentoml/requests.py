"""What runs around BentoML's own functions while it starts and serves; ``hooks.py`` installs it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from opentelemetry import propagate
from opentelemetry import trace as trace_api

from bentotrace.integrations.bentoml.batches import Batches, Method
from bentotrace.integrations.bentoml.spans import (
    current_tracer,
    record_error,
)
from bentotrace.integrations.bentoml.starts import current_start
from bentotrace.integrations.bentoml.streams import record_errors
from bentotrace.integrations.bentoml.tasks import Tasks

__all__ = ["RequestHooks", "make_client"]

Call = Callable[..., Awaitable[Any]]


class RequestHooks:
    """Each method gets the function of BentoML, and then its arguments."""

    def __init__(self) -> None:
        self._batches = Batches()
        self._tasks = Tasks()
        self._method: ContextVar[Method | None] = ContextVar("method", default=None)

    async def create_instance(self, create: Call, factory: Any, *args: Any) -> Any:
        """Trace the creation of a service within the start of its worker."""
        start = current_start.get()
        if start is None:
            return await create(factory, *args)
        with start.creating(factory.service.name):
            return await create(factory, *args)

    async def api_endpoint(self, call: Call, factory: Any, name: str, request: Any) -> Any:
        """Record the exception of a method on its span; BentoML makes a response of it."""
        try:
            return await call(factory, name, request)
        except Exception as error:
            if current_tracer.get() is not None:
                self._record(error)
            raise

    def _record(self, error: Exception) -> None:
        from bentoml.exceptions import BentoMLException
        from pydantic import ValidationError

        span = trace_api.get_current_span()
        if isinstance(error, ValidationError):
            # It quotes what the client sent.
            span.set_attribute("error.type", type(error).__qualname__)
        elif (
            self._tasks.is_running(span)
            or not isinstance(error, BentoMLException)
            or error.error_code.value >= 500
        ):
            record_error(span, error)
        else:
            # The client's mistake, which is no error of the service.
            span.record_exception(error)

    async def to_http_response(self, respond: Call, kind: Any, output: Any, *args: Any) -> Any:
        """Record the exception of a method that has sent a part of its response."""
        if inspect.isasyncgen(output) and current_tracer.get() is not None:
            output = record_errors(output)
        return await respond(kind, output, *args)

    async def batch_infer(self, infer: Call, factory: Any, name: str, *args: Any) -> Any:
        """Record the method of the batches that a dispatcher, which has no name, will make."""
        tracer = current_tracer.get()
        method = None
        if tracer is not None:
            method = Method(name, tracer, _describe(factory, name))
        token = self._method.set(method)
        try:
            return await infer(factory, name, *args)
        finally:
            self._method.reset(token)

    def dispatch(
        self, make: Callable[..., Callable[[Any], Any]], dispatcher: Any, run: Call
    ) -> Callable[[Any], Any]:
        """Trace the waiting of a request, and the batch that runs when it has entered."""
        method = self._method.get()
        if method is None:
            # A runner, or a service without such spans.
            return make(dispatcher, run)
        count_items = dispatcher.get_batch_size
        call = make(dispatcher, functools.partial(self._batches.run, run, method, count_items))
        return functools.partial(self._batches.wait, call, method)

    def split_job(self, split: Callable[..., Any], dispatcher: Any, job: Any, *args: Any) -> Any:
        """Assign both parts of a request that is too large for one batch to the request."""
        jobs = split(dispatcher, job, *args)
        self._batches.share(job.data, [each.data for each in jobs])
        return jobs

    async def new_entry(self, store: Call, results: Any, name: str, request: Any) -> Any:
        """Store a task with the context of its trace."""
        if current_tracer.get() is None:
            return await store(results, name, request)
        return await self._tasks.submit(functools.partial(store, results), name, request)

    async def run_task(self, run: Call, factory: Any, task_id: str, name: str, *args: Any) -> None:
        """Trace the run of a task."""
        call = functools.partial(run, factory)
        await self._tasks.run(call, task_id, name, _describe(factory, name), *args)

    async def get(self, get: Call, results: Any, task_id: str) -> Any:
        """Remember the trace of a task that has ended."""
        return await self._tasks.find(functools.partial(get, results), task_id)

    async def respond(self, respond: Call, factory: Any, request: Any) -> Any:
        """Trace the response to a request for the result of a task."""
        call = functools.partial(respond, factory, request)
        return await self._tasks.respond(call, request.query_params.get("task_id"))


def make_client(make: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Let every request of a client carry the context; BentoML adds it to calls only."""
    client = make(*args, **kwargs)

    def inject(request: Any) -> None:
        propagate.inject(request.headers)

    async def inject_async(request: Any) -> None:
        inject(request)

    # An asynchronous client calls asynchronous hooks only.
    hook = inject_async if hasattr(client, "aclose") else inject
    client.event_hooks["request"].append(hook)
    return client


def _describe(factory: Any, name: str) -> dict[str, Any]:
    """Return the attributes of a span of a method."""
    function = factory.service.apis[name].func
    return {"code.function.name": f"{function.__module__}.{function.__qualname__}"}
