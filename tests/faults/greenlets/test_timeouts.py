"""Timeouts of gevent and eventlet reach the application out of every call that may wait."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..processes import run_script
from ..stages import Scene
from .libraries import HANGS, LIBRARIES, OTLP_HTTP, require
from .test_patched_first import EVENTLET, GEVENT

PATCH = {"gevent": GEVENT, "eventlet": EVENTLET}
WAITS = {
    "span.end()": "end('span', 100)",
    "flush()": "tracing.flush(60)",
    "shutdown()": "tracing.shutdown()",
}
SCRIPT = """
    from {library} import Timeout

    class Expired(Exception):
        pass

    tracing = configure()
    end("span", 4)
    try:
        with Timeout(0.5, {raised}):
            {wait}
    except ({expected}) as error:
        print(type(error).__name__)
"""
LOGGING = """
    from {library} import Timeout

    class Slow(logging.Handler):
        def emit(self, record):
            time.sleep(60)

    class Broken(logging.Handler):
        def emit(self, record):
            raise OSError

    tracing = configure()
    tracing.shutdown()
    logging.getLogger("bentotrace").addHandler({handler}())
    try:
        with Timeout(0.5):
            # This is logged.
            end("late")
    except Timeout:
        print("Timeout")
"""


def run(library: str, script: str, directory: Path) -> str:
    """Run a script whose receiver hangs; return what it prints."""
    with HANGS.stage(Scene(OTLP_HTTP, None, None)) as site:
        block = OTLP_HTTP.block(site.host, site.port)
        block["processor"] = {
            "on_full": "wait",
            "on_full_timeout": 60.0,
            "max_queue_size": 4,
            "max_export_batch_size": 2,
            "shutdown_timeout": 10.0,
        }
        block["timeout"] = 30.0
        ended = run_script(script, block, directory, first=PATCH[require(library)])
    assert ended.code == 0, ended.log
    return ended.output


@pytest.mark.parametrize("raised", ["Expired", "None"])
@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_timeout_ends_a_wait(tmp_path: Path, library: str, wait: str, raised: str) -> None:
    expected = "Timeout" if raised == "None" else raised
    script = SCRIPT.format(library=library, raised=raised, expected=expected, wait=WAITS[wait])
    assert run(library, script, tmp_path) == f"{expected}\n"


@pytest.mark.parametrize(("handler", "output"), [("Slow", "Timeout\n"), ("Broken", "")])
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_timeout_ends_a_log_handler_whose_own_errors_reach_nobody(
    tmp_path: Path, library: str, handler: str, output: str
) -> None:
    script = LOGGING.format(library=library, handler=handler)
    assert run(library, script, tmp_path) == output
