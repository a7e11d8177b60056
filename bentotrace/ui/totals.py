"""The summary of one trace, as the store's writer keeps it up to date."""

from __future__ import annotations

import json
from typing import Any

from bentotrace.ui.model import ERROR, Span
from bentotrace.ui.values import clamp

__all__ = ["TraceTotals"]


class TraceTotals:
    """The summary of a trace, as the writer keeps it up to date."""

    __slots__ = (
        "bytes",
        "end",
        "errors",
        "has_root",
        "id",
        "root_name",
        "root_service",
        "root_start",
        "services",
        "spans",
        "start",
        "trace_id",
    )

    def __init__(self, number: int, trace_id: str, span: Span) -> None:
        self.id = number
        self.trace_id = trace_id
        self.start = span.start
        self.end = span.start
        self.spans = self.errors = self.bytes = 0
        self.services: dict[str, int] = {}
        self.root_service = self.root_name = ""
        self.root_start = 0
        self.has_root = 0

    def add(self, span: Span, size: int) -> None:
        """Count a span; ``size`` is the number of bytes of its detail."""
        start = span.start
        end = clamp(start + span.duration)
        is_root = 0 if span.parent_id else 1
        # A span whose parent has not arrived is the root until a real one arrives.
        if (is_root, -start) > (self.has_root, -self.root_start) or not self.spans:
            self.root_service, self.root_name = span.source.service, span.name
            self.root_start, self.has_root = start, is_root
        if start < self.start:
            self.start = start
        if end > self.end:
            self.end = end
        self.spans += 1
        self.bytes += size
        if span.status == ERROR:
            self.errors += 1
        service = span.source.service
        self.services[service] = self.services.get(service, 0) + 1

    def values(self) -> tuple[Any, ...]:
        """Return the row of the table."""
        return (
            self.id,
            self.trace_id,
            self.start,
            self.end,
            self.spans,
            self.errors,
            self.bytes,
            json.dumps(self.services),
            self.root_service,
            self.root_name,
            self.root_start,
            self.has_root,
        )

    @classmethod
    def from_values(cls, values: tuple[Any, ...]) -> TraceTotals:
        """Return the summary of a row of the table."""
        trace = cls.__new__(cls)
        (trace.id, trace.trace_id, trace.start, trace.end, trace.spans) = values[:5]
        (trace.errors, trace.bytes) = values[5:7]
        trace.services = json.loads(values[7])
        (trace.root_service, trace.root_name, trace.root_start, trace.has_root) = values[8:]
        return trace
