"""Spans that are not recorded."""

from __future__ import annotations

from random import getrandbits

from opentelemetry import trace as trace_api

__all__ = ["LateSpan", "UnrecordedSpan", "start_unrecorded"]

_TRACE_ID_BITS = 128
_SPAN_ID_BITS = 64
# Newer SDKs tell that an id is random, also of what they do not record.
_RANDOM = trace_api.TraceFlags(getattr(trace_api.TraceFlags, "RANDOM_TRACE_ID", 0))


class UnrecordedSpan(trace_api.NonRecordingSpan):
    """A span that is not recorded, with its context as an attribute, as the SDK's have it."""

    @property
    def context(self) -> trace_api.SpanContext:
        """What :meth:`get_span_context` gives."""
        return self.get_span_context()


class LateSpan(UnrecordedSpan):
    """One whose context is made when somebody asks for it, as few do."""

    _own: trace_api.SpanContext | None = None

    def __init__(self, parent: trace_api.SpanContext, trace_id: int = 0) -> None:
        super().__init__(parent)
        self._trace_id = trace_id

    def get_span_context(self) -> trace_api.SpanContext:
        """Give its context, the same to every thread."""
        own = self._own
        if own is None:
            # One step, or threads that ask at the same time would get different ids.
            own = vars(self).setdefault("_own", _make_below(self._context, self._trace_id))
        return own


def start_unrecorded(parent: trace_api.SpanContext, trace_id: int = 0) -> UnrecordedSpan:
    """Make a span below a parent; where that is not valid, the first of its trace."""
    return UnrecordedSpan(_make_below(parent, trace_id))


def _make_below(parent: trace_api.SpanContext, trace_id: int) -> trace_api.SpanContext:
    # Zero is no id.
    span_id = getrandbits(_SPAN_ID_BITS) or 1
    if not parent.is_valid:
        trace_id = trace_id or getrandbits(_TRACE_ID_BITS) or 1
        return trace_api.SpanContext(trace_id, span_id, is_remote=False, trace_flags=_RANDOM)
    flags = parent.trace_flags & ~trace_api.TraceFlags.SAMPLED
    return trace_api.SpanContext(
        parent.trace_id,
        span_id,
        is_remote=False,
        trace_flags=trace_api.TraceFlags(flags),
        trace_state=parent.trace_state,
    )
