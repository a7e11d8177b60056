"""Starts a program, gives it work, stops it right after, and counts the spans that arrived."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from attrs import frozen

from bentotrace.testing import OTLPHTTPReceiver

from ..faults.processes import environment
from ..ports import free_ports
from .catalog import STOPS, Program

__all__ = ["OURS", "SPANS", "THEIRS", "Cell", "Run", "run_cell", "times_of"]

OURS, THEIRS = "bentotrace", "opentelemetry-distro"
SPANS = 30

_PROGRAMS = Path(__file__).parent / "programs"
_PATIENCE = 300.0
_VARYING_TIMES = 5
# A program that ignores a signal is killed after this time.
_END_SECONDS = 30.0


@frozen
class Cell:
    """One run: a program, who traces it, how it is started, and how it is stopped."""

    program: Program
    tracer: str
    start: str
    stop: str

    def __str__(self) -> str:
        return f"{self.program.name} - {self.tracer} - {self.start} - {self.stop}"


@frozen
class Run:
    """The spans that were made and that arrived, and what the program wrote."""

    made: int
    arrived: int
    log: str


def times_of(cell: Cell) -> int:
    """Return how often a cell is run: several times where the result varies."""
    return _VARYING_TIMES if cell.stop in cell.program.varies else 1


def run_cell(cell: Cell) -> Run:
    """Run a program in a directory and a process group of its own."""
    with tempfile.TemporaryDirectory() as folder, OTLPHTTPReceiver() as receiver:
        directory = Path(folder, "programs")
        shutil.copytree(_PROGRAMS, directory)
        made, log = directory / "made.txt", directory / "log.txt"
        made.touch()
        # Celery's broker, which the worker may open before anything is sent.
        messages = directory / "messages"
        (messages / "control").mkdir(parents=True)
        (port, redis) = free_ports(2)
        variables = {
            **_variables(cell, receiver.endpoint, directory),
            "MADE": str(made),
            "FOLDER": str(messages),
            "REDIS_URL": f"redis://127.0.0.1:{redis}/0",
        }
        command = cell.program.command.format(
            port=port, spans=SPANS, redis=variables["REDIS_URL"], prefix=sys.prefix
        )
        with log.open("w") as written, _broker(cell.program, redis, directory):
            process = subprocess.Popen(
                [*_launcher(cell, directory), *command.split()],
                cwd=directory,
                env=environment(**variables),
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=written,
                start_new_session=True,
                # A job in the background would ignore it.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
            )
            try:
                _give_work(cell.program, port, directory, environment(**variables), process)
                _poll(lambda: _count(made) >= SPANS, process, log)
                number, is_for_group = STOPS[cell.stop]
                (os.killpg if is_for_group else os.kill)(process.pid, number)
                _wait_for_session(process)
            finally:
                # Some make groups of their own, and are not children of the program any more.
                for pid in _session(process):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                process.wait()
        names = [span.name for span in receiver.spans]
        return Run(_count(made), names.count("work"), log.read_text(errors="replace"))


def _variables(cell: Cell, endpoint: str, directory: Path) -> dict[str, str]:
    # The programs make their spans themselves.
    variables = {"PYTHONUNBUFFERED": "1", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"}
    if cell.start == "configure":
        variables["CONFIGURES"] = cell.tracer
    if cell.tracer == OURS:
        file = directory / "tracing.yaml"
        options = {"protocol": "http", "endpoint": endpoint}
        block = {"exporter_type": "otlp", "sample_rate": 1.0, "otlp": options}
        file.write_text(json.dumps({"tracing": block}), encoding="utf-8")
        return {**variables, "BENTOTRACE_CONFIG": str(file)}
    return {
        **variables,
        "OTEL_PYTHON_DISTRO": "distro",
        "OTEL_PYTHON_CONFIGURATOR": "configurator",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": endpoint,
    }


def _launcher(cell: Cell, directory: Path) -> list[str]:
    if cell.start == "configure":
        return []
    return ["bentotrace", "run", "--"] if cell.tracer == OURS else ["opentelemetry-instrument"]


@contextmanager
def _broker(program: Program, port: int, directory: Path) -> Iterator[None]:
    """Run Redis for a program that needs it."""
    if not program.redis:
        yield
        return
    command = ["redis-server", "--port", str(port), "--save", "", "--dir", str(directory)]
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _give_work(
    program: Program,
    port: int,
    directory: Path,
    environ: dict[str, str],
    process: subprocess.Popen[bytes],
) -> None:
    if program.sender:
        command = [sys.executable, program.sender, str(SPANS)]
        environ = {name: value for name, value in environ.items() if name != "CONFIGURES"}
        # Redis may not accept connections yet.
        _poll(lambda: subprocess.run(command, cwd=directory, env=environ).returncode == 0, process)
    elif "{port}" in program.command:
        asked = 0
        while asked < SPANS:
            _poll(lambda: _ask(port), process)
            asked += 1


def _ask(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/job/", timeout=_PATIENCE) as answer:
            return bool(answer.read())
    except (URLError, ConnectionError):
        return False


def _count(made: Path) -> int:
    return made.read_text(encoding="utf-8").count("made")


def _poll(
    condition: Callable[[], bool], process: subprocess.Popen[bytes], log: Path | None = None
) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        text = log.read_text(errors="replace") if log is not None else ""
        assert process.poll() is None, f"the program has ended: {text}"
        assert time.monotonic() < deadline, f"the program does not work: {text}"
        time.sleep(0.05)


def _wait_for_session(process: subprocess.Popen[bytes]) -> None:
    """Wait until a program and those that it started have ended, as long as they may take."""
    deadline = time.monotonic() + _END_SECONDS
    while process.poll() is None or _session(process):
        if time.monotonic() > deadline:
            return
        time.sleep(0.05)


def _session(leader: subprocess.Popen[bytes]) -> list[int]:
    """Return the processes of the session that a program leads."""
    found = []
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        with suppress(ProcessLookupError):
            if os.getsid(pid) == leader.pid:
                found.append(pid)
    return found
