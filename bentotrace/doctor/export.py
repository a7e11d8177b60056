"""The test export: one span through the real exporter, past sampling and queue."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TypeVar

from attrs import evolve, field
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, TraceFlags, format_trace_id

import bentotrace
from bentotrace.delivery.accounting import BatchResult
from bentotrace.delivery.guard import Guard
from bentotrace.delivery.reports import Reports
from bentotrace.discovery.calls import HangError, call_bounded
from bentotrace.redaction import Redaction
from bentotrace.transport.outcome import Outcome
from bentotrace.values import frozen

__all__ = ["Export", "captured_output", "check_exporter", "export_span"]

T = TypeVar("T")
MakeGuard = Callable[[Reports], Guard]

_GRACE_SECONDS = 2.0
_SECONDS_FOR_ICMP = 0.5
_LOG_LINES = 2
_LOG_LENGTH = 300


@frozen
class Export:
    """The result of the test export.

    Attributes:
        outcome: the outcome that the exporter reported, else its result.
        trace_id: the span's trace, as a backend shows it.
        returned: whether the exporter returned at all.
        withheld: whether an extension kept the span from the exporter.
        log: the last lines that other libraries logged meanwhile.
        seconds: duration.
    """

    outcome: Outcome = field(factory=lambda: Outcome(ok=False, endpoint=""))
    trace_id: str = ""
    returned: bool = True
    withheld: bool = False
    log: tuple[str, ...] = ()
    seconds: float = 0.0


class _Recorder(Reports):
    """Reports that also keeps every outcome."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: list[Outcome] = []

    def add(self, outcome: Outcome, spans: int) -> None:
        super().add(outcome, spans)
        self.outcomes.append(outcome)


class _LogCapture(logging.Handler):
    """Keep the records of other libraries; bentotrace's own reasons are in the outcome."""

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


def check_exporter(make: MakeGuard, timeout: float) -> None:
    """Create the exporter and shut it down.

    Raises:
        PluginError: it cannot be created.
        TimeoutError: it did not finish within its timeout and a grace period.
    """
    with captured_output():
        _call(lambda: make(Reports()).shutdown(), timeout)


def export_span(
    make: MakeGuard,
    resource: Resource,
    timeout: float,
    redaction: Redaction,
    *,
    twice: bool,
    extended: bool = False,
) -> Export:
    """Export one span.

    Args:
        make: creates the guarded exporter.
        resource: the resource of the span.
        timeout: the exporter's timeout, in seconds.
        redaction: masks the secrets of the whole configuration.
        twice: export it again after a moment: over UDP, the ICMP error of a closed port is
            reported to the sender of the second datagram.
        extended: whether extensions wrap the exporter.
    """
    span = _make_span(resource)
    recorder = _Recorder()
    started = time.monotonic()
    returned, withheld = True, ""
    with captured_output() as log:

        def export() -> tuple[BatchResult, bool, str]:
            guard = make(recorder)
            result = guard.export([span])
            if twice and result.exported:
                time.sleep(_SECONDS_FOR_ICMP)
                result = guard.export([span])
            flushed = guard.flush(timeout)
            guard.shutdown()
            last = guard.health.last_error
            return result, flushed, last.reason if last is not None else ""

        try:
            result, flushed, reason = _call(export, timeout)
        except TimeoutError as error:
            delivered = returned = False
            reason = f"the exporter {error}"
        else:
            delivered = flushed and not result.failed
            reason = reason or ("" if flushed else "its force_flush failed")
            withheld = _withheld(result, recorder, extended)
            if withheld:
                delivered, reason = False, withheld
    seconds = time.monotonic() - started
    failures = [outcome for outcome in recorder.outcomes if not outcome.ok]
    outcome = next(iter(failures or recorder.outcomes[-1:]), None)
    if outcome is not None and (not outcome.ok or delivered):
        outcome = evolve(outcome, reason=redaction.redact(str(outcome.reason or "")))
    else:
        outcome = Outcome(ok=delivered, endpoint="", reason=reason, elapsed=seconds)
    context = span.get_span_context()
    assert context is not None
    return Export(
        outcome,
        format_trace_id(context.trace_id),
        returned,
        bool(withheld),
        tuple(redaction.line(line, _LOG_LENGTH) for line in log.lines[-_LOG_LINES:]),
        seconds,
    )


def _withheld(result: BatchResult, recorder: _Recorder, extended: bool) -> str:
    """Return why the span did not reach the exporter; "" if it did."""
    if result.dropped:
        return f"it was dropped: {', '.join(result.dropped)}"
    if extended and not recorder.passed and not recorder.outcomes:
        return "no extension passed it to the exporter, and none reported that it drops it"
    return ""


def _call(function: Callable[[], T], timeout: float) -> T:
    """Return the result of a function that may hang.

    Raises:
        PluginError: the exporter cannot be created.
        TimeoutError: it did not return in time; its thread is abandoned.
    """
    seconds = timeout + _GRACE_SECONDS
    try:
        return call_bounded(function, seconds, "")
    except HangError:
        raise TimeoutError(f"did not return within {seconds:g} s and was abandoned") from None


@contextmanager
def captured_output() -> Iterator[_LogCapture]:
    """Keep the exporter's output and log off the terminal."""
    capture = _LogCapture()
    root = logging.getLogger()
    root.addHandler(capture)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield capture
    finally:
        root.removeHandler(capture)


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
