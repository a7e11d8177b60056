"""Spans of adaptive batching: one for the waiting of each request, one for the run of a batch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from attrs import define, field
from opentelemetry import context as context_api
from opentelemetry import trace as trace_api

from bentotrace.integrations.bentoml.spans import describe_error, record_error

__all__ = ["Batches", "Method"]

_SIZE = "bentoml.batch.size"
_ITEMS = "bentoml.batch.items"


class Method(NamedTuple):
    """A batchable method, as its spans name it.

    Attributes:
        name: of the method.
        tracer: of the service.
        attributes: of each of its spans.
    """

    name: str
    tracer: trace_api.Tracer
    attributes: dict[str, Any]


@define(eq=False)
class _Waiting:
    """A request that waits: its context, the span of its waiting, and the keys of its data."""

    context: context_api.Context
    span: trace_api.Span
    keys: list[int] = field(factory=list)

    @property
    def request(self) -> trace_api.Span:
        return trace_api.get_current_span(self.context)


class Batches:
    """The requests that wait for a batch, found by the identity of their data.

    BentoML passes the data of a request to the batch as the same object, or as parts of it.
    """

    def __init__(self) -> None:
        self._waiting: dict[int, list[_Waiting]] = {}

    async def wait(self, call: Callable[[Any], Awaitable[Any]], method: Method, data: Any) -> Any:
        """Call a dispatcher with the data of a request, and trace how long its batch is awaited."""
        context = context_api.get_current()
        span = method.tracer.start_span(
            f"wait {method.name}", context, attributes=method.attributes
        )
        waiting = _Waiting(context, span)
        self._add(data, waiting)
        try:
            return await call(data)
        except Exception as error:
            if span.is_recording():
                # No batch took it, for example because the service is overloaded.
                describe_error(span, error)
            raise
        finally:
            self._remove(waiting)
            if span.is_recording():
                span.end()

    def share(self, data: Any, parts: Sequence[Any]) -> None:
        """Assign the parts of a request's data to its waiting, too."""
        for waiting in self._waiting.get(id(data), ()):
            for part in parts:
                self._add(part, waiting)

    async def run(
        self,
        call: Callable[..., Awaitable[Any]],
        method: Method,
        count_items: Callable[[Any], int],
        batch: Sequence[Any],
        **kwargs: Any,
    ) -> Any:
        """Run a batch within its span, which belongs to the first recorded trace that it serves.

        BentoML runs it in the context of the first request that the process ever served.
        """
        served = [waiting for data in batch for waiting in self._take(data)]
        recorded = [waiting for waiting in served if waiting.request.is_recording()]
        owner = next(iter(recorded or served), None)
        size: dict[str, Any] = {_SIZE: len(batch)}
        if recorded:
            size[_ITEMS] = _count(batch, count_items)
        with self._started(method, owner, recorded, size) as span:
            for waiting in served:
                _end(waiting.span, span, size)
            try:
                return await call(batch, **kwargs)
            except Exception as error:
                record_error(span, error)
                raise

    @contextmanager
    def _started(
        self,
        method: Method,
        owner: _Waiting | None,
        recorded: Sequence[_Waiting],
        size: dict[str, Any],
    ) -> Iterator[trace_api.Span]:
        context = owner.context if owner is not None else context_api.Context()
        links = [trace_api.Link(waiting.request.get_span_context()) for waiting in recorded]
        attributes = {**method.attributes, **size}
        span = method.tracer.start_span(
            f"batch {method.name}", context, links=links, attributes=attributes
        )
        token = context_api.attach(trace_api.set_span_in_context(span, context))
        try:
            yield span
        finally:
            context_api.detach(token)
            span.end()

    def _add(self, data: Any, waiting: _Waiting) -> None:
        self._waiting.setdefault(id(data), []).append(waiting)
        waiting.keys.append(id(data))

    def _take(self, data: Any) -> list[_Waiting]:
        """Return the request that data belongs to; equal data of two may be the same object."""
        waiting = self._waiting.get(id(data))
        return [waiting.pop(0)] if waiting else []

    def _remove(self, waiting: _Waiting) -> None:
        for key in waiting.keys:
            others = [each for each in self._waiting.pop(key, ()) if each is not waiting]
            if others:
                self._waiting[key] = others


def _end(span: trace_api.Span, batch: trace_api.Span, size: dict[str, Any]) -> None:
    # The second part of a request's data runs in another batch, after its waiting has ended.
    if span.is_recording():
        span.add_link(batch.get_span_context())
        span.set_attributes(size)
        span.end()


def _count(batch: Sequence[Any], count_items: Callable[[Any], int]) -> int:
    """Count the items of a batch; data of an unknown kind is one item, as BentoML counts it."""
    total = 0
    for data in batch:
        try:
            total += count_items(data)
        except Exception:
            total += 1
    return total
