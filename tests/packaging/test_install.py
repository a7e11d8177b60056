"""The wheel and the sdist in fresh virtual environments, as a user installs them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., str]
Environment = Callable[..., Path]

SCRIPT = """
import bentotrace
options = {"exporter_type": "console", "console": {"indent": False}, "sample_rate": 1}
with bentotrace.build(options) as tracing:
    with tracing.provider.get_tracer("test").start_as_current_span("hello"):
        pass
assert tracing.status().destinations[0].exported == 1
"""

ALL_EXPORTERS = """
import bentotrace
closed = "http://127.0.0.1:9"
sections = [
    ("jaeger", {"thrift": {"agent_host_name": "127.0.0.1", "agent_port": 9}}),
    ("jaeger", {"collector_endpoint": closed}),
    ("jaeger", {"protocol": "grpc", "collector_endpoint": closed}),
    ("zipkin", {"endpoint": closed}),
    ("otlp", {"protocol": "http", "endpoint": closed}),
    ("otlp", {"protocol": "grpc", "endpoint": closed}),
]
for name, section in sections:
    source = {"exporter_type": name, "sample_rate": 1, "timeout": 0.2, name: section}
    with bentotrace.build(source) as tracing:
        tracing.provider.get_tracer("test").start_span("one").end()
    status = tracing.status().destinations[0]
    assert status.last_error.kind == "refused", (name, section, status)
"""


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_the_bare_package_traces_to_the_console(
    kind: str, environment: Environment, run: Run, pip: Run, request: pytest.FixtureRequest
) -> None:
    bin_ = environment([request.getfixturevalue(kind)])

    assert '"name": "hello"' in run(bin_ / "python", "-c", SCRIPT)
    pip("check")


def test_the_bare_command_says_what_to_install(environment: Environment, wheel: Path) -> None:
    bin_ = environment([wheel])

    done = subprocess.run([bin_ / "bentotrace"], capture_output=True, text=True, timeout=60)

    assert done.returncode == 2
    assert done.stderr == "the command bentotrace needs click; pip install 'bentotrace[cli]'\n"


def test_the_whole_package_lists_its_plugins_and_runs_the_demo(
    environment: Environment, wheel: Path, run: Run, pip: Run
) -> None:
    bin_ = environment([f"{wheel}[all,demo]"])

    listed = json.loads(run(bin_ / "bentotrace", "plugins", "--json"))
    said = run(bin_ / "bentotrace", "demo")
    pip("check")

    assert [plugin["name"] for plugin in listed] == ["console", "jaeger", "otlp", "zipkin"]
    assert all(plugin["summary"] and plugin["stability"] == "stable" for plugin in listed)
    assert "GET /classify" in said
    jaeger = [f"Jaeger over {protocol}" for protocol in ("UDP", "HTTP", "gRPC")]
    for transport in ("OTLP over HTTP", "OTLP over gRPC", *jaeger, "Zipkin"):
        assert f"{transport} to " in said


def test_the_exporters_need_no_library_of_their_formats(
    environment: Environment, wheel: Path, run: Run, pip: Run
) -> None:
    bin_ = environment([f"{wheel}[tracing-jaeger,tracing-otlp,tracing-zipkin]"])

    installed = {item["name"] for item in json.loads(pip("list", "--format=json"))}
    unwanted = {"thrift", "protobuf", "requests", "googleapis-common-protos", "urllib3"}
    assert not unwanted & installed
    assert not [name for name in installed if name.startswith("opentelemetry-exporter")]
    run(bin_ / "python", "-c", ALL_EXPORTERS)
    pip("check")


@pytest.mark.parametrize("first", ["bentotrace", "bentoml"])
def test_it_installs_beside_bentoml_in_either_order(
    first: str, environment: Environment, wheel: Path, run: Run, pip: Run
) -> None:
    steps = [[f"{wheel}[all]"], ["bentoml==1.4.*"]]

    bin_ = environment(*(steps if first == "bentotrace" else reversed(steps)))

    pip("check")
    run(bin_ / "python", "-W", "error::ImportWarning", "-c", f"import bentoml\n{SCRIPT}")


SETS = {
    "BentoML 1.4.0": ["bentoml==1.4.0", "opentelemetry-sdk==1.30.0"],
    "BentoML 1.4 with protobuf": ["bentoml==1.4.20", "protobuf==5.29.3"],
    "the distribution of 2024": ["opentelemetry-distro[otlp]==0.49b2", "protobuf==5.28.3"],
    "OpenTelemetry 1.33": [
        "opentelemetry-sdk==1.33.1",
        "opentelemetry-exporter-otlp==1.33.1",
        "opentelemetry-instrumentation-fastapi==0.54b1",
        "googleapis-common-protos==1.70.0",
    ],
    "OpenTelemetry 1.27": [
        "opentelemetry-sdk==1.27.0",
        "opentelemetry-exporter-otlp-proto-grpc==1.27.0",
        "protobuf==4.25.5",
        "googleapis-common-protos==1.63.2",
        "wrapt==1.16.0",
    ],
}


@pytest.mark.parametrize("name", SETS)
def test_all_extras_change_no_package_that_is_installed(
    name: str, environment: Environment, wheel: Path, pip: Run
) -> None:
    environment(SETS[name])
    before = set(json.loads(pip("list", "--format=json"), object_hook=_pinned))

    pip("install", "--quiet", "--no-compile", f"{wheel}[all]")

    after = set(json.loads(pip("list", "--format=json"), object_hook=_pinned))
    assert before - after == set()
    pip("check")


def _pinned(item: dict[str, str]) -> str:
    return f"{item['name']}=={item['version']}"


FROZEN = """
import bentotrace, json, sys
from bentotrace.discovery import registry
print(", ".join(registry.names()))
options = {"exporter_type": "console", "console": {"indent": False}, "sample_rate": 1,
           "propagators": ["tracecontext", "baggage"]}
