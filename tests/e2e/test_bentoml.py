"""Services that BentoML serves, and their traces read back from real servers."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("bentoml", reason="These tests serve with BentoML.")
pytest.importorskip("sklearn", reason="The iris example uses scikit-learn.")

from ..integrations.bentoml.services import BATCHES, IRIS, SHOP
from ..integrations.bentoml.serving import serving
from .backends import Jaeger, JaegerTrace, Zipkin, poll

pytestmark = pytest.mark.e2e

EXAMPLE = Path(__file__).parents[2] / "examples" / "iris"
FLOWERS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.8, 2.2]]
WORKERS = 2
REQUESTS = 50

JAEGER: Mapping[str, Callable[[Jaeger], dict[str, Any]]] = {
    "Jaeger over UDP": lambda jaeger: {
        "exporter_type": "jaeger",
        "jaeger": {"thrift": {"agent_host_name": jaeger.host, "agent_port": jaeger.thrift_compact}},
    },
    "Jaeger over gRPC": lambda jaeger: {
        "exporter_type": "jaeger",
        "jaeger": {"protocol": "grpc", "collector_endpoint": jaeger.url(jaeger.grpc)},
    },
    "OTLP": lambda jaeger: {
        "exporter_type": "otlp",
        "otlp": {"protocol": "http", "endpoint": jaeger.url(jaeger.otlp_http)},
    },
}


def configure(directory: Path, services: Mapping[str, Any]) -> dict[str, str]:
    """Write BentoML's file for some services; return the variable that names it."""
    answers = {"http": {"response": {"trace_id": True}}}
    # JSON is YAML.
    (directory / "bentoml.yaml").write_text(json.dumps({"services": {**answers, **services}}))
    return {"BENTOML_CONFIG": "bentoml.yaml"}


def named(name: str) -> dict[str, Any]:
    """Return the option for a service's name in a server that has traces of other tests."""
    return {"resource": {"attributes": {"service.name": name}}}


def classify(directory: Path, exporter: Mapping[str, Any]) -> str:
    """Serve the example, ask it once, stop it, and give the trace's id."""
    served = shutil.copytree(EXAMPLE, directory / "iris")
    options = {"sample_rate": 1.0, "excluded_urls": "/livez,/readyz", **exporter}
    variables = configure(served, {"tracing": options})
    with serving(served, "service:IrisClassifier", **variables) as iris:
        answer = iris.ask("/classify", flowers=FLOWERS)
        assert iris.end() == 0
    assert answer.json() == ["setosa", "virginica"]
    return answer.headers["x-bentoml-trace-id"]


def arrived(
    jaeger: Jaeger, service: str, *, traces: int, names: frozenset[str]
) -> dict[str, JaegerTrace]:
    """Wait for a number of a service's traces with spans of these names; return them by their ids.

    How many spans the reading and the writing of a request make is the instrumentation's affair.
    """
    found = poll(
        lambda: jaeger.traces(service),
        lambda found: (
            sum(names <= {span.name for span in trace.spans} for trace in found) >= traces
        ),
        within=60.0,
    )
    return {trace.trace_id: trace for trace in of_requests(found)}


def of_requests(traces: Iterable[JaegerTrace]) -> list[JaegerTrace]:
    """Return the traces that are not of the start of a worker."""
    return [
        trace for trace in traces if not any(span.name.startswith("start ") for span in trace.spans)
    ]


@pytest.mark.parametrize("transport", JAEGER)
def test_the_iris_service_shows_in_jaeger(transport: str, jaeger: Jaeger, tmp_path: Path) -> None:
    trace_id = classify(tmp_path, JAEGER[transport](jaeger))

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
    trace_id = classify(tmp_path, {"exporter_type": "zipkin", "zipkin": {"endpoint": zipkin.url}})

    spans = poll(
        lambda: {span["name"]: span for span in zipkin.trace(trace_id)},
        lambda spans: {"post /classify", "predict"} <= spans.keys(),
        within=10.0,
    )
    assert spans["predict"]["parentId"] == spans["post /classify"]["id"]
    assert spans["post /classify"]["localEndpoint"]["serviceName"] == "irisclassifier"


