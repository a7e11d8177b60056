"""The tracer that creates lean spans."""

from __future__ import annotations

import functools
import inspect
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ContextDecorator
from types import TracebackType
from typing import Any

from opentelemetry import context as context_api
from opentelemetry import trace as trace_api
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, Tracer
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from bentotrace.spans.processors import LeanProcessors
from bentotrace.spans.span import LeanSpan

__all__ = ["LeanSampler", "LeanTracer", "adopt_settings", "counts_spans", "is_asgi_message"]

_MESSAGES = (" http send", " http receive", " websocket send", " websocket receive")

# By whether the trace id is random, and whether the span is sampled.
_RANDOM = getattr(TraceFlags, "RANDOM_TRACE_ID", 0)
_FLAGS = [
    [TraceFlags(TraceFlags.DEFAULT), TraceFlags(TraceFlags.SAMPLED)],
    [TraceFlags(_RANDOM), TraceFlags(TraceFlags.SAMPLED | _RANDOM)],
]
# SDKs before 1.42 have no such flag.
_HAS_RANDOM = bool(_RANDOM) and hasattr(IdGenerator, "is_trace_id_random")

_DROPPED = SamplingResult(Decision.DROP)


def counts_spans(tracer: object) -> bool:
    """Return whether the SDK counts the spans of a tracer in metrics."""
    metrics = getattr(tracer, "_tracer_metrics", None)
    return type(metrics).__name__ not in ("NoneType", "NoOpTracerMetrics")


def adopt_settings(tracer: Tracer, model: Tracer) -> None:
    """Let a tracer create the same spans as another one, in its own scope."""
    tracer.sampler, tracer.resource = model.sampler, model.resource
    tracer.id_generator, tracer._span_limits = model.id_generator, model._span_limits
    if isinstance(tracer, LeanTracer):
        tracer.limits = model._span_limits
    tracer.span_processor = model.span_processor


def is_asgi_message(name: object, kind: SpanKind | None) -> bool:
    """Return whether OpenTelemetry's middleware creates such a span for a single ASGI message."""
    return kind is SpanKind.INTERNAL and isinstance(name, str) and name.endswith(_MESSAGES)


