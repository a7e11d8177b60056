"""A signal handler may raise, or wait for an export, at any point of what it interrupts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from .processes import PATIENCE, environment

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs SIGUSR1")

PROGRAM = Path(__file__).with_name("interrupting.py")

# The call, and the step without and with a spool. A new pipeline with a spool takes 0.1 s, and one
# that is abandoned waits for its timeout, so only .ci/run's weekly part has every point of these.
CALLS = {
    "span": (1, 1),
    "first span": (1, 23),
    "status": (1, 1),
    "flush": (1, 1),
    "full": (1, 29),
    "shutdown": (1, 19),
    "abandoned": (11, 31),
}
WEEKLY = bool(os.environ.get("WEEKLY"))
LONG = 1800.0 if WEEKLY else PATIENCE
CASES = [
    pytest.param(
        call, spool, 1 if WEEKLY else step, id=f"{call}, {'spool' if spool else 'no spool'}"
    )
    for call, steps in CALLS.items()
    for spool, step in enumerate(steps)
]


class _Receiver(BaseHTTPRequestHandler):
    """Accepts spans, but neither reads nor responds between ``/hang`` and ``/continue``."""

    protocol_version = "HTTP/1.1"
    running = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/hang":
            self.running.clear()
        else:
            self.running.set()
        self._respond()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.running.wait(PATIENCE)
        self._respond()

    def _respond(self) -> None:
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    _Receiver.running.set()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Receiver) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        _Receiver.running.set()
        server.shutdown()


@pytest.mark.parametrize(("call", "spool", "step"), CASES)
def test_an_interruption_at_any_bytecode_reaches_the_application_and_breaks_nothing(
    call: str, spool: bool, step: int, port: int, tmp_path: Path
) -> None:
    directory = str(tmp_path / "spool") if spool else ""

    run(call, port, directory, step, "raise")


@pytest.mark.parametrize("does", ["wait for ours", "flush", "shut down"])
@pytest.mark.parametrize("call", ["span", "first span", "status", "flush", "shutdown"])
def test_a_handler_that_waits_for_an_export_gets_it_at_any_point(
    call: str, does: str, port: int
) -> None:
    run(call, port, "", 1, does)


def run(call: str, port: int, directory: str, step: int, does: str) -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), call, str(port), directory, str(step), does],
        capture_output=True,
        text=True,
        timeout=LONG,
        env=environment(),
    )

    assert done.returncode == 0, done.stderr[-4000:]
    assert json.loads(done.stdout) > 50
