"""``bentotrace new-exporter`` where it cannot write; what it writes is tested by authors."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("click", reason="the command needs click")
pytest.importorskip("jinja2", reason="it renders the templates")
pytest.importorskip("rich", reason="the command needs rich")

from bentotrace.cli import main

from ...permissions import obeyed_permissions

pytestmark = pytest.mark.few_pythons

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def test_a_file_in_place_of_the_directory_is_an_error_of_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    done = run("new-exporter", "acme", "--output", "file")
    below = run("new-exporter", "acme", "--output", os.path.join("file", "acme"))

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: file exists; name another directory with --output\n"
    assert (below.returncode, below.stdout) == (1, "")
    assert below.stderr.startswith(f"Error: {os.path.join('file', 'acme')} cannot be written: ")
    assert len(below.stderr.splitlines()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has longer names")
def test_a_name_that_no_file_may_have_is_an_error_of_one_line(run: Run) -> None:
    done = run("new-exporter", "acme", "--output", "n" * 300)

    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot be written: File name too long; " in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_a_directory_without_permission_is_an_error_of_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    monkeypatch.chdir(closed)

    with obeyed_permissions():
        code = main(["new-exporter", "acme"])

    shown = capsys.readouterr()
    assert (code, shown.out) == (1, "")
    assert shown.err == (
        "Error: bentotrace-acme cannot be written: Permission denied; "
        "name another directory with --output\n"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_full_disk_is_an_error_of_one_line_with_the_file(tmp_path: Path) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))"
    script = f"{limit}\nimport sys; from bentotrace.cli import main; sys.exit(main())"

    done = subprocess.run(
        [sys.executable, "-c", script, "new-exporter", "acme"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=90,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Error: {Path('bentotrace-acme')}/")
    assert " cannot be written: File too large; " in done.stderr
    assert len(done.stderr.splitlines()) == 1