class LeanSampler(Sampler):
    """A sampler of which a lean tracer asks only whether a span is recorded.

    A subclass that has a ``should_sample`` of its own is asked as any other sampler.
    """

    def should_sample(
        self,
        parent_context: context_api.Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Return the result of :meth:`samples`."""
        parent: SpanContext | None
        parent = trace_api.get_current_span(parent_context).get_span_context()
        if not parent.is_valid:
            parent = None
        state = parent.trace_state if parent is not None else None
        if self.samples(parent, trace_id, kind, attributes):
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes, state)
        return SamplingResult(Decision.DROP, None, state) if state else _DROPPED

    @abstractmethod
    def samples(
        self,
        parent: SpanContext | None,
        trace_id: int,
        kind: SpanKind | None,
        attributes: Mapping[str, Any] | None,
    ) -> bool:
        """Return whether a span is recorded; ``parent`` is None at the start of a trace."""


class LeanTracer(Tracer):
    """A tracer of the SDK whose :meth:`adopt` made its spans lean.

    Attributes:
        asgi_message_spans: whether it creates the spans of single ASGI messages.
    """

    asgi_message_spans = True
    limits: SpanLimits
    scope: InstrumentationScope
    resource: Resource

    @classmethod
    def adopt(cls, tracer: Tracer) -> Tracer:
        """Make the spans of a tracer lean, unless the SDK counts them in metrics.

        The tracer stays the same object, to which the provider writes.
        """
        if type(tracer) is Tracer and not counts_spans(tracer):
            vars(tracer).update(limits=tracer._span_limits, scope=tracer._instrumentation_scope)
            # Last, so that an interruption leaves a tracer that works.
            tracer.__class__ = cls
        return tracer

    if not hasattr(Tracer, "_is_enabled"):

        def _is_enabled(self) -> bool:
            return True

    def start_span(
        self,
        name: str,
        context: context_api.Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = (),
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> Span:
        """Start a span; one with links is the SDK's."""
        parent: SpanContext | None = trace_api.get_current_span(context).get_span_context()
        if links or type(parent) is not SpanContext or not self._is_enabled():
            return super().start_span(
                name,
                context,
                kind,
                attributes,
                links,
                start_time,
                record_exception,
                set_status_on_exception,
            )
        ids = self.id_generator
        if parent.is_valid:
            trace_id = parent.trace_id
            random = _HAS_RANDOM and parent.trace_flags.random_trace_id
        else:
            parent = None
            trace_id = ids.generate_trace_id()
            random = _HAS_RANDOM and ids.is_trace_id_random()
        sampler = self.sampler
        state = None
        if type(sampler).should_sample is LeanSampler.should_sample:
            sampled = recorded = sampler.samples(  # type: ignore[attr-defined]
                parent, trace_id, kind, attributes
            )
            if parent is not None:
                state = parent.trace_state
        else:
            result = sampler.should_sample(context, trace_id, name, kind, attributes, ())
            sampled = result.decision is Decision.RECORD_AND_SAMPLE
            recorded = result.decision is not Decision.DROP
            attributes, state = result.attributes, result.trace_state
        span_context = SpanContext(
            trace_id, ids.generate_span_id(), False, _FLAGS[random][sampled], state
        )
        if not recorded:
            return trace_api.NonRecordingSpan(span_context)
        span = LeanSpan(self, name, span_context, attributes, start_time)
        if kind is not SpanKind.INTERNAL:
            span._kind = kind
        if parent is not None:
            span._parent = parent
        if not record_exception:
            span._record_exception = False
        if not set_status_on_exception:
            span._set_status_on_exception = False
        self.span_processor.on_start(span, parent_context=context)
        return span

    def start_as_current_span(  # type: ignore[override]
        self,
        name: str,
        context: context_api.Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = (),
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> CurrentSpan | NoSpan:
        """Return a context manager, and decorator, that starts a span and makes it current."""
        if not self.asgi_message_spans and is_asgi_message(name, kind):
            # A request has at least three, each of which would cost half of what its span costs.
            return _NO_SPAN
        return CurrentSpan(
            self,
            (
                name,
                context,
                kind,
                attributes,
                links,
                start_time,
                record_exception,
                set_status_on_exception,
            ),
            end_on_exit,
        )

    def finish(self, span: LeanSpan) -> None:
        """Pass an ended span to the processors."""
        processor = self.span_processor
        if isinstance(processor, LeanProcessors):
            processor.finish(span)
        else:
            on_ending = getattr(processor, "_on_ending", None)
            if on_ending is not None:
                on_ending(span)
            processor.on_end(span._readable_span())


class NoSpan(ContextDecorator):
    """Leaves the current span as it is."""

    def __enter__(self) -> Span:
        return trace_api.INVALID_SPAN

    def __exit__(self, *_: object) -> None:
        pass


_NO_SPAN = NoSpan()


class CurrentSpan(AbstractContextManager[Span]):
    """Starts a span when it is entered; as a decorator, at each call of the function."""

    __slots__ = ("_arguments", "_end_on_exit", "_span", "_token", "_tracer")

    def __init__(self, tracer: LeanTracer, arguments: tuple[Any, ...], end_on_exit: bool) -> None:
        self._tracer = tracer
        self._arguments = arguments
        self._end_on_exit = end_on_exit

    def __enter__(self) -> Span:
        span = self._span = self._tracer.start_span(*self._arguments)
        self._token = context_api.attach(trace_api.set_span_in_context(span))
        return span

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        span = self._span
        try:
            context_api.detach(self._token)
            # As in the API's use_span(), an exit of the program or a generator is not an error.
            if isinstance(exc_value, Exception) and span.is_recording():
                record_exception, set_status_on_exception = self._arguments[-2:]
                if record_exception:
                    span.record_exception(exc_value)
                if set_status_on_exception:
                    description = f"{type(exc_value).__name__}: {exc_value}"
                    span.set_status(Status(StatusCode.ERROR, description))
        finally:
            if self._end_on_exit:
                span.end()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with a span around each call."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def traced_coroutine(*args: Any, **kwargs: Any) -> Any:
                with CurrentSpan(self._tracer, self._arguments, self._end_on_exit):
                    return await function(*args, **kwargs)

            return traced_coroutine

        @functools.wraps(function)
        def traced(*args: Any, **kwargs: Any) -> Any:
            with CurrentSpan(self._tracer, self._arguments, self._end_on_exit):
                return function(*args, **kwargs)

        return traced
