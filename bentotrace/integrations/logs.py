"""The trace in log records: its id, the span's id, and whether it is sampled.

The ids are hexadecimal and the flag is 0 or 1, as in BentoML's access log; requests that are not
sampled have them, too. Outside of any span the ids are ``"0"``, as with OpenTelemetry's own
instrumentation of ``logging``, so that a format never fails.

With ``logging``, add a filter to the handler, here in the mapping for ``dictConfig``; a logger's
filter does not get the records of its child loggers::

    "filters": {"trace": {"()": "bentotrace.integrations.logs.TraceContextFilter"}},
    "handlers": {"stdout": {"class": "logging.StreamHandler", "filters": ["trace"]}},

With structlog, add a processor before the renderer::

    structlog.configure(processors=[add_trace_context, structlog.processors.JSONRenderer()])
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from opentelemetry.trace import format_span_id, format_trace_id, get_current_span

__all__ = ["TraceContextFilter", "add_trace_context"]


class TraceContextFilter(logging.Filter):
    """Add ``trace_id``, ``span_id`` and ``sampled`` to every record of its handler.

    With a ``QueueHandler``, add it to that one, which runs within the span.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the fields, and return True."""
        vars(record).update(_trace_context())
        return True


def add_trace_context(
    logger: Any, method_name: str, event_dict: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Add ``trace_id``, ``span_id`` and ``sampled`` to an event of structlog; a processor."""
    event_dict.update(_trace_context())
    return event_dict


def _trace_context() -> dict[str, Any]:
    context = get_current_span().get_span_context()
    if not context.is_valid:
        return {"trace_id": "0", "span_id": "0", "sampled": 0}
    return {
        "trace_id": format_trace_id(context.trace_id),
        "span_id": format_span_id(context.span_id),
        "sampled": int(context.trace_flags.sampled),
    }
