"""What the tests of the spool share: a pipeline whose receiver comes and goes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanContext, TraceFlags

from bentotrace.config.options import ProcessorOptions
from bentotrace.delivery.guard import Guard
from bentotrace.delivery.processor import BatchProcessor
from bentotrace.delivery.reports import Reports
from bentotrace.delivery.status import DestinationStatus
from bentotrace.spool.spool import Spool
from bentotrace.spool.store import SpoolStore
from bentotrace.transport.retry import Backoff

SOON = 20.0
"""Seconds that nothing here takes unless it is broken."""

QUICK = Backoff(first=0.02, longest=0.05)
NEVER = Backoff(first=3600.0, longest=3600.0)

WaitFor = Callable[[Callable[[], object]], None]


class Switch(SpanExporter):
    """An exporter whose receiver is there or away."""

    def __init__(self, reports: Reports) -> None:
        self.reports = reports
        self.there = True
        self.refused: set[str] = set()
        self.taken: list[str] = []
        self.tries = 0
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        names = [str(span.name) for span in spans]
        self.tries += 1
        self.entered.set()
        self.gate.wait(SOON)
        if not self.there or self.refused.intersection(names):
            return SpanExportResult.FAILURE
        self.taken += names
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        pass


class Bench:
    """A pipeline with a spool, from the processor on."""

    def __init__(
        self, directory: Path, *, backoff: Backoff, max_bytes: int, **options: Any
    ) -> None:
        reports = Reports()
        logger = logging.getLogger("bentotrace.switch")
        self.exporter = Switch(reports)
        self.guard = Guard(self.exporter, reports, name="switch", endpoint="", logger=logger)
        self.spool = Spool(
            self.guard,
            lambda: SpoolStore(str(directory), "switch", max_bytes),
            logger,
            backoff=backoff,
        )
        options = {"schedule_delay": 0.02, "max_export_batch_size": 4, **options}
        self.processor = BatchProcessor(
            self.guard, ProcessorOptions(**options), logger, buffer=self.spool
        )
        self._ended = 0

    @property
    def status(self) -> DestinationStatus:
        return self.processor.status()

    def end(self, count: int, **attributes: Any) -> list[str]:
        """End so many spans, and give their names, which are numbers in order."""
        names = []
        for _ in range(count):
            self._ended += 1
            context = SpanContext(1, self._ended, False, TraceFlags(TraceFlags.SAMPLED))
            names.append(str(self._ended))
            self.processor.on_end(
                ReadableSpan(
                    names[-1], context, resource=Resource.get_empty(), attributes=attributes
                )
            )
        return names

    def end_one(self, span: ReadableSpan) -> None:
        """End one span."""
        self._ended += 1
        self.processor.on_end(span)

    def check(self) -> DestinationStatus:
        """See to it that every span is in one count, and all that ended are."""
        status = self.status
        counted = status.exported + status.failed + status.dropped + status.pending
        assert counted == status.ended == self._ended
        assert status.spooled <= status.pending
        assert sum(status.dropped_by_reason.values()) == status.dropped
        return status


MakeBench = Callable[..., Bench]
