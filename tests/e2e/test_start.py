"""A service without a line of tracing, started in both ways, and its traces in a real Jaeger."""

from __future__ import annotations

import secrets
import shutil
import sysconfig
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from ..programs import ask, started
from .backends import Jaeger, Zipkin
from .deployed import DEPLOY

pytestmark = pytest.mark.e2e

EXAMPLES = Path(__file__).parents[2] / "examples"
BIN = Path(sysconfig.get_path("scripts"))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for needed in ("fastapi", "opentelemetry.instrumentation.fastapi"):
        pytest.importorskip(needed, reason=f"the example needs {needed}")
    return shutil.copytree(EXAMPLES / "fastapi", tmp_path / "example")


def serve(directory: Path, *command: str | Path, **variables: str) -> str:
    """Run the service, send it two requests, and give the name that it has in its traces."""
    service = f"shop-{secrets.token_hex(4)}"
    uvicorn = [BIN / "uvicorn", "app:app", "--port", "0"]
    with started(directory, *command, *uvicorn, OTEL_SERVICE_NAME=service, **variables) as program:
        url = program.wait_for(r"running on (http://\S+)")[1]
        assert ask(f"{url}/price/tulip") == (200, b"7.5")
        assert ask(f"{url}/healthz") == (200, b'"ok"')
    return service


@pytest.mark.parametrize("way", ["opentelemetry-instrument", "bentotrace run"])
def test_the_traces_of_a_fastapi_service_are_in_jaeger_with_no_code_change(
    way: str, jaeger: Jaeger, directory: Path
) -> None:
    file = directory / "tracing.yaml"
    text = file.read_text("utf-8")
    file.write_text(text.replace("http://localhost:4318", jaeger.url(jaeger.otlp_http)), "utf-8")

    if way == "bentotrace run":
        service = serve(directory, BIN / "bentotrace", "run", "-c", "tracing.yaml", "--")
    else:
        command = BIN / "opentelemetry-instrument"
        service = serve(directory, command, BENTOTRACE_CONFIG="tracing.yaml")

    (trace,) = jaeger.traces(service)
    request = trace.span("GET /price/{item}")
    assert request.parent_id is None
    assert trace.span("look up").parent_id == request.span_id


def test_the_variables_of_the_compose_file_for_zipkin_bring_the_traces_there(
    zipkin: Zipkin, directory: Path
) -> None:
    (compose,) = YAML(typ="safe").load_all((DEPLOY / "compose/zipkin.yaml").read_text("utf-8"))
    variables = {
        name: value.replace("http://zipkin:9411", zipkin.url)
        for name, value in compose["services"]["service"]["environment"].items()
    }

    service = serve(directory, BIN / "bentotrace", "run", "-c", "tracing.yaml", "--", **variables)

    (trace,) = zipkin.traces(service)
    assert {"get /price/{item}", "look up"} <= {span["name"] for span in trace}
