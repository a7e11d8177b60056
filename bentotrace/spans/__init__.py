"""Spans that cost less to create and end than the SDK's, and are read in the same way.

Most of what an exported span costs is the SDK's own work: three locks, a cleaned copy of each
mapping of attributes, a readable copy at the end. Here attributes of plain types stay in a plain
dict, and the span itself is exported. Everything unusual is left to the SDK's classes.
"""

from __future__ import annotations

from bentotrace.spans.check import find_difference, find_metrics
from bentotrace.spans.processors import LeanProcessors, LeanSpanProcessor, Processors
from bentotrace.spans.span import LeanEvent, LeanSpan, to_sdk_span
from bentotrace.spans.tracer import LeanSampler, LeanTracer, adopt_settings, is_asgi_message

__all__ = [
    "LeanEvent",
    "LeanProcessors",
    "LeanSampler",
    "LeanSpan",
    "LeanSpanProcessor",
    "LeanTracer",
    "Processors",
    "adopt_settings",
    "find_difference",
    "find_metrics",
    "is_asgi_message",
    "to_sdk_span",
]