with bentotrace.configure(options) as tracing:
    tracing.provider.get_tracer("test").start_span("hello").end()
assert tracing.status().destinations[0].exported == 1
for name in ("jaeger", "otlp", "zipkin"):
    bentotrace.build({"exporter_type": name, "sample_rate": 1}).shutdown()
"""


def test_a_default_build_of_pyinstaller_has_all_plugins(
    environment: Environment, wheel: Path, run: Run, tmp_path: Path
) -> None:
    bin_ = environment([f"{wheel}[all]", "pyinstaller>=6"])
    (tmp_path / "app.py").write_text(FROZEN, encoding="utf-8")

    run(bin_ / "pyinstaller", "--log-level", "ERROR", "app.py", cwd=tmp_path)
    said = run(tmp_path / "dist" / "app" / "app", cwd=tmp_path)

    assert said.startswith("console, jaeger, otlp, zipkin, none\n")
    assert '"name": "hello"' in said


STOCK = """
import os, pathlib, subprocess, sys
from bentotrace.testing import JaegerHTTPReceiver, ZipkinReceiver
APP = "from opentelemetry import trace; trace.get_tracer('t').start_span('one').end()"
FILE = "file_format: '1.0'\\ntracer_provider: {processors: [{batch: {exporter: {%s: {%s: '%s'}}}}]}"
ROWS = [
    (ZipkinReceiver, "zipkin", "endpoint", "OTEL_EXPORTER_ZIPKIN_ENDPOINT"),
    (JaegerHTTPReceiver, "jaeger", "collector_endpoint", "OTEL_EXPORTER_JAEGER_ENDPOINT"),
]
for Receiver, name, option, variable in ROWS:
    for by_file in (False, True):
        with Receiver() as receiver:
            environ = {**os.environ, "OTEL_PYTHON_DISTRO": "distro"}
            environ["OTEL_PYTHON_CONFIGURATOR"] = "configurator"
            environ.update(OTEL_METRICS_EXPORTER="none", OTEL_LOGS_EXPORTER="none")
            if by_file:
                pathlib.Path("otel.yaml").write_text(FILE % (name, option, receiver.endpoint))
                environ["OTEL_CONFIG_FILE"] = "otel.yaml"
            else:
                environ.update({"OTEL_TRACES_EXPORTER": name, variable: receiver.endpoint})
            command = pathlib.Path(sys.executable).with_name("opentelemetry-instrument")
            subprocess.run([command, sys.executable, "-c", APP], env=environ, check=True)
            print(name, by_file, [span.name for span in receiver.wait(1, timeout=30)])
"""


def test_a_stock_distribution_finds_jaeger_and_zipkin_by_variable_and_by_file(
    environment: Environment, wheel: Path, run: Run, tmp_path: Path
) -> None:
    stock = ["opentelemetry-distro", "opentelemetry-configuration"]
    bin_ = environment([f"{wheel}[testing]", *stock])

    said = run(bin_ / "python", "-c", STOCK, cwd=tmp_path)

    for line in ("zipkin False", "zipkin True", "jaeger False", "jaeger True"):
        assert f"{line} ['one']\n" in said
