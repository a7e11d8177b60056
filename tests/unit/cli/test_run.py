"""What ``bentotrace run`` says before it runs anything; tests/integrations/otel lets it run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("click", reason="the command needs click")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def good(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("tracing: {exporter_type: console, sample_rate: 1}\n")


def test_a_wrong_file_gives_every_problem_and_runs_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("tracing:\n  exporter_type: oltp\n  tiemout: 3\n")

    done = run("run", "-c", "bad.yaml", "--", sys.executable, "-c", "print('ran')")

    assert (done.returncode, done.stdout) == (1, "")
    assert [line.partition(": ")[0] for line in done.stderr.splitlines()] == [
        "bad.yaml:2:18",
        "bad.yaml:3:3",
    ]


def test_a_program_that_is_not_there_is_named(run: Run) -> None:
    done = run("run", "-c", "good.yaml", "--", "no-such-program")

    assert done.returncode == 1
    assert done.stderr == ("there is no program 'no-such-program'; is it installed, and on PATH?\n")


def test_nothing_to_run_is_wrong_usage(run: Run) -> None:
    done = run("run", "-c", "good.yaml")

    assert done.returncode == 2
    assert "Missing argument 'COMMAND...'" in done.stderr


def test_an_option_that_it_does_not_have_is_wrong_usage(run: Run) -> None:
    done = run("run", "--confg", "good.yaml", "--", sys.executable)

    assert done.returncode == 2
    assert "No such option" in done.stderr


def test_the_extra_is_named_where_opentelemetrys_start_is_missing(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "sys.modules['opentelemetry.instrumentation'] = None\n"
        "from bentotrace.cli import main\n"
        "sys.exit(main(['run', '-c', 'good.yaml', '--', sys.executable]))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=90
    )

    assert done.returncode == 1
    assert done.stderr == (
        "bentotrace run needs opentelemetry-instrumentation; pip install 'bentotrace[instrument]'\n"
    )