@pytest.mark.parametrize("transport", JAEGER)
def test_two_services_make_one_trace_and_an_excluded_request_none(
    transport: str, jaeger: Jaeger, tmp_path: Path
) -> None:
    suffix = secrets.token_hex(4)
    served = tmp_path / "service"
    served.mkdir()
    (served / "service.py").write_text(SHOP, "utf-8")
    exporter = JAEGER[transport](jaeger)
    blocks = {
        name: {"tracing": {**exporter, **named(f"{name}-{suffix}")}} for name in ("Shop", "Stock")
    }

    with serving(served, "service:Shop", **configure(served, blocks)) as shop:
        quiet = shop.ask("/quiet", species="setosa")
        sell = shop.ask("/sell", species="setosa")
        assert shop.end() == 0

    assert (quiet.data, sell.data) == (b"6", b"5")
    quiet_id, sell_id = (answer.headers["x-bentoml-trace-id"] for answer in (quiet, sell))
    names = frozenset({"POST /sell", "POST /count"})
    # Each of the two has sent what it had of the request before, if anything, ahead of this.
    found = arrived(jaeger, f"Shop-{suffix}", traces=1, names=names)
    assert found.keys() == {sell_id}
    stock = of_requests(jaeger.traces(f"Stock-{suffix}"))
    assert {trace.trace_id for trace in stock} == {sell_id}
    assert quiet_id != sell_id
    assert jaeger.find(quiet_id) is None

    trace = found[sell_id]
    spans = {span.span_id: span for span in trace.spans}
    request, count = trace.span("POST /sell"), trace.span("POST /count")
    assert (request.service, request.parent_id) == (f"Shop-{suffix}", None)
    assert count.service == f"Stock-{suffix}"
    assert count.parent_id == request.span_id
    assert {span.parent_id for span in trace.spans} <= {None, *spans}


@pytest.mark.parametrize("transport", JAEGER)
def test_a_stop_right_after_the_last_request_loses_no_trace(
    transport: str, jaeger: Jaeger, tmp_path: Path
) -> None:
    name = f"Iris-{secrets.token_hex(4)}"
    served = tmp_path / "service"
    served.mkdir()
    (served / "service.py").write_text(IRIS, "utf-8")
    # Nothing is sent before the stop.
    options = {"sample_rate": 1.0, "excluded_urls": "/readyz", "processor": {"schedule_delay": 60}}
    tracing = {**JAEGER[transport](jaeger), **options, **named(name)}
    variables = configure(served, {"tracing": tracing})

    with (
        serving(served, "service:Iris", **variables) as iris,
        ThreadPoolExecutor(WORKERS * 2) as pool,
    ):
        iris.wait_until_said(f"; service {name}", times=WORKERS)
        answers = list(pool.map(lambda _: iris.ask("/classify", petal=1.0), range(REQUESTS)))
        assert iris.end() == 0

    names = frozenset({"POST /classify", "compare"})
    found = arrived(jaeger, name, traces=REQUESTS, names=names)
    assert found.keys() == {answer.headers["x-bentoml-trace-id"] for answer in answers}
    for trace in found.values():
        request, compare = trace.span("POST /classify"), trace.span("compare")
        assert (request.parent_id, compare.parent_id) == (None, request.span_id)


def test_each_of_fifty_requests_at_once_has_its_wait_and_its_batch(
    jaeger: Jaeger, tmp_path: Path
) -> None:
    name = f"Iris-{secrets.token_hex(4)}"
    served = tmp_path / "service"
    served.mkdir()
    (served / "service.py").write_text(BATCHES, "utf-8")
    options = {"sample_rate": 1.0, "excluded_urls": "/readyz"}
    tracing = {**JAEGER["OTLP"](jaeger), **options, **named(name)}
    variables = configure(served, {"tracing": tracing})

    with (
        serving(served, "service:Iris", **variables) as iris,
        ThreadPoolExecutor(REQUESTS) as pool,
    ):
        answers = list(pool.map(lambda _: iris.ask("/classify", petals=[1.0]), range(REQUESTS)))
        assert iris.end() == 0

    names = frozenset({"POST /classify", "wait classify"})
    found = arrived(jaeger, name, traces=REQUESTS, names=names)
    assert found.keys() == {answer.headers["x-bentoml-trace-id"] for answer in answers}
    spans = [span for trace in found.values() for span in trace.spans]
    batches = {span.span_id: span for span in spans if span.name == "batch classify"}
    sizes = [batch.tag("bentoml.batch.size").value for batch in batches.values()]
    assert sum(sizes) == REQUESTS
    assert max(sizes) > 1
    for trace in found.values():
        request, wait = trace.span("POST /classify"), trace.span("wait classify")
        (link,) = [each for each in wait.references if each.type == "FOLLOWS_FROM"]
        batch = batches[link.span_id]
        assert (wait.parent_id, link.trace_id) == (request.span_id, batch.trace_id)
        assert request.span_id in {each.span_id for each in batch.references}
        assert wait.tag("bentoml.batch.size").value == batch.tag("bentoml.batch.size").value
