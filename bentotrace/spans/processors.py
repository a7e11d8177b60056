"""The processors of a provider, by the kind of its spans."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.trace import SpanProcessor, SynchronousMultiSpanProcessor

from bentotrace.spans.span import LeanSpan, to_sdk_span

__all__ = ["LeanProcessors", "LeanSpanProcessor", "Processors"]


class LeanSpanProcessor(SpanProcessor):
    """A processor that does nothing when a span starts, and reads ended spans by public names."""


class Processors(SynchronousMultiSpanProcessor):
    """Calls each processor in the order in which it was added."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def added(self) -> tuple[SpanProcessor, ...]:
        """The processors."""
        return self._span_processors

    def pass_on(self, successor: Processors) -> None:
        """Leave all calls to other processors, also for spans that have started."""
        self._span_processors = (successor,)


class LeanProcessors(Processors):
    """Calls each processor in the order in which it was added.

    Where there is a processor of others, all processors get the SDK's form of a span, and the same
    object: one may change what the next one exports.
    """

    def __init__(self) -> None:
        super().__init__()
        self._own: tuple[LeanSpanProcessor, ...] = ()
        self._others = False

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Add a processor."""
        super().add_span_processor(span_processor)
        if isinstance(span_processor, LeanSpanProcessor):
            self._own += (span_processor,)
        else:
            self._others = True

    def pass_on(self, successor: Processors) -> None:
        """Leave all calls to other processors, also for spans that have started."""
        super().pass_on(successor)
        # The others may not know lean spans.
        self._others = True

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        """Call the processors that may do something with a started span."""
        if self._others:
            super().on_start(span, parent_context)

    def finish(self, span: LeanSpan) -> None:
        """Pass a span on that has ended."""
        if self._others:
            # SDKs before 1.31 have no such hook.
            on_ending = getattr(super(), "_on_ending", None)
            if on_ending is not None:
                on_ending(span)
            self.on_end(to_sdk_span(span))
            return
        for processor in self._own:
            processor.on_end(span)
