"""The command in a working directory that has been deleted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("click", reason="the command needs click")
pytest.importorskip("rich", reason="the command needs rich")

pytestmark = pytest.mark.few_pythons


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps the working directory")
@pytest.mark.parametrize("command", ["run -c {file} -- true", "validate {file}", "explain {file}"])
def test_a_deleted_working_directory_is_an_error_of_one_line(command: str, tmp_path: Path) -> None:
    if command.startswith("run"):
        pytest.importorskip(
            "opentelemetry.instrumentation.auto_instrumentation",
            reason="an old OpenTelemetry starts with pkg_resources, which setuptools brought",
        )
    file = tmp_path / "spool.yaml"
    file.write_text("tracing: {exporter_type: console, sample_rate: 1, spool: {path: spool}}\n")

    done = run_in_deleted_directory(tmp_path, *command.format(file=file).split())

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == DELETED


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps the working directory")
def test_an_exporter_is_not_written_into_a_deleted_directory(tmp_path: Path) -> None:
    pytest.importorskip("jinja2", reason="it renders the templates")

    done = run_in_deleted_directory(tmp_path, "new-exporter", "acme")

    assert (done.returncode, done.stdout, done.stderr) == (1, "", DELETED)


DELETED = (
    "the working directory cannot be read: No such file or directory; change to another directory\n"
)


def run_in_deleted_directory(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    folder = tmp_path / "deleted"
    folder.mkdir()
    script = (
        "import os, sys; from bentotrace.cli import main; os.rmdir(os.getcwd()); sys.exit(main())"
    )
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=90,
    )
