"""The trace in log records: its id, the span's id, and whether it is sampled.

They are written as in BentoML's access log, ids in hexadecimal and the flag as 0 or 1, and stand
in the records of requests that are not sampled too. Outside of any span the ids are ``"0"``, as
OpenTelemetry's own instrumentation of ``logging`` has it, so that a format never fails.

With ``logging``, a filter of the handler; one of a logger would not see the records of the loggers
below it::

    logging.config.dictConfig({
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"trace": {"()": "bentotrace.integrations.logs.TraceContextFilter"}},
        "formatters": {
            "traced": {
                "format": "%(levelname)s %(message)s "
                "(trace=%(trace_id)s,span=%(span_id)s,sampled=%(sampled)s)"
            }
        },
        "handlers": {
            "stdout": {
                "class": "logging.StreamHandler",
                "formatter": "traced",
                "filters": ["trace"],
            }
        },
        "root": {"handlers": ["stdout"], "level": "INFO"},
    })

With structlog, a processor before the one that renders::

    structlog.configure(processors=[add_trace_context, structlog.processors.JSONRenderer()])
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from opentelemetry.trace import format_span_id, format_trace_id, get_current_span

__all__ = ["TraceContextFilter", "add_trace_context"]


class TraceContextFilter(logging.Filter):
    """Adds ``trace_id``, ``span_id`` and ``sampled`` to every record that its handler gets.

    Where a queue is between, it belongs to the handler that fills the queue: there the span is.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through."""
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
