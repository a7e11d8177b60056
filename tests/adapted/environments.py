"""An environment with bentotrace and one exporter that others published."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# docs/exporters.md is of these releases. tox -e adapted-newest has no such limit.
_RELEASED_BEFORE = "2026-11-27T00:00:00Z"


_VERSION = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"


def build_wheel(folder: Path) -> Path:
    """Build the wheel of bentotrace."""
    _uv("build", "--wheel", "--out-dir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(folder: Path, wheel: Path, extras: str, requirement: str) -> Path:
    """Create an environment with the wheel and an exporter, and return its Python."""
    python = folder / "env" / "bin" / "python"
    _uv("venv", "--python", sys.executable, folder / "env")
    limit = () if os.environ.get("BENTOTRACE_NEWEST") else ("--exclude-newer", _RELEASED_BEFORE)
    _uv("pip", "install", "--python", python, *limit, f"{wheel}[{extras}]", requirement)
    return python


def version(python: Path, distribution: str) -> str:
    """Return the version of a distribution in an environment."""
    command = [python, "-c", _VERSION, distribution]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _uv(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "uv", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"uv {arguments[0]} failed: {done.stderr}"
