"""Processors and exporters published for OpenTelemetry see the same lean and SDK's spans.

Each is installed in an environment of its own. They are newest releases from PyPI, which may break
at any time, so this runs weekly and not in the tests of every change: ``tox -e processors``.
ddtrace is not among them: it replaces the tracer provider.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import venv
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("program.py")

# What is installed, by the name of the function in the program that adds it to a provider.
PUBLISHED = {
    "baggage": ["opentelemetry-processor-baggage"],
    "langfuse": ["langfuse"],
    "logfire": ["logfire", "pytest"],
    "openinference": ["openinference-instrumentation"],
    "phoenix": ["arize-phoenix-otel"],
    "sentry": ["sentry-sdk"],
    "traceloop": ["traceloop-sdk", "httpx"],
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_lean_spans_and_those_of_the_sdk_are_the_same_for(name: str, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", f"{ROOT}[otlp,testing]", *PUBLISHED[name]],
        check=True,
    )

    # Processors drop spans that began long ago.
    began = time.time_ns()

    def record(spans: str) -> dict[str, Any]:
        done = subprocess.run(
            [python, "-W", "ignore", PROGRAM, name, spans, str(began)],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=tmp_path,
            env={**os.environ, "TRACELOOP_TELEMETRY": "false", "TRACELOOP_TRACE_CONTENT": "true"},
        )
        assert done.returncode == 0, done.stderr
        recorded: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return recorded

    lean, sdk = record("lean"), record("sdk")

    assert (lean.pop("spans"), sdk.pop("spans")) == ("lean", "sdk")
    assert len(lean["seen"]) >= 1
    assert len(lean["exported"]) == 3
    assert lean == sdk
