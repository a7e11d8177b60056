"""The iris example served by BentoML, and its traces read back from real servers."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

pytest.importorskip("bentoml", reason="These tests serve with BentoML.")
pytest.importorskip("sklearn", reason="The iris example uses scikit-learn.")

from ..integrations.bentoml.serving import serving
from .backends import Jaeger, Zipkin, poll

EXAMPLE = Path(__file__).parents[2] / "examples" / "iris"
FLOWERS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.8, 2.2]]

JAEGER: Mapping[str, Callable[[Jaeger], str]] = {
    "Jaeger over UDP": lambda jaeger: (
        f"""\
        exporter_type: jaeger
        jaeger: {{thrift: {{agent_host_name: {jaeger.host}, agent_port: {jaeger.thrift_compact}}}}}
    """
    ),
    "Jaeger over gRPC": lambda jaeger: (
        f"""\
        exporter_type: jaeger
        jaeger: {{protocol: grpc, collector_endpoint: "{jaeger.url(jaeger.grpc)}"}}
    """
    ),
    "OTLP": lambda jaeger: (
        f"""\
        exporter_type: otlp
        otlp: {{protocol: http, endpoint: "{jaeger.url(jaeger.otlp_http)}"}}
    """
    ),
}


def classify(directory: Path, options: str) -> str:
    """Serve the example, ask it once, stop it, and give the trace's id."""
    served = directory / "iris"
    shutil.copytree(EXAMPLE, served)
    (served / "bentoml.yaml").write_text(
        f"""\
services:
    http: {{response: {{trace_id: true}}}}
    tracing:
        sample_rate: 1.0
        excluded_urls: /livez,/readyz
{options}""",
        "utf-8",
    )
    with serving(served, "service:IrisClassifier", BENTOML_CONFIG="bentoml.yaml") as iris:
        answer = iris.ask("/classify", flowers=FLOWERS)
        assert iris.end() == 0
    assert answer.json() == ["setosa", "virginica"]
    return answer.headers["x-bentoml-trace-id"]


@pytest.mark.parametrize("transport", JAEGER)
def test_the_iris_service_shows_in_jaeger(transport: str, jaeger: Jaeger, tmp_path: Path) -> None:
    trace_id = classify(tmp_path, JAEGER[transport](jaeger))

    # How many spans the reading and the writing of a request make is the instrumentation's affair.
    trace = poll(
        lambda: jaeger.trace(trace_id),
        lambda trace: {"POST /classify", "predict"} <= {span.name for span in trace.spans},
        within=10.0,
    )
    request, predict = trace.span("POST /classify"), trace.span("predict")
    assert (request.parent_id, predict.parent_id) == (None, request.span_id)
    assert {span.service for span in trace.spans} == {"IrisClassifier"}
    assert request.tag("span.kind").value == "server"
    assert predict.tag("iris.flowers").value == 2


def test_the_iris_service_shows_in_zipkin(zipkin: Zipkin, tmp_path: Path) -> None:
    options = f"        exporter_type: zipkin\n        zipkin: {{endpoint: '{zipkin.url}'}}\n"
    trace_id = classify(tmp_path, options)

    spans = poll(
        lambda: {span["name"]: span for span in zipkin.trace(trace_id)},
        lambda spans: {"post /classify", "predict"} <= spans.keys(),
        within=10.0,
    )
    assert spans["predict"]["parentId"] == spans["post /classify"]["id"]
    assert spans["post /classify"]["localEndpoint"]["serviceName"] == "irisclassifier"
