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
    kind: str, environment: Environment, run: Run, request: pytest.FixtureRequest
) -> None:
    bin_ = environment([request.getfixturevalue(kind)])

    assert '"name": "hello"' in run(bin_ / "python", "-c", SCRIPT)
    run(bin_ / "pip", "check")


def test_the_bare_command_says_what_to_install(environment: Environment, wheel: Path) -> None:
    bin_ = environment([wheel])

    done = subprocess.run([bin_ / "bentotrace"], capture_output=True, text=True, timeout=60)

    assert done.returncode == 2
    assert done.stderr == "the command bentotrace needs click; pip install 'bentotrace[cli]'\n"


def test_the_whole_package_lists_its_plugins_and_runs_the_demo(
    environment: Environment, wheel: Path, run: Run
) -> None:
    bin_ = environment([f"{wheel}[all]"])

    listed = json.loads(run(bin_ / "bentotrace", "plugins", "--json"))
    said = run(bin_ / "bentotrace", "demo")
    run(bin_ / "pip", "check")

    assert [plugin["name"] for plugin in listed] == ["console", "jaeger", "otlp", "zipkin"]
    assert all(plugin["summary"] and plugin["stability"] == "stable" for plugin in listed)
    assert "GET /classify" in said
    jaeger = [f"Jaeger over {protocol}" for protocol in ("UDP", "HTTP", "gRPC")]
    for transport in ("OTLP over HTTP", "OTLP over gRPC", *jaeger, "Zipkin"):
        assert f"{transport} to " in said


def test_the_exporters_need_no_library_of_their_formats(
    environment: Environment, wheel: Path, run: Run
) -> None:
    bin_ = environment([f"{wheel}[tracing-jaeger,tracing-otlp,tracing-zipkin]"])

    installed = {item["name"] for item in json.loads(run(bin_ / "pip", "list", "--format=json"))}
    unwanted = {"thrift", "protobuf", "requests", "googleapis-common-protos"}
    assert not unwanted & installed
    assert not [name for name in installed if name.startswith("opentelemetry-exporter")]
    run(bin_ / "python", "-c", ALL_EXPORTERS)
    run(bin_ / "pip", "check")


@pytest.mark.parametrize("first", ["bentotrace", "bentoml"])
def test_it_installs_beside_bentoml_in_either_order(
    first: str, environment: Environment, wheel: Path, run: Run
) -> None:
    steps = [[f"{wheel}[all]"], ["bentoml==1.4.*"]]

    bin_ = environment(*(steps if first == "bentotrace" else reversed(steps)))

    run(bin_ / "pip", "check")
    run(bin_ / "python", "-W", "error::ImportWarning", "-c", f"import bentoml\n{SCRIPT}")
