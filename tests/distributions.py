"""Distributions that a test installs, and processes that see them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

__all__ = ["Distributions"]


class Distributions:
    """A directory of installed distributions, and processes that see them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def add(
        self,
        name: str,
        module: str,
        source: str,
        *,
        exporter: str,
        value: str | None = None,
        group: str = "bentotrace.exporters",
        metadata: str = "",
    ) -> None:
        """Install a distribution of one module with one entry point."""
        path = self.directory / f"{module.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source), encoding="utf-8")
        info = self.directory / f"{name.replace('-', '_')}-1.5.dist-info"
        info.mkdir()
        head = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n{metadata}"
        (info / "METADATA").write_text(head, encoding="utf-8")
        points = f"[{group}]\n{exporter} = {value or module}\n"
        (info / "entry_points.txt").write_text(points, encoding="utf-8")

    def run(self, script: str, *arguments: str) -> str:
        """Run a script in a process that sees them; return what it printed."""
        variables = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OTEL_", "BENTO"))
        }
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script), *arguments],
            env={**variables, "PYTHONPATH": str(self.directory)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout
