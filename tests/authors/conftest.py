"""The environment of an author: a wheel of bentotrace is installed, as for anybody."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., str]


@pytest.fixture
def run() -> Run:
    """Run a command of the environment's Python; return its output."""

    def run(*arguments: object, cwd: Path, path: object = None, code: int = 0) -> str:
        environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OTEL_", "BENTO", "PYTEST_"))
        }
        environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environ['PATH']}"
        if path is not None:
            environ["PYTHONPATH"] = str(path)
        done = subprocess.run(
            [str(argument) for argument in arguments],
            cwd=cwd,
            env=environ,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == code, f"{arguments}:\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    return run
