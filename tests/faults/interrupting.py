"""A process whose signal handler runs at each point of a call within this package.

Arguments: the name of the call, the port of a Zipkin receiver, a spool's directory or "", the step
(1 interrupts at every point, 2 at every second one), and what the handler does. The points are before
each bytecode for a handler that raises, else before each line: Python calls handlers where functions
begin, after calls and at the end of loops only. Prints the number of points; ends with a traceback at
the first broken promise.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple
from urllib.request import urlopen

import bentotrace
from bentotrace.delivery import process
from bentotrace.pipeline.tracing import Tracing

PACKAGE = str(Path(bentotrace.__file__).parent)
# Seconds that nothing here takes unless it hangs.
SOON = 20.0


class InterruptionError(Exception):
    """What the signal handler of the application raises."""


class Pipeline(NamedTuple):
    tracing: Tracing

    def end(self, name: str) -> None:
        self.tracing.provider.get_tracer("test").start_span(name).end()

    @property
    def status(self) -> Any:
        return self.tracing.status().destinations[0]


class Interrupter:
    """A trace function that lets a signal arrive at one point."""

    def __init__(self, at: int) -> None:
        self.left = at
        self.place = ""

    def __call__(self, frame: FrameType, event: str, argument: object) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        frame.f_trace_opcodes = HANDLER.does == "raise"
        frame.f_trace_lines = not frame.f_trace_opcodes
        return self.trace

    def trace(self, frame: FrameType, event: str, argument: object) -> Any:
        if event in {"opcode", "line"}:
            self.left -= 1
            if self.left == 0:
                sys.settrace(None)
                self.place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
                signal.raise_signal(signal.SIGUSR1)
        return self.trace


class Handler:
    """The handler of the signal, and the pipelines that it may use."""

    def __init__(self) -> None:
        self.does = "raise"
        self.running: list[Pipeline] = []
        self.calls = 0

    def install(self, does: str) -> None:
        self.does = does
        signal.signal(signal.SIGUSR1, self)
        if does == "wait for ours":
            process.flush_on_signals(["SIGUSR1"])

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.calls += 1
        if self.does == "raise":
            raise InterruptionError
        for pipeline in self.running:
            if self.does == "flush":
                assert pipeline.tracing.flush(SOON), pipeline.status
            elif self.does == "shut down":
                assert pipeline.tracing.shutdown(SOON), pipeline.status


HANDLER = Handler()


def interrupt(call: Callable[[], object], at: int) -> bool:
    """Interrupt a call at a point; return whether it has that many."""
    interrupter = Interrupter(at)
    HANDLER.calls = 0
    began = time.monotonic()
    sys.settrace(interrupter)
    try:
        call()
    except InterruptionError:
        pass
    finally:
        sys.settrace(None)
    more = interrupter.left <= 0
    assert HANDLER.calls == more, f"not handled, or swallowed, in {interrupter.place}"
    assert time.monotonic() - began < SOON / 2, f"stood still in {interrupter.place}"
    return more


def make(port: int, spool: str, **processor: object) -> Pipeline:
    options = {"timeout": 2, "processor": {"shutdown_timeout": SOON, **processor}}
    if spool:
        options["spool"] = {"path": spool}
    endpoint = {"endpoint": f"http://127.0.0.1:{port}/api/v2/spans"}
    tracing = bentotrace.build(
        {"exporter_type": "zipkin", "sample_rate": 1, "zipkin": endpoint, **options}
    )
    pipeline = Pipeline(tracing)
    HANDLER.running[:] = [pipeline]
    return pipeline


def check(pipeline: Pipeline, least: int, most: int) -> None:
    """Check that the next span is exported, and that every span is counted."""
    if HANDLER.does == "shut down":
        return
    pipeline.end("next")
    assert pipeline.tracing.flush(SOON), pipeline.status
    status = pipeline.status
    assert (status.failed, status.pending) == (0, 0), status
    assert status.ended == status.exported + status.dropped, status
    # The interrupted span may not have been queued.
    assert least + 1 <= status.exported <= most + 1, (least, most, status)


def check_end(pipeline: Pipeline, least: int, most: int) -> None:
    """Check that the pipeline ends in time, and that every span is counted."""
    begin = time.monotonic()
    assert pipeline.tracing.shutdown(SOON), pipeline.status
    assert time.monotonic() - begin < SOON / 2
    status = pipeline.status
    assert (status.failed, status.pending) == (0, 0), status
    assert least <= status.exported <= most, (least, most, status)
    pipeline.end("late")
    assert pipeline.status.dropped == status.dropped + 1


def first_span(port: int, spool: str, at: int) -> bool:
    pipeline = make(port, spool)
    more = interrupt(lambda: pipeline.end("interrupted"), at)
    check(pipeline, 0, 1)
    check_end(pipeline, 0, 2)
    return more


def shutdown(port: int, spool: str, at: int) -> bool:
    pipeline = make(port, spool)
    for _ in range(3):
        pipeline.end("queued")
    more = interrupt(pipeline.tracing.shutdown, at)
    check_end(pipeline, 3, 3)
    return more


def reused(call: Callable[[Pipeline], object]) -> Callable[[int, str, int], bool]:
    """Interrupt a call of one pipeline again and again."""
    kept: list[Pipeline] = []

    def run(port: int, spool: str, at: int) -> bool:
        if not kept or HANDLER.does == "shut down":
            kept[:] = [make(port, spool)]
        pipeline = kept[0]
        pipeline.end("before")
        before = pipeline.status
        done = before.exported + before.pending
        more = interrupt(lambda: call(pipeline), at)
        if HANDLER.does == "shut down":
            check_end(pipeline, done, done + 1)
            return more
        check(pipeline, done, done + 1)
        if not more:
            assert pipeline.tracing.shutdown(SOON)
        return more

    return run


def full(port: int, spool: str, at: int) -> bool:
    """Interrupt a span that finds a queue full whose receiver hangs, and the end of that queue."""
    pipeline = make(port, spool, max_queue_size=2, max_export_batch_size=1)
    _ask(port, "hang")
    for _ in range(6):
        pipeline.end("queued")
    more = interrupt(lambda: pipeline.end("interrupted"), at)
    _ask(port, "continue")
    status = pipeline.status
    assert 6 <= status.ended <= 7, status
    check_end(pipeline, 0, 7)
    return more


def abandoned(port: int, spool: str, at: int) -> bool:
    pipeline = make(port, spool)
    _ask(port, "hang")
    for _ in range(3):
        pipeline.end("queued")
    more = interrupt(lambda: pipeline.tracing.shutdown(0.02), at)
    pipeline.tracing.shutdown(0.02)
    _ask(port, "continue")
    assert pipeline.status.ended == 3, pipeline.status
    return more


def _ask(port: int, what: str) -> None:
    urlopen(f"http://127.0.0.1:{port}/{what}").close()


CALLS = {
    "abandoned": abandoned,
    "first span": first_span,
    "flush": reused(lambda pipeline: pipeline.tracing.flush(SOON)),
    "full": full,
    "shutdown": shutdown,
    "span": reused(lambda pipeline: pipeline.end("interrupted")),
    "status": reused(lambda pipeline: pipeline.tracing.status()),
}


def main(name: str, port: str, spool: str, step: str, does: str) -> None:
    logging.disable()
    faulthandler.dump_traceback_later(SOON * 2, exit=True)
    HANDLER.install(does)
    at = 1
    while CALLS[name](int(port), os.path.join(spool, str(at)) if spool else "", at):
        at += int(step)
        faulthandler.dump_traceback_later(SOON * 2, exit=True)
    sys.stdout.write(json.dumps(at - 1))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
