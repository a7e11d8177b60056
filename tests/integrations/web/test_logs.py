from __future__ import annotations

import io
import json
import logging
import logging.config
import logging.handlers
import queue
import re
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.trace import SpanKind, format_span_id, format_trace_id

import bentotrace
from bentotrace.integrations.logs import TraceContextFilter, add_trace_context


@pytest.fixture
def tracing() -> Iterator[bentotrace.Tracing]:
    options = {"exporter_type": "none", "sample_rate": 1, "excluded_urls": "/healthz"}
    with bentotrace.build(options) as made:
        yield made


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What a logging configuration like the one of the docs writes."""
    stream = io.StringIO()
    root = logging.getLogger()
    before = root.handlers[:], root.level
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"trace": {"()": "bentotrace.integrations.logs.TraceContextFilter"}},
            "formatters": {
                "traced": {
                    "format": "%(message)s (trace=%(trace_id)s,span=%(span_id)s,sampled=%(sampled)s)"
                }
            },
            "handlers": {
                "stream": {
                    "class": "logging.StreamHandler",
                    "stream": stream,
                    "formatter": "traced",
                    "filters": ["trace"],
                }
            },
            "root": {"handlers": ["stream"], "level": "INFO"},
        }
    )
    yield stream
    root.handlers[:], root.level = before


def request(tracing: bentotrace.Tracing, path: str) -> Any:
    tracer = tracing.provider.get_tracer("test")
    attributes = {"url.path": path}
    return tracer.start_as_current_span("GET", kind=SpanKind.SERVER, attributes=attributes)


@pytest.mark.parametrize(("path", "sampled"), [("/predict", 1), ("/healthz", 0)])
def test_a_line_of_a_request_has_its_trace_also_when_it_is_not_sampled(
    path: str, sampled: int, tracing: bentotrace.Tracing, written: io.StringIO
) -> None:
    with request(tracing, path) as span:
        logging.getLogger("shop.cart").info("served")

    context = span.get_span_context()
    trace, span_id = f"{context.trace_id:032x}", f"{context.span_id:016x}"
    assert written.getvalue() == f"served (trace={trace},span={span_id},sampled={sampled})\n"


def test_a_line_outside_of_any_span_has_zeros(written: io.StringIO) -> None:
    logging.getLogger("shop").info("started")

    assert written.getvalue() == "started (trace=0,span=0,sampled=0)\n"


def test_no_span_is_as_in_opentelemetrys_own_instrumentation() -> None:
    reason = "compares with opentelemetry-instrumentation-logging"
    theirs = pytest.importorskip("opentelemetry.instrumentation.logging", reason=reason)
    record = _record()
    TraceContextFilter().filter(record)

    instrumentor = theirs.LoggingInstrumentor()
    instrumentor.instrument(inject_trace_context=True, enable_log_auto_instrumentation=False)
    try:
        other = vars(logging.getLogRecordFactory()("", 0, "", 0, "", (), None))
    finally:
        instrumentor.uninstrument()

    assert vars(record)["trace_id"] == other["otelTraceID"]
    assert vars(record)["span_id"] == other["otelSpanID"]
    assert vars(record)["sampled"] == other["otelTraceSampled"]


def test_a_queue_between_keeps_the_span_of_the_thread_that_logs(
    tracing: bentotrace.Tracing,
) -> None:
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    handler = logging.handlers.QueueHandler(records)
    handler.addFilter(TraceContextFilter())

    with request(tracing, "/predict") as span:
        handler.handle(_record())

    assert vars(records.get())["span_id"] == format_span_id(span.get_span_context().span_id)


def test_structlog_takes_the_processor(tracing: bentotrace.Tracing) -> None:
    structlog = pytest.importorskip("structlog", reason="logs through structlog")
    stream = io.StringIO()
    logger = structlog.wrap_logger(
        structlog.PrintLogger(stream),
        processors=[add_trace_context, structlog.processors.JSONRenderer()],
    )

    with request(tracing, "/healthz") as span:
        logger.info("served", user="a")
    logger.info("idle")

    inside, outside = map(json.loads, stream.getvalue().splitlines())
    context = span.get_span_context()
    assert inside == {
        "event": "served",
        "user": "a",
        "trace_id": format_trace_id(context.trace_id),
        "span_id": format_span_id(context.span_id),
        "sampled": 0,
    }
    assert outside == {"event": "idle", "trace_id": "0", "span_id": "0", "sampled": 0}


def test_ids_keep_their_leading_zeros(tracing: bentotrace.Tracing) -> None:
    with request(tracing, "/predict"):
        event = add_trace_context(None, "info", {"event": "served"})

    assert re.fullmatch("[0-9a-f]{32}", event["trace_id"])
    assert re.fullmatch("[0-9a-f]{16}", event["span_id"])


def _record() -> logging.LogRecord:
    return logging.LogRecord("shop", logging.INFO, "", 0, "served", (), None)
