"""Spans that are not recorded."""

from __future__ import annotations

from random import getrandbits

from opentelemetry import trace as trace_api

__all__ = ["LateSpan", "UnrecordedSpan", "start_unrecorded"]

_TRACE_ID_BITS = 128
_SPAN_ID_BITS = 64


class UnrecordedSpan(trace_api.NonRecordingSpan):
    """A span that is not recorded, with its context as an attribute, as the SDK's have it."""

    @property
    def context(self) -> trace_api.SpanContext:
        """What :meth:`get_span_context` gives."""
        return self.get_span_context()


class LateSpan(UnrecordedSpan):
    """One below a parent, whose context is made when somebody asks for it, as few do."""

    _own: trace_api.SpanContext | None = None

    def get_span_context(self) -> trace_api.SpanContext:
        """Give its context, the same to every thread."""
        own = self._own
        if own is None:
            # One step, or threads that ask at the same time would get different ids.
            own = vars(self).setdefault("_own", _make_below(self._context))
        return own


def start_unrecorded(parent: trace_api.SpanContext) -> UnrecordedSpan:
    """Make a span below a parent, the first of its trace where that is not valid."""
    return UnrecordedSpan(_make_below(parent))


def _make_below(parent: trace_api.SpanContext) -> trace_api.SpanContext:
    # Zero is no id.
    span_id = getrandbits(_SPAN_ID_BITS) or 1
    if not parent.is_valid:
        trace_id = getrandbits(_TRACE_ID_BITS) or 1
        return trace_api.SpanContext(trace_id, span_id, is_remote=False)
    flags = parent.trace_flags & ~trace_api.TraceFlags.SAMPLED
    return trace_api.SpanContext(
        parent.trace_id,
        span_id,
        is_remote=False,
        trace_flags=trace_api.TraceFlags(flags),
        trace_state=parent.trace_state,
    )
