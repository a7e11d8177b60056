"""``opentelemetry-instrument`` as a person runs it, and where the spans go then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bentotrace.testing import OTLPHTTPReceiver

from ...programs import ask, finished, started
from .conftest import BIN

pytest.importorskip(
    "opentelemetry.instrumentation", reason="its start is what bentotrace takes part in"
)

Instrument = Callable[..., Any]


def test_a_script_is_traced_without_a_line_of_code(
    instrument: Instrument, receiver: OTLPHTTPReceiver
) -> None:
    done = instrument(BENTOTRACE_CONFIG="tracing.yaml")

    assert (done.returncode, done.stdout) == (0, "done\n")
    (span,) = receiver.wait(1)
    assert (span.name, span.service_name) == ("work", "script")


def test_a_fastapi_service_is_instrumented_and_traced(
    directory: Path, receiver: OTLPHTTPReceiver
) -> None:
    for needed in ("fastapi", "uvicorn", "opentelemetry.instrumentation.fastapi"):
        pytest.importorskip(needed, reason=f"this serves with {needed}")
    (directory / "app.py").write_text(
        "from fastapi import FastAPI\n\napp = FastAPI()\n\n\n"
        '@app.get("/items/{item}")\ndef item(item: int) -> int:\n    return item\n',
        encoding="utf-8",
    )
    command = [BIN / "opentelemetry-instrument", BIN / "uvicorn", "app:app", "--port", "0"]

    with started(directory, *command, BENTOTRACE_CONFIG="tracing.yaml") as service:
        url = service.wait_for(r"running on (http://\S+)")[1]
        assert ask(f"{url}/items/7") == (200, b"7")

    assert "GET /items/{item}" in {span.name for span in receiver.spans}


def test_a_bentoml_file_with_a_tracing_block_counts_as_configuration(
    instrument: Instrument, receiver: OTLPHTTPReceiver
) -> None:
    assert instrument(BENTOML_CONFIG="tracing.yaml").returncode == 0

    assert len(receiver.wait(1)) == 1


@pytest.mark.parametrize("file", ["without.yaml", "missing.yaml"])
def test_a_bentoml_file_without_a_tracing_block_does_not(
    file: str, instrument: Instrument, directory: Path
) -> None:
    (directory / "without.yaml").write_text("runners: {}\n")

    done = instrument(BENTOML_CONFIG=file)

    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_being_only_installed_changes_nothing(
    instrument: Instrument, receiver: OTLPHTTPReceiver
) -> None:
    done = instrument(OTEL_TRACES_EXPORTER="otlp", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint)

    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
    assert receiver.requests == []


@pytest.mark.parametrize("variable", ["OTEL_PYTHON_DISTRO", "OTEL_PYTHON_CONFIGURATOR"])
def test_asked_for_by_name_it_takes_the_variables_alone(
    variable: str, instrument: Instrument, receiver: OTLPHTTPReceiver, beside_another_distro: str
) -> None:
    instrument(
        **{variable: "bentotrace"},
        PYTHONPATH=beside_another_distro,
        OTEL_TRACES_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
        OTEL_TRACES_SAMPLER="always_on",
    )

    assert len(receiver.wait(1)) == 1


def test_a_bad_configuration_ends_the_process_with_every_problem(
    instrument: Instrument, directory: Path
) -> None:
    (directory / "bad.yaml").write_text("tracing:\n  exporter_type: oltp\n  tiemout: 5\n")

    done = instrument(BENTOTRACE_CONFIG="bad.yaml")

    assert (done.returncode, done.stdout) == (1, "")
    # Other exporters of OpenTelemetry's group may be installed.
    lines = [line.split("; of OpenTelemetry's own: ")[0] for line in done.stderr.splitlines()]
    assert lines == [
        "bentotrace: the process exits, because tracing cannot start",
        "bad.yaml:2:18: tracing.exporter_type: no exporter named 'oltp'; did you mean otlp? "
        "installed are console, jaeger, otlp, zipkin",
        "bad.yaml:3:3: tracing.tiemout: unknown option; did you mean timeout?",
    ]


def without_the_command(bentotrace_path: str = "") -> str:
    """Return a PYTHONPATH by which Python starts OpenTelemetry, as its operator for Kubernetes does."""
    import opentelemetry.instrumentation.auto_instrumentation as auto_instrumentation

    start = str(Path(auto_instrumentation.__file__).parent)
    return f"{start}:{bentotrace_path}" if bentotrace_path else start


def test_it_ends_the_process_where_no_command_has_checked_it(directory: Path) -> None:
    (directory / "bad.yaml").write_text("tracing:\n  exporter_type: oltp\n")

    done = finished(
        directory,
        [BIN / "python", "script.py"],
        BENTOTRACE_CONFIG="bad.yaml",
        PYTHONPATH=without_the_command(),
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert (
        "SystemExit: bentotrace: the process exits, because tracing cannot start\n"
        "bad.yaml:2:18: tracing.exporter_type: no exporter named 'oltp'"
    ) in done.stderr


def test_a_bad_configuration_is_logged_where_the_program_starts_opentelemetry(
    instrument: Instrument, directory: Path
) -> None:
    (directory / "script.py").write_text(
        "import logging, os\n"
        "logging.basicConfig()\n"
        "os.environ['BENTOTRACE_CONFIG'] = 'missing.yaml'\n"
        "from opentelemetry.instrumentation.auto_instrumentation import sitecustomize\n"
        "print('done')\n"
    )

    done = instrument()

    assert (done.returncode, done.stdout) == (0, "done\n")
    assert "missing.yaml" in done.stderr


def test_a_bad_configuration_raises_into_a_program_that_starts_it_itself(
    instrument: Instrument, directory: Path
) -> None:
    (directory / "script.py").write_text(
        "import os\n"
        "os.environ['BENTOTRACE_CONFIG'] = 'missing.yaml'\n"
        "from bentotrace import ConfigError\n"
        "from bentotrace.integrations.otel import Configurator\n"
        "try:\n"
        "    Configurator().configure()\n"
        "except ConfigError as error:\n"
        "    print(error)\n"
    )

    done = instrument()

    assert (done.returncode, done.stderr) == (0, "")
    assert "missing.yaml" in done.stdout


@pytest.mark.parametrize("name", ["OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE"])
def test_the_declarative_file_of_opentelemetry_is_said_not_to_be_read(
    name: str, instrument: Instrument, receiver: OTLPHTTPReceiver
) -> None:
    done = instrument(BENTOTRACE_CONFIG="tracing.yaml", **{name: "otel.yaml"})

    assert len(receiver.wait(1)) == 1
    assert done.stderr.splitlines() == [
        f"{name} is ignored, because bentotrace configures tracing; unset it, or set "
        f"OTEL_PYTHON_CONFIGURATOR to another configurator"
    ]


def test_metrics_start_as_the_sdk_starts_them_with_the_resource_of_the_file(
    instrument: Instrument, receiver: OTLPHTTPReceiver
) -> None:
    done = instrument(
        BENTOTRACE_CONFIG="tracing.yaml",
        OTEL_METRICS_EXPORTER="console",
        OTEL_TRACES_EXPORTER="otlp",
    )

    assert len(receiver.wait(1)) == 1
    assert '"name": "rounds"' in done.stdout
    assert '"service.name": "script"' in done.stdout
    assert '"name": "work"' not in done.stdout
    assert done.stderr == ""


def test_metrics_that_cannot_start_leave_the_traces_alone(
    instrument: Instrument, receiver: OTLPHTTPReceiver
) -> None:
    done = instrument(BENTOTRACE_CONFIG="tracing.yaml", OTEL_METRICS_EXPORTER="no_such")

    assert len(receiver.wait(1)) == 1
    assert done.stderr.startswith("metrics and logs did not start, traces did: RuntimeError: ")


def test_a_configured_bentotrace_goes_before_another_distribution(
    instrument: Instrument, receiver: OTLPHTTPReceiver, beside_another_distro: str
) -> None:
    done = instrument(BENTOTRACE_CONFIG="tracing.yaml", PYTHONPATH=beside_another_distro)

    assert len(receiver.wait(1)) == 1
    assert done.stdout == "done\n"


def test_another_distribution_starts_where_bentotrace_is_only_installed(
    instrument: Instrument, beside_another_distro: str
) -> None:
    done = instrument(PYTHONPATH=beside_another_distro)

    assert '"name": "work"' in done.stdout
    assert "other not loaded" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("beside_another_distro", ["bentotrace first"], indirect=True)
def test_what_such_a_program_starts_chooses_for_itself(
    directory: Path, instrument: Instrument, receiver: OTLPHTTPReceiver, beside_another_distro: str
) -> None:
    (directory / "script.py").rename(directory / "child.py")
    (directory / "script.py").write_text(
        "import os, subprocess, sys\n"
        # The other one sets it.
        "del os.environ['OTEL_TRACES_EXPORTER']\n"
        "environ = {**os.environ, 'BENTOTRACE_CONFIG': 'tracing.yaml'}\n"
        "sys.exit(subprocess.call([sys.executable, 'child.py'], env=environ))\n"
    )

    assert instrument(PYTHONPATH=beside_another_distro).returncode == 0

    assert len(receiver.wait(1)) == 1


@pytest.mark.parametrize("variable", ["OTEL_PYTHON_DISTRO", "OTEL_PYTHON_CONFIGURATOR"])
def test_another_distribution_that_is_asked_for_by_name_starts(
    variable: str, instrument: Instrument, receiver: OTLPHTTPReceiver, beside_another_distro: str
) -> None:
    done = instrument(
        BENTOTRACE_CONFIG="tracing.yaml",
        PYTHONPATH=beside_another_distro,
        OTEL_TRACES_EXPORTER="console",
        **{variable: "other"},
    )

    assert '"name": "work"' in done.stdout
    assert "bentotrace run" not in done.stderr
    assert receiver.requests == []


@pytest.mark.parametrize("beside_another_distro", ["other first"], indirect=True)
def test_what_to_set_is_said_where_another_distribution_was_found_first(
    directory: Path, beside_another_distro: str
) -> None:
    with started(
        directory,
        BIN / "python",
        "script.py",
        BENTOTRACE_CONFIG="tracing.yaml",
        PYTHONPATH=without_the_command(beside_another_distro),
    ) as program:
        program.wait_for(
            "another distribution of OpenTelemetry started first.* set "
            "OTEL_PYTHON_DISTRO=bentotrace, or start with: bentotrace run"
        )
