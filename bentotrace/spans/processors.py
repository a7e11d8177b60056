"""The processors of a provider, by the kind of its spans."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, SynchronousMultiSpanProcessor

from bentotrace.spans.span import LeanSpan, to_sdk_span

__all__ = ["LeanProcessors", "LeanSpanProcessor", "Processors"]

# SDKs before 1.31 do not have it.
_HAS_ENDING_HOOK = hasattr(SynchronousMultiSpanProcessor, "_on_ending")


class LeanSpanProcessor(SpanProcessor):
    """A processor that does nothing when a span starts, and does not change an ended one."""


class Processors(SynchronousMultiSpanProcessor):
    """Calls each processor in the order in which it was added.

    Attributes:
        added: the processors.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.added: tuple[SpanProcessor, ...] = ()
        self._successor: Processors | None = None

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Add a processor."""
        super().add_span_processor(span_processor)
        self.added += (span_processor,)

    def pass_on(self, successor: Processors) -> None:
        """Leave all spans to other processors, also those that have started."""
        self._successor = successor

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        """Pass a started span on."""
        if self._successor is None:
            super().on_start(span, parent_context)
        else:
            self._successor.on_start(span, parent_context)

    if _HAS_ENDING_HOOK:

        def _on_ending(self, span: Any) -> None:
            if self._successor is None:
                super()._on_ending(span)
            else:
                self._successor._on_ending(span)

    def on_end(self, span: ReadableSpan) -> None:
        """Pass an ended span on."""
        if self._successor is None:
            super().on_end(span)
        else:
            self._successor.on_end(span)


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
        """Leave all spans to other processors, also those that have started."""
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
            if _HAS_ENDING_HOOK:
                self._on_ending(span)
            self.on_end(to_sdk_span(span))
            return
        for processor in self._own:
            processor.on_end(span)
