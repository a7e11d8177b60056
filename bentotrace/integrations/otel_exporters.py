"""Bentotrace's exporters for a pipeline of OpenTelemetry's own SDK, found by their entry points.

With a stock distribution, ``OTEL_TRACES_EXPORTER=jaeger`` or a declarative file selects one. The
arguments are the options of the exporter's section; variables override them.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from typing import Any, ClassVar

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from bentotrace.config.load import load_config
from bentotrace.delivery.exporter import make_guarded

__all__ = ["JaegerExporter", "ZipkinExporter"]

_logger = logging.getLogger("bentotrace")


class _Exporter(SpanExporter):
    """An exporter with options as keyword arguments; failures are logged with their reason."""

    name: ClassVar[str]

    def __init__(self, timeout: float | None = None, **options: Any) -> None:
        """Create the exporter; opens no connection.

        Args:
            timeout: seconds that one export may take.
            options: the options of the exporter's section, nested sections as mappings.

        Raises:
            BentotraceError: an option is wrong.
        """
        block: dict[str, object] = {"exporter_type": self.name, self.name: options}
        if timeout is not None:
            block["timeout"] = timeout
        # Of the common options, the SDK reads its own variables; this exporter is selected.
        overrides = {"exporter_type": self.name, "disabled": False}
        config = load_config({"tracing": block}, overrides=overrides)
        logger = _logger.getChild(self.name)
        for note in config.notes:
            logger.log(logging.WARNING if note.warning else logging.INFO, "%s", note)
        (exporter,) = config.exporters
        self._guard = make_guarded(
            exporter,
            config.options,
            Resource.get_empty(),
            logger=logger,
            redaction=config.redaction,
        )
        # One for each process: at a fork, another thread may hold it.
        self._locks: dict[int, threading.Lock] = {}

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch; a failure is logged with its reason."""
        # OpenTelemetry's SimpleSpanProcessor calls this from every thread that ends a span.
        with self._locks.setdefault(os.getpid(), threading.Lock()):
            result = self._guard.export(spans)
        return SpanExportResult.FAILURE if result.failed else SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Close the connections."""
        self._guard.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Return True, since the exporter keeps no spans."""
        return True


class JaegerExporter(_Exporter):
    """Jaeger's own formats; the options are those of the section ``jaeger``."""

    name = "jaeger"


class ZipkinExporter(_Exporter):
    """Zipkin v2 JSON over HTTP; the options are those of the section ``zipkin``."""

    name = "zipkin"
