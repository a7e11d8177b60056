"""Tasks, streams, errors and starts of services that ``bentoml serve`` serves, and their spans."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

pytest.importorskip("bentoml", reason="These tests serve with BentoML.")

from bentotrace.testing import OTLPHTTPReceiver, ReceivedSpan

from ...e2e.backends import poll
from .conftest import named, of_requests
from .services import CLIENTS, INSIDE
from .serving import START_TIMEOUT, environment_of, serving

Write = Callable[[str, str], Path]

CLIENT = """\
import sys
import asyncio

import bentoml
import bentotrace
import bentotrace.integrations.bentoml as tracing
from opentelemetry import trace

tracing.install()

def sync():
    with bentoml.SyncHTTPClient(sys.argv[1]) as client:
        # Its submit() fails in BentoML 1.4.40.
        client.classify(petal=1.0)

async def asynchronous():
    async with bentoml.AsyncHTTPClient(sys.argv[1]) as client:
        await client.classify(petal=1.0)
        task = await client.train.submit(epochs=2)
        while (await task.get_status()).value == "in_progress":
            await asyncio.sleep(0.05)
        assert await task.get() == 4

with bentotrace.configure():
    for run in (sync, lambda: asyncio.run(asynchronous())):
        with trace.get_tracer("script").start_as_current_span("script"):
            run()
