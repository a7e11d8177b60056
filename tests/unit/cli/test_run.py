"""What ``bentotrace run`` says before it runs anything; tests/integrations/otel lets it run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ...golden import Golden

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


def test_what_cannot_be_built_is_a_problem_and_runs_nothing(
    run: Run, tmp_path: Path, golden: Golden
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "bad.yaml").write_text(
        "tracing:\n  exporter_type: console\n  sample_rate: 1\n  spool: {path: file/spool}\n"
    )

    done = run("run", "-c", "bad.yaml", "--", sys.executable, "-c", "print('ran')")

    assert (done.returncode, done.stdout) == (1, "")
    golden(done.stderr.replace(str(tmp_path), "<TMP>"))


@pytest.mark.few_pythons
def test_the_block_of_a_service_is_selected(run: Run, tmp_path: Path) -> None:
    pytest.importorskip(
        "opentelemetry.instrumentation.auto_instrumentation",
        reason="an old OpenTelemetry starts with pkg_resources, which setuptools brought",
    )
    (tmp_path / "services.yaml").write_text(
        "services:\n"
        "  A: {tracing: {exporter_type: none}}\n"
        "  B: {tracing: {exporter_type: console, sample_rate: 1}}\n"
    )
    script = (
        "from opentelemetry import trace\n"
        "print(trace.get_tracer_provider().resource.attributes['service.name'])"
    )

    done = run("run", "-c", "services.yaml", "--service", "B", "--", sys.executable, "-c", script)

    assert (done.returncode, done.stdout) == (0, "B\n")
    assert done.stderr.startswith("services.yaml: sends to console at stdout; sample_rate 1")


def test_a_program_that_is_not_there_is_named(run: Run, golden: Golden) -> None:
    done = run("run", "-c", "good.yaml", "--", "no-such-program")

    assert done.returncode == 1
    golden(done.stderr)


def test_nothing_to_run_is_wrong_usage(run: Run) -> None:
    done = run("run", "-c", "good.yaml")

    assert done.returncode == 2
    assert "Missing argument 'COMMAND...'" in done.stderr


def test_an_option_that_it_does_not_have_is_wrong_usage(run: Run) -> None:
    done = run("run", "--confg", "good.yaml", "--", sys.executable)

    assert done.returncode == 2
    assert "No such option" in done.stderr


def test_the_extra_is_named_where_opentelemetrys_start_is_missing(
    tmp_path: Path, golden: Golden
) -> None:
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
    golden(done.stderr)


@pytest.mark.parametrize(
    ("installed", "fix"),
    [
        (("fastapi", "starlette", "celery"), "pip install {0}-celery {0}-fastapi"),
        (("grpcio", "starlette"), "pip install {0}-grpc {0}-starlette"),
        ((), "install those of your libraries"),
    ],
)
def test_a_program_of_which_no_library_is_instrumented_is_warned_of(
    tmp_path: Path, installed: tuple[str, ...], fix: str
) -> None:
    script = (
        "import importlib.metadata, sys\n"
        "from bentotrace.cli import main, run\n"
        "run.entry_points = lambda group: ()\n"
        f"run._is_installed = lambda name: name in {installed!r}\n"
        "sys.exit(main(['run', '-c', 'good.yaml', '--', sys.executable, '-c', 'pass']))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=90
    )

    assert done.returncode == 0
    fix = fix.format("opentelemetry-instrumentation")
    assert f"package is installed; {fix}\n" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "flag"),
    [
        (("-I", "-c", "pass"), "-I"),
        (("-bE", "-c", "pass"), "-bE"),
        (("-b", "-S", "-c", "pass"), "-S"),
        (("-c", "pass", "-I"), None),
        (("-bc", "pass"), None),
        (("-m", "this", "-E"), None),
    ],
)
def test_a_python_that_ignores_the_start_of_tracing_is_warned_of(
    arguments: tuple[str, ...], flag: str | None, run: Run
) -> None:
    pytest.importorskip("opentelemetry.instrumentation", reason="bentotrace run needs it")

    done = run("run", "-c", "good.yaml", "--", sys.executable, *arguments)

    assert done.returncode == 0
    first, *others = done.stderr.splitlines()
    assert first == "good.yaml: sends to console at stdout; sample_rate 1, good.yaml:1:48"
    warned = [line for line in others if line.startswith("warning: nothing is traced: python ")]
    assert [line.split()[5] for line in warned] == ([flag] if flag else [])


def test_a_script_whose_python_ignores_it_is_warned_of(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("opentelemetry.instrumentation", reason="bentotrace run needs it")
    script = tmp_path / "app"
    script.write_text(f"#!{sys.executable} -I\n")
    script.chmod(0o755)

    done = run("run", "-c", "good.yaml", "--", str(script))

    assert done.returncode == 0
    assert "leave out -I" in done.stderr


@pytest.mark.few_pythons
def test_without_a_file_and_an_exporter_it_says_how_to_name_one(run: Run) -> None:
    pytest.importorskip(
        "opentelemetry.instrumentation.auto_instrumentation",
        reason="an old OpenTelemetry starts with pkg_resources, which setuptools brought",
    )
    done = run("run", "--", sys.executable, "-c", "")

    assert done.returncode == 0
    hint = "  name a file with --config, or set OTEL_TRACES_EXPORTER=otlp"
    assert hint in done.stderr.splitlines()


@pytest.mark.few_pythons
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("good.yaml", "good.yaml is not a program; write --config good.yaml before the program"),
        ("app.py", "app.py is not executable; write python app.py"),
        ("app", "app is not an executable program; chmod +x makes it one"),
        ("gone", "program 'gone' not found on PATH"),
        (
            "python app.py",
            "program 'python app.py' not found on PATH; write its arguments without quotes around "
            "all",
        ),
    ],
)
def test_a_program_that_cannot_be_run_is_explained(
    name: str, message: str, run: Run, tmp_path: Path
) -> None:
    pytest.importorskip(
        "opentelemetry.instrumentation.auto_instrumentation",
        reason="an old OpenTelemetry starts with pkg_resources, which setuptools brought",
    )
    for file in ("app.py", "app"):
        (tmp_path / file).touch()

    done = run("run", "--", name)

    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{message}\n")
