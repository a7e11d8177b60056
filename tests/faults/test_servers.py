"""Servers with workers: gunicorn that builds before it forks, and uvicorn."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from .processes import PATIENCE, environment, warnings_of
from .transports import TRANSPORTS, Transport

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="these servers fork")

ANSWERING = [transport for transport in TRANSPORTS if transport.family != "udp"]
REQUESTS = 40

APPLICATION = """\
import json, logging, os
import bentotrace
from opentelemetry import trace

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
if "BLOCK" in os.environ:
    tracing = bentotrace.configure(json.loads(os.environ["BLOCK"]))
trace.get_tracer("test").start_span("load").end()


def answer():
    trace.get_tracer("test").start_span("request").end()
    return str(os.getpid()).encode()


def wsgi(environ, start_response):
    start_response("200 OK", [("Connection", "close")])
    return [answer()]


async def asgi(scope, receive, send):
    if scope["type"] == "http":
        body = answer()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})
"""


@contextlib.contextmanager
def serving(
    command: Sequence[str], block: Mapping[str, Any], directory: Path, *, configures: bool = True
) -> Iterator[tuple[int, Path]]:
    """Run a server that inherits a listening socket; return its port, and where it logs.

    Args:
        command: a program of this environment, and what it takes.
        block: the tracing block.
        directory: where it runs.
        configures: whether the application is given the block.
    """
    (directory / "application.py").write_text(APPLICATION, encoding="utf-8")
    variables = {"BLOCK": json.dumps(block)} if configures else {}
    log = directory / "log.txt"
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener, log.open("w") as written:
        number = listener.fileno()
        process = subprocess.Popen(
            [word.format(fd=number) for word in command],
            cwd=directory,
            env=environment(**variables),
            stdout=written,
            stderr=written,
            pass_fds=[number],
        )
        try:
            yield listener.getsockname()[1], log
            process.terminate()
            process.wait(PATIENCE)
        finally:
            process.kill()
            process.wait()


def block_of(transport: Transport, port: int) -> dict[str, Any]:
    block = transport.block("127.0.0.1", port)
    block["processor"] = {"schedule_delay": 3600.0, "shutdown_timeout": 60.0}
    return block


def ask(port: int, workers: int) -> tuple[int, float]:
    """Ask until so many workers have answered.

    Returns:
        The number of requests, and the seconds that the longest took once the server was up.
    """
    asked, answered, longest = 0, set(), 0.0
    deadline = time.monotonic() + PATIENCE
    while asked < REQUESTS or len(answered) < workers:
        assert time.monotonic() < deadline, f"only {len(answered)} workers answer"
        began = time.monotonic()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE) as answer:
            answered.add(answer.read())
        if asked:
            longest = max(longest, time.monotonic() - began)
        asked += 1
    return asked, longest


@pytest.mark.parametrize("transport", ANSWERING, ids=lambda transport: transport.name)
def test_gunicorn_that_builds_before_it_forks_loses_nothing(
    tmp_path: Path, transport: Transport
) -> None:
    pytest.importorskip("gunicorn", reason="gunicorn is not installed")
    command = "gunicorn application:wsgi --preload --workers 2 --bind fd://{fd}"
    with transport.receive() as receiver:
        with serving(command.split(), block_of(transport, receiver.port), tmp_path) as (port, log):
            asked, _ = ask(port, workers=2)
        names = Counter(span.name for span in receiver.spans)
    assert names == {"load": 1, "request": asked}
    assert warnings_of(log.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("transport", ANSWERING, ids=lambda transport: transport.name)
def test_the_workers_of_uvicorn_lose_nothing(tmp_path: Path, transport: Transport) -> None:
    pytest.importorskip("uvicorn", reason="uvicorn is not installed (extra: demo)")
    command = (
        "uvicorn application:asgi --workers 2 --fd {fd} --lifespan off "
        # Under load a worker may be silent for the 5 s after which it is ended.
        "--timeout-worker-healthcheck 60"
    )
    with transport.receive() as receiver:
        with serving(command.split(), block_of(transport, receiver.port), tmp_path) as (port, log):
            asked, _ = ask(port, workers=2)
        names = Counter(span.name for span in receiver.spans)
    assert names == {"load": 2, "request": asked}
    assert warnings_of(log.read_text(encoding="utf-8")) == []
