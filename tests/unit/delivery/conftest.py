"""Real spans, real exporters, and real processes for the tests of the pipeline."""

from __future__ import annotations

import itertools
import logging
import os
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import field, frozen
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanContext, TraceFlags

from bentotrace.config.load import Config, ExporterConfig
from bentotrace.config.options import ProcessorOptions, TracingOptions
from bentotrace.delivery.guard import Guard
from bentotrace.delivery.processor import BatchProcessor
from bentotrace.delivery.reports import Reports
from bentotrace.plugin import BuildContext, ExporterPlugin, Target

from .hanging import Hanging
from .scripted import Bench, Scripted

SOON = 10.0
"""Seconds that nothing here takes unless it is broken."""

SPY = Path(__file__).parent / "spy.py"
SPY_METADATA = "Metadata-Version: 2.1\nName: bentotrace-spy\nVersion: 1.0\n"
SPY_ENTRY_POINTS = """\
[bentotrace.exporters]
spy = bentotrace_spy:first
spy2 = bentotrace_spy:second
"""
PRELUDE = """\
import atexit, logging, os, signal, sys, threading, time
import bentotrace
from bentotrace_spy import write
from opentelemetry import trace

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")

def block(behaviour="take", **processor):
    return {
        "exporter_type": "spy",
        "sample_rate": 1.0,
        "spy": {"behaviour": behaviour},
        "processor": {"schedule_delay": 60.0, **processor},
    }

def end(*names):
    for name in names:
        trace.get_tracer("test").start_span(name).end()

"""


class Recorder(SpanExporter):
    """An exporter that keeps what it gets, and does what it is told with it."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.answer: Callable[[Sequence[ReadableSpan]], Any] = lambda spans: (
            SpanExportResult.SUCCESS
        )
        self.shutdowns = 0
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    @property
    def names(self) -> list[str]:
        return [name for batch in self.batches for name in batch]

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.entered.set()
        self.gate.wait(SOON)
        self.batches.append([span.name for span in spans])
        result: SpanExportResult = self.answer(spans)
        return result

    def shutdown(self) -> None:
        self.shutdowns += 1


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.gate.set()


_NUMBERS = itertools.count(1)


@pytest.fixture
def make_span() -> Callable[..., ReadableSpan]:
    return ended_span


def ended_span(name: str = "span", *, sampled: bool = True) -> ReadableSpan:
    """Make a span as it is handed to a processor when it ends."""
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    context = SpanContext(next(_NUMBERS), next(_NUMBERS), is_remote=False, trace_flags=flags)
    return ReadableSpan(name, context, resource=Resource.get_empty(), start_time=1, end_time=2)


@pytest.fixture
def make_processor() -> Iterator[Callable[..., BatchProcessor]]:
    """Make a processor that exports only what is due at once: nothing waits for the clock."""
    made: list[BatchProcessor] = []

    def make(exporter: SpanExporter, reports: Reports | None = None, **options: Any) -> Any:
        clock = options.pop("clock", time.monotonic)
        logger = logging.getLogger("bentotrace.recorder")
        guard = Guard(
            exporter, reports or Reports(), name="recorder", endpoint="", logger=logger, clock=clock
        )
        options = {"schedule_delay": 3600.0, **options}
        processor = BatchProcessor(guard, ProcessorOptions(**options), logger, clock=clock)
        made.append(processor)
        return processor

    yield make
    for processor in made:
        processor.close(1.0)


@frozen
class _NoOptions:
    """The section of an exporter without options."""


@pytest.fixture
def make_config() -> Callable[..., Config]:
    """Make a checked configuration whose exporters are these objects, or what makes them."""

    def make(*exporters: Any, **options: Any) -> Config:
        options = {"sample_rate": 1.0, **options}
        plugins = [_plugin(f"recorder{rank}", made) for rank, made in enumerate(exporters)]
        return Config(
            options=TracingOptions(**options),
            exporters=tuple(
                ExporterConfig(plugin, _NoOptions(), 1.0, Target("", ""), ()) for plugin in plugins
            ),
            source="tracing.yaml",
            settings=(),
        )

    return make


def _plugin(name: str, made: Any) -> ExporterPlugin:
    def create(options: Any, context: BuildContext) -> SpanExporter:
        exporter: SpanExporter = made(context) if callable(made) else made
        return exporter

    return ExporterPlugin(
        name=name, config=_NoOptions, create=create, summary="", extra=f"bentotrace[{name}]"
    )


@pytest.fixture
def wait_until() -> Callable[[Callable[[], Any]], None]:
    def wait(condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + SOON
        while not condition():
            assert time.monotonic() < deadline, "it did not come about in time"
            time.sleep(0.002)

    return wait


@frozen
class Ran:
    """A process that has ended."""

    code: int
    output: str
    log: str
    seconds: float
    book: list[tuple[int, str]] = field(repr=False)

    @property
    def names(self) -> list[str]:
        """The spans that were exported, without the ends of the exporters."""
        return sorted(name for _, name in self.book if name != "shutdown")

    @property
    def warnings(self) -> list[str]:
        return [line for line in self.log.splitlines() if line.startswith("WARNING bentotrace")]


@pytest.fixture
def run_process(tmp_path: Path) -> Callable[..., Ran]:
    """Run a script in a process of its own, with the exporter ``spy`` installed."""
    site = tmp_path / "site"
    metadata = site / "bentotrace_spy-1.0.dist-info"
    metadata.mkdir(parents=True)
    shutil.copyfile(SPY, site / "bentotrace_spy.py")
    (metadata / "METADATA").write_text(SPY_METADATA, encoding="utf-8")
    (metadata / "entry_points.txt").write_text(SPY_ENTRY_POINTS, encoding="utf-8")
    book, script = tmp_path / "book.txt", tmp_path / "script.py"

    def run(text: str, *, environ: Mapping[str, str] | None = None, timeout: float = 30.0) -> Ran:
        book.write_text("", encoding="utf-8")
        script.write_text(PRELUDE + textwrap.dedent(text), encoding="utf-8")
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "BENTO"))}
        inherited |= {"PYTHONPATH": str(site), "SPY_BOOK": str(book), **(environ or {})}
        begin = time.monotonic()
        process = subprocess.run(
            [sys.executable, str(script)],
            env=inherited,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )
        seconds = time.monotonic() - begin
        lines = [line.split(maxsplit=1) for line in book.read_text(encoding="utf-8").splitlines()]
        written = [(int(pid), name) for pid, name in lines]
        return Ran(process.returncode, process.stdout, process.stderr, seconds, written)

    return run


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    exporter = Hanging()
    yield exporter
    exporter.released.set()


@pytest.fixture
def bench(make_span: Callable[..., ReadableSpan]) -> Bench:
    exporter, now = Scripted(), [5000.0]
    guard = Guard(
        exporter,
        exporter.reports,
        name="scripted",
        endpoint="http://here:4318",
        logger=logging.getLogger("bentotrace.scripted"),
        on_error=lambda error: exporter.told(error),
        clock=lambda: now[0],
    )
    return Bench(exporter, guard, now, make_span())
