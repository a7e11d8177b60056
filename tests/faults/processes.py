"""Scripts in processes of their own, which trace to a healthy receiver."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

__all__ = ["PATIENCE", "Ended", "environment", "run_script", "warnings_of"]

PATIENCE = 120.0
"""Seconds that nothing here takes unless it is broken."""

_NOT_INHERITED = ("OTEL_", "BENTO", "GRPC_", "HTTP", "NO_PROXY")
_PRELUDE = """\
import json, logging, os, sys, threading, time
import bentotrace
from opentelemetry import trace

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")

def configure():
    return bentotrace.configure(json.loads(os.environ["BLOCK"]))

def end(name, count=1):
    tracer = trace.get_tracer("test")
    for _ in range(count):
        tracer.start_span(name).end()

"""


@frozen
class Ended:
    """A process that has ended."""

    code: int
    output: str
    log: str


def run_script(
    text: str, block: Mapping[str, Any], directory: Path, *, first: str = "", **variables: str
) -> Ended:
    """Run a script that may ``configure()`` the pipeline of a block and ``end()`` spans.

    Args:
        text: the script.
        block: the tracing block.
        directory: where the script is written.
        first: what it runs before anything else is imported.
        variables: of the environment.
    """
    script = directory / "script.py"
    script.write_text(first + _PRELUDE + textwrap.dedent(text), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)],
        env=environment(BLOCK=json.dumps(block), **variables),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment without what would configure a pipeline or a proxy.

    The programs of this environment of Python come first on its path.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(_NOT_INHERITED)
    }
    inherited["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    return {**inherited, **variables}


def warnings_of(log: str) -> list[str]:
    """Return the warnings of bentotrace in a log."""
    return [line for line in log.splitlines() if line.startswith("WARNING bentotrace")]
