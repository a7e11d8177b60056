"""Servers and workers that patch the process after bentotrace was started in it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..processes import PATIENCE, environment, warnings_of
from ..stages import Scene
from ..test_servers import ask, serving
from ..transports import TRANSPORTS, Transport
from .libraries import ANSWERING, HANGS, LIBRARIES, OTLP_HTTP, UDP, require

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="these servers fork")

STARTS = ("run", "configure")

TASKS = """\
import json, logging, os, time
import bentotrace
from celery import Celery
from opentelemetry import trace

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
if "BLOCK" in os.environ:
    tracing = bentotrace.configure(json.loads(os.environ["BLOCK"]))
folders = {f"data_folder_{way}": os.environ["FOLDER"] for way in ("in", "out")}
app = Celery("tasks", broker="filesystem://")
app.conf.update(
    broker_transport_options=folders | {"control_folder": os.environ["FOLDER"] + "/control"},
    worker_hijack_root_logger=False,
    worker_enable_remote_control=False,
)


@app.task
def work(number):
    time.sleep(0.1)
    trace.get_tracer("test").start_span("task").end()
    with open(os.path.join(os.environ["FOLDER"], "done"), "a") as file:
        file.write(f"{number}\\n")
"""
TASK_COUNT = 20

# A program that patches where requests has been imported for its instrumentation, as locust does.
LATE = """\
from gevent import monkey
monkey.patch_all()
import requests
try:
    requests.get("https://127.0.0.1:9")
except requests.ConnectionError:
    print("refused")
"""
GEVENT_PATCH = "OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH"


def command_of(start: str, directory: Path, block: dict[str, Any]) -> list[str]:
    """Return what stands before a server's command."""
    if start == "configure":
        return []
    pytest.importorskip("opentelemetry.instrumentation", reason="the extra instrument brings it")
    file = directory / "tracing.yaml"
    file.write_text(json.dumps({"tracing": block}), encoding="utf-8")
    return ["bentotrace", "run", "-c", str(file), "--"]


@pytest.mark.parametrize("transport", TRANSPORTS, ids=lambda transport: transport.name)
@pytest.mark.parametrize("preload", [False, True], ids=["", "preload"])
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_workers_of_gunicorn_answer_and_lose_nothing(
    library: str, start: str, preload: bool, transport: Transport, tmp_path: Path
) -> None:
    pytest.importorskip("gunicorn", reason="gunicorn is not installed")
    require(library)
    with transport.receive() as receiver:
        block = transport.block("127.0.0.1", receiver.port)
        block["processor"] = {"schedule_delay": 3600.0, "shutdown_timeout": 60.0}
        command = [
            *command_of(start, tmp_path, block),
            *f"gunicorn application:wsgi -k {library} --workers 2 --bind fd://{{fd}}".split(),
            *["--preload"][:preload],
        ]
        with serving(command, block, tmp_path, configures=start == "configure") as (port, log):
            asked, longest = ask(port, workers=2)
        names = Counter(span.name for span in receiver.spans)
    assert longest < 4.0
    if transport is not UDP:
        assert names == {"load": 1 if preload else 2, "request": asked}
    assert warnings_of(log.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("transport", ANSWERING, ids=lambda transport: transport.name)
@pytest.mark.parametrize("library", LIBRARIES)
def test_workers_of_gunicorn_answer_while_the_receiver_hangs(
    library: str, transport: Transport, tmp_path: Path
) -> None:
    pytest.importorskip("gunicorn", reason="gunicorn is not installed")
    require(library)
    with HANGS.stage(Scene(transport, None, None)) as site:
        block = transport.block(site.host, site.port)
        block["timeout"] = 5.0
        block["processor"] = {"schedule_delay": 0.01, "shutdown_timeout": 1.0}
        command = [
            *command_of("run", tmp_path, block),
            *f"gunicorn application:wsgi -k {library} --workers 2 --bind fd://{{fd}}".split(),
        ]
        with serving(command, block, tmp_path, configures=False) as (port, _):
            _, longest = ask(port, workers=2)
            began = time.monotonic()
        took = time.monotonic() - began
    assert longest < 4.0
    assert took < 10.0


@contextlib.contextmanager
def working(
    command: list[str], directory: Path, variables: dict[str, str]
) -> Iterator[tuple[Path, Path]]:
    """Run a worker of Celery; return the file of what is done, and the log."""
    (directory / "tasks.py").write_text(TASKS, encoding="utf-8")
    folder = directory / "messages"
    (folder / "control").mkdir(parents=True)
    variables = {**variables, "FOLDER": str(folder)}
    log = directory / "log.txt"
    with log.open("w") as written:
        process = subprocess.Popen(
            command, cwd=directory, env=environment(**variables), stdout=written, stderr=written
        )
        try:
            sends = f"import tasks\nfor number in range({TASK_COUNT}): tasks.work.delay(number)"
            subprocess.run(
                [sys.executable, "-c", sends],
                cwd=directory,
                env=environment(FOLDER=str(folder)),
                timeout=PATIENCE,
                check=True,
            )
            yield folder / "done", log
            process.terminate()
            process.wait(PATIENCE)
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize("transport", ANSWERING, ids=lambda transport: transport.name)
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_workers_of_celery_get_ready_and_lose_nothing(
    library: str, start: str, transport: Transport, tmp_path: Path
) -> None:
    pytest.importorskip("celery", reason="celery is not installed")
    require(library)
    with transport.receive() as receiver:
        block = transport.block("127.0.0.1", receiver.port)
        block["processor"] = {"schedule_delay": 3600.0, "shutdown_timeout": 60.0}
        command = [
            *command_of(start, tmp_path, block),
            *f"celery -A tasks worker -P {library} -c 5 -l INFO".split(),
        ]
        variables = {"BLOCK": json.dumps(block)} if start == "configure" else {}
        with working(command, tmp_path, variables) as (done, log):
            deadline = time.monotonic() + 60
            while not done.exists() or len(done.read_text().splitlines()) < TASK_COUNT:
                assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
                time.sleep(0.05)
        names = Counter(span.name for span in receiver.spans)
    assert names["task"] == TASK_COUNT
    assert warnings_of(log.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("variables", "ending"),
    [({GEVENT_PATCH: "patch_all"}, "refused"), ({}, "RecursionError")],
    ids=["with the variable", "without it"],
)
def test_the_variable_lets_gevent_patch_before_what_is_instrumented(
    variables: dict[str, str], ending: str, tmp_path: Path
) -> None:
    require("gevent")
    pytest.importorskip(
        "opentelemetry.instrumentation.requests", reason="the instrumentation is not installed"
    )
    (tmp_path / "late.py").write_text(LATE, encoding="utf-8")
    with OTLP_HTTP.receive() as receiver:
        block = OTLP_HTTP.block("127.0.0.1", receiver.port)
        done = subprocess.run(
            [*command_of("run", tmp_path, block), "python", "late.py"],
            cwd=tmp_path,
            env=environment(**variables),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        names = [span.name for span in receiver.spans]
    assert ending in done.stdout + done.stderr
    assert names == ["GET"]
