"""A service without a line of tracing, started in both ways, and its traces in a real Jaeger."""

from __future__ import annotations

import secrets
import shutil
import sysconfig
from pathlib import Path

import pytest

from ..programs import started
from .backends import Jaeger, get

pytestmark = pytest.mark.e2e

EXAMPLE = Path(__file__).parents[2] / "examples" / "fastapi"
BIN = Path(sysconfig.get_path("scripts"))


@pytest.mark.parametrize("way", ["opentelemetry-instrument", "bentotrace run"])
def test_the_traces_of_a_fastapi_service_are_in_jaeger_with_no_code_change(
    way: str, jaeger: Jaeger, tmp_path: Path
) -> None:
    for needed in ("fastapi", "opentelemetry.instrumentation.fastapi"):
        pytest.importorskip(needed, reason=f"the example needs {needed}")
    service = f"shop-{secrets.token_hex(4)}"
    directory = shutil.copytree(EXAMPLE, tmp_path / "example")
    file = directory / "tracing.yaml"
    text = file.read_text("utf-8").replace("http://localhost:4318", jaeger.url(jaeger.otlp_http))
    file.write_text(text.replace("service.name: shop", f"service.name: {service}"), "utf-8")
    command: list[str | Path] = [BIN / "uvicorn", "app:app", "--port", "0"]
    variables = {}
    if way == "bentotrace run":
        command = [BIN / "bentotrace", "run", "-c", "tracing.yaml", "--", *command]
    else:
        command = [BIN / "opentelemetry-instrument", *command]
        variables["BENTOTRACE_CONFIG"] = "tracing.yaml"

    with started(directory, *command, **variables) as program:
        url = program.wait_for(r"running on (http://\S+)")[1]
        assert get(f"{url}/price/tulip") == (200, b"7.5")
        assert get(f"{url}/healthz") == (200, b'"ok"')

    (trace,) = jaeger.traces(service)
    request = trace.span("GET /price/{item}")
    assert request.parent_id is None
    assert trace.span("look up").parent_id == request.span_id
