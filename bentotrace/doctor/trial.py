"""One span through the real exporter, and everything that is said meanwhile."""

from __future__ import annotations

import io
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from queue import Empty, SimpleQueue
from typing import TypeVar

from attrs import evolve, frozen
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, TraceFlags, format_trace_id

import bentotrace
from bentotrace.config.load import ExporterConfig
from bentotrace.config.options import TracingOptions
from bentotrace.exceptions import PluginError
from bentotrace.pipeline.exporter import make_guarded
from bentotrace.pipeline.guard import Delivery, Guard
from bentotrace.pipeline.reports import Reports
from bentotrace.redaction import Redaction
from bentotrace.transport.outcome import Outcome

__all__ = ["Trial", "make_and_close", "try_out"]

T = TypeVar("T")

_GRACE_SECONDS = 2.0
_SECONDS_FOR_ICMP = 0.5
_LOG_LINES = 2
_LOG_LENGTH = 300

_logger = logging.getLogger("bentotrace.doctor")


@frozen
class Trial:
    """What became of the span.

    Attributes:
        trace_id: its trace, as a backend shows it.
        outcome: what the exporter reported; None when it reported nothing.
        taken: whether it was delivered, as far as the exporter says.
        reason: why not, where the exporter reported nothing.
        returned: whether the exporter returned at all.
        log: what others than bentotrace logged meanwhile, the last lines.
        seconds: how long it took.
    """

    trace_id: str
    outcome: Outcome | None
    taken: bool
    reason: str
    returned: bool
    log: tuple[str, ...]
    seconds: float


class _Recorder(Reports):
    """Reports that are kept, besides."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Outcome] = []

    def add(self, outcome: Outcome, spans: int) -> None:
        super().add(outcome, spans)
        self.heard.append(outcome)


class _Listener(logging.Handler):
    """Keeps what others than bentotrace log, whose own words are in the outcome."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.partition(".")[0] == "bentotrace":
            return
        try:
            self.lines.append(f"{record.name}: {record.getMessage()}")
        except Exception:
            self.handleError(record)


def make_and_close(
    exporter: ExporterConfig, options: TracingOptions, resource: Resource, redaction: Redaction
) -> None:
    """See that the exporter can be made.

    Raises:
        PluginError: it cannot.
        TimeoutError: that does not end, long after the exporter's timeout.
    """

    def make() -> PluginError | None:
        try:
            _make(exporter, options, resource, redaction, Reports()).shutdown()
        except PluginError as error:
            return error
        return None

    with _overheard():
        error = _within(exporter.timeout + _GRACE_SECONDS, make)
    if error is not None:
        raise error


def try_out(
    exporter: ExporterConfig,
    options: TracingOptions,
    resource: Resource,
    redaction: Redaction,
    *,
    twice: bool,
) -> Trial:
    """Send one span, within the exporter's timeout.

    Args:
        exporter: the destination.
        options: the common options.
        resource: the resource of the span.
        redaction: masks the secrets of the whole configuration.
        twice: whether it is sent again after a moment: over UDP it is the second datagram that
            hears that nobody listened to the first.
    """
    span = _make_span(resource)
    recorder = _Recorder()
    started = time.monotonic()
    with _overheard() as listener:
        guard = _make(exporter, options, resource, redaction, recorder)

        def export() -> Delivery:
            delivery = guard.export([span])
            if twice and delivery.exported:
                time.sleep(_SECONDS_FOR_ICMP)
                delivery = guard.export([span])
            guard.shutdown()
            return delivery

        try:
            delivery = _within(exporter.timeout + _GRACE_SECONDS, export)
            returned = True
        except TimeoutError:
            delivery, returned = Delivery(0, 1), False
    error = guard.health.last_error
    outcome = _worst(recorder.heard)
    if outcome is not None:
        outcome = evolve(outcome, reason=redaction.redact(str(outcome.reason or "")))
    context = span.get_span_context()
    assert context is not None
    return Trial(
        trace_id=format_trace_id(context.trace_id),
        outcome=outcome,
        taken=delivery.failed == 0,
        reason=error.reason if error is not None else "",
        returned=returned,
        log=tuple(redaction.line(line, _LOG_LENGTH) for line in listener.lines[-_LOG_LINES:]),
        seconds=time.monotonic() - started,
    )


def _within(seconds: float, function: Callable[[], T]) -> T:
    """Return what a function returns that raises nothing and may not know a timeout.

    Raises:
        TimeoutError: it has not returned in time; it is left alone.
    """
    answers: SimpleQueue[T] = SimpleQueue()
    threading.Thread(
        target=lambda: answers.put(function()), name="bentotrace-doctor", daemon=True
    ).start()
    try:
        return answers.get(timeout=seconds)
    except Empty:
        raise TimeoutError from None


def _worst(outcomes: list[Outcome]) -> Outcome | None:
    """Give the first outcome that is a failure, else the last."""
    failed = (outcome for outcome in outcomes if not outcome.ok)
    return next(failed, outcomes[-1] if outcomes else None)


def _make(
    exporter: ExporterConfig,
    options: TracingOptions,
    resource: Resource,
    redaction: Redaction,
    reports: Reports,
) -> Guard:
    return make_guarded(
        exporter, options, resource, reports=reports, logger=_logger, redaction=redaction
    )


@contextmanager
def _overheard() -> Iterator[_Listener]:
    """Keep off the terminal what an exporter prints and logs."""
    listener = _Listener()
    root = logging.getLogger()
    root.addHandler(listener)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield listener
    finally:
        root.removeHandler(listener)


def _make_span(resource: Resource) -> ReadableSpan:
    ids = RandomIdGenerator()
    now = time.time_ns()
    return ReadableSpan(
        "bentotrace doctor",
        SpanContext(
            ids.generate_trace_id(),
            ids.generate_span_id(),
            is_remote=False,
            trace_flags=TraceFlags(TraceFlags.SAMPLED),
        ),
        resource=resource,
        start_time=now - 1_000_000,
        end_time=now,
        instrumentation_scope=InstrumentationScope("bentotrace.doctor", bentotrace.__version__),
    )
