"""Services of BentoML before 1.2, and their runners, which BentoML 1.4 still serves."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pytest

pytest.importorskip("bentoml", reason="These tests serve with BentoML.")

from bentotrace.testing import OTLPHTTPReceiver, ReceivedSpan

from ...ports import free_ports
from .services import LEGACY
from .serving import RUN, START_TIMEOUT, environment_of, run, serving

Write = Callable[[str, str], Path]

INSTALLED = "import bentotrace.integrations.bentoml as tracing\ntracing.install()\n"

CLIENT = """\
import sys
import warnings

warnings.simplefilter("ignore")

import bentotrace
import grpc
from bentoml.grpc.v1 import service_pb2, service_pb2_grpc
from bentotrace.integrations.grpc import trace_channel
from google.protobuf.json_format import ParseDict

request = ParseDict({"api_name": "classify", "json": {"petal": 1.0}}, service_pb2.Request())
with bentotrace.configure() as tracing, grpc.insecure_channel(sys.argv[1]) as channel:
    service = service_pb2_grpc.BentoServiceStub(trace_channel(channel, tracing))
    print(service.Call(request, timeout=80, wait_for_ready=True).json.string_value)
"""


def in_order(spans: Iterable[ReceivedSpan]) -> list[ReceivedSpan]:
    """Return the spans of one trace, each of which is the parent of the next."""
    parents = {span.parent_id: span for span in spans}
    ordered: list[ReceivedSpan] = []
    while parents:
        ordered.append(parents.pop(ordered[-1].span_id if ordered else None))
    (_,) = {span.trace_id for span in ordered}
    return ordered


@pytest.mark.parametrize("start", [(), RUN], ids=["install", "run"])
def test_a_service_and_its_runner_make_one_trace_with_one_span_for_a_call(
    start: Sequence[str],
    write: Write,
    directory: Path,
    receiver: OTLPHTTPReceiver,
    variables: Mapping[str, str],
) -> None:
    write("service.py", LEGACY if start else INSTALLED + LEGACY)

    with serving(directory, "service:svc", start=start, **variables) as iris:
        assert iris.ask("/classify", petal=1.0).data == b'"setosa"'
        assert iris.end() == 0

    # Nothing of the checks whether the service and its runner are ready.
    request, call, predict = in_order(receiver.spans)
    assert (request.name, request.service_name) == ("POST /classify", "iris")
    assert (call.name, call.service_name, call.kind) == ("POST", "iris", "client")
    assert (predict.name, predict.service_name) == ("POST /predict", "iris_clf")


@pytest.mark.parametrize("start", [(), RUN], ids=["install", "run"])
def test_a_call_of_serve_grpc_and_of_its_runner_make_one_trace(
    start: Sequence[str],
    write: Write,
    directory: Path,
    receiver: OTLPHTTPReceiver,
    variables: Mapping[str, str],
) -> None:
    write("service.py", LEGACY if start else INSTALLED + LEGACY)
    client = write("client.py", CLIENT)
    write("bentoml.yaml", f"api_server: {{grpc: {{metrics: {{port: {free_ports()[0]}}}}}}}")

    options = {"start": start, "command": "serve-grpc", "BENTOML_CONFIG": "bentoml.yaml"}
    with serving(directory, "service:svc", **options, **variables) as iris:
        address = iris.url.removeprefix("http://")
        done = subprocess.run(
            [sys.executable, client, address],
            env=environment_of(directory, {**variables, "OTEL_SERVICE_NAME": "client"}),
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT,
        )
        assert done.stdout == "setosa\n", (done.stderr, iris.said())
        assert iris.end() == 0

    method = "/bentoml.grpc.v1.BentoService/Call"
    sent, received, call, predict = in_order(receiver.spans)
    assert (sent.name, sent.service_name, sent.kind) == (method, "client", "client")
    assert (received.name, received.service_name, received.kind) == (method, "iris", "server")
    assert (call.name, call.service_name, call.kind) == ("POST", "iris", "client")
    assert (predict.name, predict.service_name) == ("POST /predict", "iris_clf")


def test_nothing_within_an_excluded_request_is_recorded(
    write: Write, directory: Path, receiver: OTLPHTTPReceiver, variables: Mapping[str, str]
) -> None:
    write("service.py", INSTALLED + LEGACY)
    excluded = {"OTEL_PYTHON_EXCLUDED_URLS": "/readyz,/classify"}

    with serving(directory, "service:svc", **{**variables, **excluded}) as iris:
        assert iris.ask("/classify", petal=1.0).data == b'"setosa"'
        assert iris.get("/livez") == 200
        assert iris.end() == 0

    assert [span.name for span in receiver.spans] == ["GET /livez"]


def test_in_development_the_runner_is_in_the_process_of_its_service(
    write: Write, directory: Path, receiver: OTLPHTTPReceiver, variables: Mapping[str, str]
) -> None:
    write("service.py", INSTALLED + LEGACY)

    with serving(directory, "service:svc", "--development", **variables) as iris:
        assert iris.ask("/classify", petal=1.0).data == b'"setosa"'
        assert iris.end() == 0

    assert [span.name for span in receiver.spans] == ["POST /classify"]


@pytest.mark.parametrize("command", ["serve", "serve-grpc"])
def test_a_mistake_ends_serving_before_there_are_workers(
    command: str, write: Write, directory: Path
) -> None:
    write("service.py", INSTALLED + LEGACY)
    write("tracing.yaml", "tracing: {sample_rate: 2}")

    done = run(directory, command, "service:svc", BENTOTRACE_CONFIG="tracing.yaml")

    assert done.returncode == 1
    assert done.stderr.endswith(
        f"Error: [serve] `{command}` failed: tracing of service iris cannot be set up:\n"
        "tracing.yaml:1:24: tracing.sample_rate: must be between 0 (no trace) and 1 (every trace); "
        "2 % is 0.02\n"
    ), done.stderr
    assert "Starting production" not in done.stdout
