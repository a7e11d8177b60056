"""``bentotrace run`` as a person runs it, and where the spans go then."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bentotrace.testing import OTLPHTTPReceiver

from ...programs import ask, finished, started, two_workers
from .conftest import BIN

pytest.importorskip("click", reason="the command needs click")
pytest.importorskip(
    "opentelemetry.instrumentation", reason="its start is what bentotrace takes part in"
)

RUN = (BIN / "bentotrace", "run", "-c", "tracing.yaml", "--")


def run_script(directory: Path, text: str, **variables: str) -> subprocess.CompletedProcess[str]:
    (directory / "script.py").write_text(text, encoding="utf-8")
    return finished(directory, [*RUN, BIN / "python", "script.py"], **variables)


def test_a_script_is_traced_without_a_line_of_code(
    directory: Path, receiver: OTLPHTTPReceiver
) -> None:
    done = finished(directory, [*RUN, BIN / "python", "script.py"])

    assert (done.returncode, done.stdout) == (0, "done\n")
    assert done.stderr == (
        f"tracing.yaml: sends to otlp (http) at {receiver.endpoint}; sample_rate 1, "
        "tracing.yaml:3:16\n"
    )
    (span,) = receiver.wait(1)
    assert (span.name, span.service_name) == ("work", "script")


def test_the_file_goes_before_the_one_of_the_variable(
    directory: Path, receiver: OTLPHTTPReceiver
) -> None:
    command = [*RUN, BIN / "python", "script.py"]

    assert finished(directory, command, BENTOTRACE_CONFIG="missing.yaml").returncode == 0

    assert len(receiver.wait(1)) == 1


def test_a_program_that_is_to_run_without_tracing_then_runs_and_is_told_why(
    directory: Path, receiver: OTLPHTTPReceiver
) -> None:
    (directory / "tracing.yaml").write_text(
        "tracing:\n  on_error: warn\n  exporter_type: oltp\n", encoding="utf-8"
    )

    done = finished(directory, [*RUN, BIN / "python", "script.py"])

    assert (done.returncode, done.stdout) == (0, "done\n")
    first, second = done.stderr.splitlines()
    assert first == "nothing is traced (on_error: warn):"
    assert "tracing.yaml:3:18: tracing.exporter_type: no exporter named 'oltp'" in second


def test_the_exit_code_is_the_programs(directory: Path) -> None:
    assert run_script(directory, "raise SystemExit(7)").returncode == 7


def test_signals_are_the_programs(directory: Path) -> None:
    (directory / "script.py").write_text(
        "import signal\nprint('ready', flush=True)\nsignal.pause()\n"
    )

    with started(directory, *RUN, BIN / "python", "script.py") as program:
        program.wait_for("ready")
        program.process.send_signal(signal.SIGINT)
        program.wait_for("KeyboardInterrupt")


@pytest.mark.parametrize(
    ("command", "variables"),
    [
        (RUN, {}),
        ((BIN / "bentotrace", "run", "--"), {"BENTOTRACE_CONFIG": "./tracing.yaml"}),
        ((BIN / "bentotrace", "run", "--"), {"BENTOML_CONFIG": "tracing.yaml"}),
        ((BIN / "opentelemetry-instrument",), {"BENTOTRACE_CONFIG": "tracing.yaml"}),
    ],
    ids=["-c", "BENTOTRACE_CONFIG", "BENTOML_CONFIG", "opentelemetry-instrument"],
)
def test_children_in_other_directories_are_traced_too(
    directory: Path,
    receiver: OTLPHTTPReceiver,
    command: tuple[str | Path, ...],
    variables: dict[str, str],
) -> None:
    (directory / "child.py").write_text(
        "from opentelemetry import trace\n"
        "trace.get_tracer('script').start_span('child work').end()\n"
    )

    (directory / "script.py").write_text(
        "import os, subprocess, sys\n"
        "child = os.path.abspath('child.py')\n"
        "os.chdir('/')\n"
        "sys.exit(subprocess.call([sys.executable, child]))\n"
    )

    done = finished(directory, [*command, BIN / "python", "script.py"], **variables)

    assert done.returncode == 0, done.stderr
    assert [span.name for span in receiver.wait(1)] == ["child work"]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="older ones ignore the variable")
def test_with_safe_paths_no_module_of_the_current_directory_is_imported(
    directory: Path, receiver: OTLPHTTPReceiver
) -> None:
    (directory / "json.py").write_text("raise SystemExit('not the one of Python')\n")

    done = finished(directory, [*RUN, BIN / "python", "script.py"], PYTHONSAFEPATH="1")

    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    assert len(receiver.wait(1)) == 1


def test_a_uvicorn_service_with_two_workers_is_traced(
    directory: Path, receiver: OTLPHTTPReceiver
) -> None:
    for needed in ("fastapi", "uvicorn", "opentelemetry.instrumentation.fastapi"):
        pytest.importorskip(needed, reason=f"this serves with {needed}")
    (directory / "app.py").write_text(
        "from fastapi import FastAPI\n\napp = FastAPI()\n\n\n"
        '@app.get("/items/{item}")\ndef item(item: int) -> int:\n    return item\n',
        encoding="utf-8",
    )
    command = [*RUN, BIN / "uvicorn", "app:app", *two_workers()]

    with started(directory, *command) as service:
        url = service.wait_for(r"running on (http://\S+)")[1]
        assert ask(f"{url}/items/7") == (200, b"7")

    assert "GET /items/{item}" in {span.name for span in receiver.spans}


def test_a_gunicorn_service_with_two_workers_is_traced(
    directory: Path, receiver: OTLPHTTPReceiver
) -> None:
    pytest.importorskip("gunicorn", reason="this serves with gunicorn")
    (directory / "app.py").write_text(
        "from opentelemetry import trace\n\n\n"
        "def app(environ, start_response):\n"
        '    with trace.get_tracer("shelf").start_as_current_span("list"):\n'
        '        start_response("200 OK", [])\n'
        '        return [b"books"]\n',
        encoding="utf-8",
    )
    command = [*RUN, BIN / "gunicorn", "app:app", "--bind", "127.0.0.1:0", "--workers", "2"]

    with started(directory, *command) as service:
        url = service.wait_for(r"Listening at: (http://\S+)")[1]
        assert {ask(url) for _ in range(10)} == {(200, b"books")}
        assert service.stop() == 0

    assert [span.name for span in receiver.spans] == ["list"] * 10


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_PROPAGATORS", "tracecontext,b4"),
        ("OTEL_PYTHON_TRACER_PROVIDER", "missing"),
        ("OTEL_PYTHON_METER_PROVIDER", "missing"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "many"),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "-1"),
        ("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "many"),
        ("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "missing"),
        ("OTEL_PYTHON_ID_GENERATOR", "missing"),
        ("OTEL_TRACES_SAMPLER", "missing"),
        ("OTEL_PYTHON_ASGI_EXCLUDED_URLS", "("),
    ],
)
def test_a_variable_for_which_opentelemetry_raises_is_reported_and_the_program_is_traced(
    directory: Path, receiver: OTLPHTTPReceiver, variable: str, value: str
) -> None:
    done = finished(directory, [*RUN, BIN / "python", "script.py"], **{variable: value})

    assert (done.returncode, done.stdout) == (0, "done\n")
    assert variable in done.stderr
    assert "Traceback" not in done.stderr
    assert [span.name for span in receiver.wait(1)] == ["work"]
