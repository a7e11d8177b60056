from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command with arguments, and variables as keywords, in a process of its own."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OTEL_", "BENTO"))
        }
        script = "import sys; from bentotrace.cli import main; sys.exit(main())"
        return subprocess.run(
            [sys.executable, "-c", script, *arguments],
            cwd=tmp_path,
            env={**clean, "COLUMNS": "120", **variables},
            capture_output=True,
            text=True,
            timeout=90,
        )

    return run
