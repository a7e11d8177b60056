"""What the tests of the processor share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from bentotrace.delivery.processor import BatchProcessor
from bentotrace.delivery.status import DestinationStatus

MakeSpan = Callable[..., ReadableSpan]
MakeProcessor = Callable[..., BatchProcessor]
WaitUntil = Callable[[Callable[[], Any]], None]

HANG = 3600.0


def balanced(status: DestinationStatus) -> bool:
    finished = status.exported + status.failed + status.dropped
    by_reason = sum(status.dropped_by_reason.values())
    return status.ended == finished + status.pending and status.dropped == by_reason


def end(processor: BatchProcessor, make_span: MakeSpan, *names: str) -> None:
    for name in names:
        processor.on_end(make_span(name))


class Hanging(SpanExporter):
    """Stays in a call until it is released."""

    def __init__(self, *, in_shutdown: bool = False) -> None:
        self.in_shutdown = in_shutdown
        self.entered = threading.Event()
        self.released = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if not self.in_shutdown:
            self.entered.set()
            self.released.wait(HANG)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        if self.in_shutdown:
            self.entered.set()
            self.released.wait(HANG)
