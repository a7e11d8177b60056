"""A service as an application within a process, as its authors' own tests have it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("bentoml", reason="These tests make applications of BentoML services.")

from .serving import START_TIMEOUT, environment_of

SERVICE = """\
import bentoml
import bentotrace.integrations.bentoml as tracing
from opentelemetry import trace

@bentoml.service
class Iris:
    @bentoml.api
    def classify(self, petal: float) -> str:
        return format(trace.get_current_span().get_span_context().trace_id, "032x")

from starlette.testclient import TestClient
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

def ask(app):
    kept = InMemorySpanExporter()
    from bentoml._internal.configuration.containers import BentoMLContainer
    BentoMLContainer.tracer_provider.get().add_span_processor(SimpleSpanProcessor(kept))
    with TestClient(app) as client:
        answer = client.post("/classify", json={"petal": 1.0})
    names = [span.name for span in kept.get_finished_spans() if span.kind.name == "SERVER"]
    return answer, names
"""


def script(directory: Path, text: str, **variables: str) -> str:
    """Run a script that has the service; return what it printed."""
    path = directory / "application.py"
    path.write_text(SERVICE + text, "utf-8")
    done = subprocess.run(
        [sys.executable, path],
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT,
        env=environment_of(directory, variables),
        cwd=directory,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("options", "has_id"),
    [("sample_rate=0.0", True), ('sample_rate=1.0, excluded_urls="/c"', False)],
)
def test_a_request_that_is_not_traced_has_its_trace_id_all_the_same(
    options: str, has_id: bool, directory: Path
) -> None:
    text = f"""
tracing.install({{"exporter_type": "none"}}, {options})
tracing.install()
answer, names = ask(Iris.to_asgi())
print(names, int(answer.text, 16) > 0, "x-bentoml-request-id" in answer.headers)
"""

    assert script(directory, text) == f"[] True {has_id}\n"


UNRECORDED = """
kept = InMemorySpanExporter()
CALLER = {"traceparent": "00-" + "5" * 32 + "-" + "7" * 16 + "-00"}

def ask_each(app):
    from bentoml._internal.configuration.containers import BentoMLContainer
    BentoMLContainer.tracer_provider.get().add_span_processor(SimpleSpanProcessor(kept))
    with TestClient(app) as client:
        for headers in ({}, CALLER):
            answer = client.post("/classify", json={"petal": 1.0}, headers=headers)
            yield answer.text == "5" * 32, answer.headers["x-bentoml-request-id"]
"""


def test_a_request_that_is_not_sampled_has_an_id_and_the_trace_of_its_caller(
    directory: Path,
) -> None:
    text = f"""{UNRECORDED}
tracing.install({{"exporter_type": "none"}}, sample_rate=0.0)
asked = list(ask_each(Iris.to_asgi()))
print([in_trace for in_trace, _ in asked], len({{id for _, id in asked}}))
print([each for each in kept.get_finished_spans() if each.kind.name == "SERVER"])
"""

    assert script(directory, text) == "[False, True] 2\n[]\n"


def test_where_tracing_is_disabled_the_id_of_a_request_is_that_of_its_caller(
    directory: Path,
) -> None:
    text = f"""{UNRECORDED}
tracing.install({{"disabled": True}})
print(list(ask_each(Iris.to_asgi())))
"""

    ids = f"[(False, '{0:016x}'), (True, '{'7' * 16}')]"
    assert script(directory, text) == f"{ids}\n"


def test_a_request_that_is_not_sampled_is_measured_all_the_same(directory: Path) -> None:
    text = f"""{UNRECORDED}
from opentelemetry.metrics import set_meter_provider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

reader = InMemoryMetricReader()
set_meter_provider(MeterProvider([reader]))
tracing.install({{"exporter_type": "none"}}, sample_rate=0.0)
list(ask_each(Iris.to_asgi()))
(scope,) = reader.get_metrics_data().resource_metrics[0].scope_metrics
(point,) = next(m for m in scope.metrics if m.name == "http.server.duration").data.data_points
print(point.count)
"""

    assert script(directory, text) == "2\n"


def test_an_excluded_request_leaves_no_span_and_nothing_that_outlives_it(directory: Path) -> None:
    text = """
import gc

class Within:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        with trace.get_tracer("within").start_as_current_span("within"):
            await self.app(scope, receive, send)

Iris.add_asgi_middleware(Within)
tracing.install({"exporter_type": "none"}, sample_rate=1.0, excluded_urls="/classify")

kept = InMemorySpanExporter()

def of_requests():
    starts = {"start Iris", "create Iris"}
    return {span.name for span in kept.get_finished_spans()} - starts

app = Iris.to_asgi()
from bentoml._internal.configuration.containers import BentoMLContainer
BentoMLContainer.tracer_provider.get().add_span_processor(SimpleSpanProcessor(kept))
with TestClient(app) as client:
    for _ in range(5):
        client.post("/classify", json={"petal": 1.0}).raise_for_status()
    gc.collect()
    kinds = [type(each).__name__ for each in gc.get_objects()]
    print(len(of_requests()), kinds.count("UnrecordedSpan"))
    client.post("/other")
print(sorted(of_requests()))
"""

    assert script(directory, text) == "0 0\n['POST /other', 'within']\n"


def test_a_provider_that_the_service_installed_itself_stays_the_global_one(
    directory: Path,
) -> None:
    text = """
own = TracerProvider()
trace.set_tracer_provider(own)
tracing.install({"exporter_type": "none", "sample_rate": 1})
answer, names = ask(Iris.to_asgi())
print(names, trace.get_tracer_provider() is own)
"""

    assert script(directory, text) == "['POST /classify'] True\n"


@pytest.mark.parametrize(
    "options", ['{"disabled": True}', '{"exporter_type": "otpl", "on_error": "warn"}']
)
def test_a_service_runs_without_tracing_where_that_is_asked_for(
    options: str, directory: Path
) -> None:
    text = f"""
tracing.install({options})
app = Iris.to_asgi()
with TestClient(app) as client:
    print(client.post("/classify", json={{"petal": 1.0}}).text)
"""

    assert script(directory, text) == f"{0:032x}\n"


def test_a_dependency_in_the_same_process_is_in_the_trace_of_the_request(directory: Path) -> None:
    text = """
@bentoml.service
class Shop:
    iris = bentoml.depends(Iris)

    @bentoml.api
    async def sell(self, petal: float) -> str:
        return await self.iris.to_async.classify(petal)

    @bentoml.api
    def price(self, petal: float) -> str:
        return self.iris.classify(petal)

tracing.install({"exporter_type": "none"}, sample_rate=1.0)
app = Shop.to_asgi()
with TestClient(app) as client:
    for path in ("/sell", "/price"):
        answer = client.post(path, json={"petal": 1.0}, headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
        print(answer.text)
"""

    assert script(directory, text) == "a" * 32 + "\n" + "a" * 32 + "\n"
