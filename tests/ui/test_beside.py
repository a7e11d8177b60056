"""``run --ui`` and ``demo --ui``: a viewer beside a program, without a file."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SCRIPT = "import sys; from bentotrace.cli import main; sys.exit(main())"
SECONDS = 60
PROGRAM = textwrap.dedent(
    """
    import signal, sys, time
    from opentelemetry import trace

    with trace.get_tracer("program").start_as_current_span("work"):
        pass
    if sys.argv[1] == "wait":
        print("ready", flush=True)
        signal.pause()
    sys.exit(3)
    """
)


class Running:
    """A command that runs, and its lines."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        environ = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=directory,
            env=environ,
        )
        self.lines: list[str] = []

    def read_until(self, pattern: str) -> str:
        """Return the first line that matches."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if re.search(pattern, line):
                return line
        raise AssertionError(self.lines)

    def end(self, number: int) -> int:
        """Send a signal, and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(SECONDS)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


@pytest.fixture
def started(directory: Path) -> Iterator[list[Running]]:
    running: list[Running] = []
    yield running
    for each in running:
        each.process.kill()
        each.process.communicate()


def spans(line: str, service: str, count: int) -> list[dict[str, Any]]:
    """Ask the viewer whose address is in a line for the spans of a service."""
    address = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert address is not None, line
    end = time.monotonic() + SECONDS
    while True:
        with urllib.request.urlopen(f"{address[0]}/api/traces?service={service}") as response:
            found = [span for trace in json.load(response)["data"] for span in trace["spans"]]
        if len(found) >= count:
            return found
        assert time.monotonic() < end, found
        time.sleep(0.1)


def test_a_program_without_a_file_is_traced_and_the_traces_stay(
    directory: Path, started: list[Running]
) -> None:
    running = Running(
        directory, "run", "--ui", "--no-open", "--", sys.executable, "program.py", "end"
    )
    started.append(running)
    line = running.read_until("has ended with exit code 3")
    (span,) = spans(line, Path(sys.executable).name, 1)
    assert span["operationName"] == "work"
    assert running.end(signal.SIGINT) == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_program_and_the_viewer(
    number: int, directory: Path, started: list[Running]
) -> None:
    running = Running(
        directory, "run", "--ui", "--no-open", "--", sys.executable, "program.py", "wait"
    )
    started.append(running)
    running.read_until("^ready")
    assert running.end(number) == 128 + number


def test_a_file_has_its_options_but_sends_to_the_viewer(
    directory: Path, started: list[Running]
) -> None:
    (directory / "tracing.yaml").write_text(
        "tracing:\n"
        "  exporter_type: zipkin\n"
        "  sample_rate: 0\n"
        "  resource: {attributes: {service.name: shop}}\n"
    )
    running = Running(
        directory,
        *("run", "--ui", "--no-open", "-c", "tracing.yaml"),
        *("--", sys.executable, "program.py", "end"),
    )
    started.append(running)
    line = running.read_until("has ended")
    assert len(spans(line, "shop", 1)) == 1
    assert running.end(signal.SIGINT) == 3


def test_the_demo_sends_over_every_transport(directory: Path, started: list[Running]) -> None:
    running = Running(directory, "demo", "--ui", "--no-open", "--requests", "1")
    started.append(running)
    line = running.read_until("press Ctrl-C")
    servers = [span for span in spans(line, "iris", 6 * 6) if not span["references"]]
    assert len(servers) == 6
    assert running.end(signal.SIGTERM) == 0