"""


def one(spans: list[ReceivedSpan], name: str) -> ReceivedSpan:
    """Return the only span of a name."""
    (span,) = named(spans, name).values()
    return span


def test_submit_run_and_result_of_a_task_are_one_trace(
    write: Write, directory: Path, receiver: OTLPHTTPReceiver, variables: Mapping[str, str]
) -> None:
    write("service.py", INSIDE)

    with serving(directory, "service:Iris", **variables) as iris:
        task_id = iris.ask("/train/submit", epochs=2).json()["task_id"]
        path = f"/train/get?task_id={task_id}"
        assert poll(lambda: iris.get(path), lambda code: code == 200, within=START_TIMEOUT) == 200
        iris.ask(f"/train/retry?task_id={task_id}")
        iris.wait_until_said("is completed", times=2)
        assert iris.end() == 0

    spans = receiver.spans
    submit, result = one(spans, "POST /train/submit"), one(spans, "result train")
    retry = one(spans, "POST /train/retry")
    runs = {span.parent_id: span for span in named(spans, "run train").values()}
    assert runs.keys() == {submit.span_id, retry.span_id}
    assert {span.trace_id for span in spans if span.name in ("run train", "result train")} == {
        submit.trace_id,
        retry.trace_id,
    }
    assert result.parent_id == submit.span_id
    (link,) = result.links
    requests = named(spans, "GET /train/get")
    assert [found.span_id for found in requests[link.span_id].links] == [submit.span_id]
    assert [found.span_id for found in retry.links] == [submit.span_id]
    for span in (submit, result, runs[submit.span_id], *requests.values()):
        assert span.attributes["bentoml.task.id"] == task_id
    assert runs[submit.span_id].attributes["code.function.name"] == "service.Iris.train"


def test_the_exception_of_a_task_is_on_its_run_once(
    write: Write, directory: Path, receiver: OTLPHTTPReceiver, variables: Mapping[str, str]
) -> None:
    write("service.py", INSIDE)

    with serving(directory, "service:Iris", **variables) as iris:
        iris.ask("/train/submit", epochs=-1)
        iris.wait_until_said("is completed", times=1)
        assert iris.end() == 0

    run = one(receiver.spans, "run train")
    (event,) = [event for span in receiver.spans for event in span.events]
    assert event in run.events
    assert event.attributes["exception.message"] == "no negative number of epochs"
    assert (run.status, run.attributes["error.type"]) == ("error", "ValueError")


@pytest.mark.parametrize("method", ["words", "async_words"])
def test_a_stream_has_its_chunks_and_the_time_to_the_first_on_the_span_of_its_request(
    method: str,
    write: Write,
    directory: Path,
    receiver: OTLPHTTPReceiver,
    variables: Mapping[str, str],
) -> None:
    write("service.py", INSIDE)

    with serving(directory, "service:Iris", **variables) as iris:
        assert iris.ask(f"/{method}", count=1).data == b"0 "
        assert iris.ask(f"/{method}", count=9).data == b"0 1 2 3 4 "
        iris.leave(f"/{method}", count=3)
        assert iris.end() == 0

    spans = sorted(of_requests(receiver.spans), key=lambda span: span.start_ns)
    whole, failed, left = (span for span in spans if span.name == f"POST /{method}")
    assert [span.attributes["bentoml.stream.chunks"] for span in (whole, failed)] == [1, 5]
    for span in (whole, failed, left):
        duration = (span.end_ns - span.start_ns) / 1e9
        assert 0.05 <= span.attributes["bentoml.stream.time_to_first_chunk"] <= duration
    (event,) = failed.events
    assert event.attributes["exception.message"] == "no word is left"
    assert [span.status for span in (whole, failed, left)] == ["unset", "error", "unset"]
    assert left.attributes["bentoml.stream.client_left"] is True
    # The method itself takes three more seconds.
    assert left.end_ns - left.start_ns < 3e9


def test_the_exception_of_a_method_is_on_the_span_of_its_request_once(
    write: Write, directory: Path, receiver: OTLPHTTPReceiver, variables: Mapping[str, str]
) -> None:
    write("service.py", INSIDE)

    with serving(directory, "service:Iris", **variables) as iris:
        codes = [iris.status("/classify", petal=petal) for petal in (-1.0, 10.0, "long")]
        assert iris.end() == 0

    assert codes == [500, 400, 400]
    spans = sorted(named(receiver.spans, "POST /classify").values(), key=lambda span: span.start_ns)
    failed, refused, invalid = spans
    (event,) = failed.events
    assert event.attributes["exception.type"] == "ValueError"
    assert event.attributes["exception.message"] == "a petal has no negative length"
    assert "in classify" in event.attributes["exception.stacktrace"]
    (event,) = refused.events
    assert event.attributes["exception.message"] == "a petal is not that long"
    # It would quote what the client sent.
    assert (invalid.events, invalid.attributes["error.type"]) == ((), "ValidationError")
    assert [span.status for span in spans] == ["error", "unset", "unset"]


def test_the_start_of_a_worker_is_a_trace_of_its_own_at_any_rate_but_zero(
    write: Write, directory: Path, receiver: OTLPHTTPReceiver, variables: Mapping[str, str]
) -> None:
    write("service.py", INSIDE)
    rare = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1e-9"}

    with serving(directory, "service:Iris", **{**variables, **rare}) as iris:
        iris.ask("/classify", petal=1.0)
        assert iris.end() == 0

    spans = receiver.spans
    assert len({span.trace_id for span in spans}) == 1
    start, create = one(spans, "start Iris"), one(spans, "create Iris")
    imports, model = one(spans, "import"), one(spans, "load model")
    assert {span.span_id for span in spans} == {
        span.span_id for span in (start, create, imports, model)
    }
    assert start.parent_id is None
    assert (imports.parent_id, create.parent_id) == (start.span_id, start.span_id)
    assert model.parent_id == create.span_id
    assert start.start_ns == imports.start_ns < imports.end_ns <= create.start_ns
    assert create.end_ns <= start.end_ns


def test_a_service_and_those_that_it_calls_make_one_trace(
    write: Write, directory: Path, receiver: OTLPHTTPReceiver, variables: Mapping[str, str]
) -> None:
    write("service.py", CLIENTS)

    with serving(directory, "service:Shop", **variables) as shop:
        assert shop.ask("/sell", species="setosa").data == b"6"
        assert shop.ask("/async_sell", species="setosa").data == b"6"
        assert shop.end() == 0

    counts = {span.parent_id: span for span in named(receiver.spans, "POST /count").values()}
    assert len(counts) == 2
    for name in ("POST /sell", "POST /async_sell"):
        request = one(receiver.spans, name)
        assert counts[request.span_id].trace_id == request.trace_id
        assert request.parent_id is None


def test_a_script_and_the_service_that_it_calls_make_one_trace(
    write: Write, directory: Path, receiver: OTLPHTTPReceiver, variables: Mapping[str, str]
) -> None:
    write("service.py", INSIDE)
    script = write("script.py", CLIENT)

    with serving(directory, "service:Iris", **variables) as iris:
        done = subprocess.run(
            [sys.executable, script, iris.url],
            env=environment_of(directory, variables),
            timeout=START_TIMEOUT,
        )
        assert done.returncode == 0
        assert iris.end() == 0

    scripts = sorted(named(receiver.spans, "script").values(), key=lambda span: span.start_ns)
    tasks = {"POST /train/submit", "run train", "GET /train/status", "GET /train/get"}
    for script_span, names in zip(scripts, (set(), tasks), strict=True):
        within = [span for span in receiver.spans if span.trace_id == script_span.trace_id]
        assert {span.name for span in within} == {"script", "POST /classify", *names}
        assert [span.name for span in within if span.parent_id is None] == ["script"]
