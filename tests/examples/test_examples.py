"""Every example as its README runs it, in a copy of its directory, against a receiver."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import sysconfig
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bentotrace.testing import OTLPHTTPReceiver

from ..programs import ask, finished, started, two_workers

EXAMPLES = Path(__file__).parents[2] / "examples"
BIN = Path(sysconfig.get_path("scripts"))
PYTHON = BIN / "python"
RUN = (BIN / "bentotrace", "run", "-c", "tracing.yaml", "--")
PORT = "127.0.0.1:0"


def need(*modules: str) -> None:
    for module in modules:
        try:
            found = importlib.util.find_spec(module)
        except ModuleNotFoundError:
            found = None
        if found is None:
            pytest.skip(f"the example needs {module}")


@pytest.fixture
def receiver() -> Iterator[OTLPHTTPReceiver]:
    with OTLPHTTPReceiver() as receiver:
        yield receiver
    assert receiver.errors == []


@pytest.fixture
def example(tmp_path: Path, receiver: OTLPHTTPReceiver) -> Callable[[str], Path]:
    """Copies an example, and has its tracing.yaml send to the receiver."""

    def example(name: str) -> Path:
        directory = shutil.copytree(EXAMPLES / name, tmp_path / name)
        file = directory / "tracing.yaml"
        text = file.read_text("utf-8")
        assert "http://localhost:4318" in text
        file.write_text(text.replace("http://localhost:4318", receiver.endpoint), "utf-8")
        return directory

    return example


Example = Callable[[str], Path]


def test_fastapi_with_uvicorn_workers(example: Example, receiver: OTLPHTTPReceiver) -> None:
    need("click", "fastapi", "uvicorn", "opentelemetry.instrumentation.fastapi")
    command = [*RUN, BIN / "uvicorn", "app:app", *two_workers()]

    with started(example("fastapi"), *command) as service:
        url = service.wait_for(r"running on (http://\S+)")[1]
        with ThreadPoolExecutor(4) as threads:
            urls = [f"{url}/price/tulip", f"{url}/healthz"] * 10
            answers = sorted(threads.map(ask, urls))
        assert answers == [(200, b'"ok"')] * 10 + [(200, b"7.5")] * 10

    spans = receiver.spans
    requests = {span.span_id: span for span in spans if span.kind == "server"}
    assert [span.name for span in requests.values()] == ["GET /price/{item}"] * 10
    for span in spans:
        if span.name == "look up":
            assert requests[span.parent_id or ""].trace_id == span.trace_id
            assert (span.service_name, span.attributes["item"]) == ("shop", "tulip")
    assert sum(span.name == "look up" for span in spans) == 10


def test_grpc_server_and_client(example: Example, receiver: OTLPHTTPReceiver) -> None:
    need("click", "grpc", "opentelemetry.instrumentation.grpc")
    directory = example("grpc")

    with started(directory, *RUN, PYTHON, "server.py", PORT) as server:
        port = server.wait_for(r"listening on port (\d+)")[1]
        command = [*RUN, PYTHON, "client.py", f"127.0.0.1:{port}"]
        done = finished(directory, command, OTEL_SERVICE_NAME="caller")
        assert (done.returncode, done.stdout) == (0, "hello, iris\n"), done.stderr
        assert server.stop() == -signal.SIGTERM

    client, server_side = sorted(receiver.spans, key=lambda span: span.kind)
    assert (client.kind, client.service_name) == ("client", "caller")
    assert (server_side.kind, server_side.service_name) == ("server", "greeter")
    assert (server_side.trace_id, server_side.parent_id) == (client.trace_id, client.span_id)


def test_a_batch_script(example: Example, receiver: OTLPHTTPReceiver) -> None:
    directory = example("batch")
    (directory / "lines").write_text("3 4 five")

    done = finished(directory, ["sh", "-c", f"{PYTHON} script.py < lines"])

    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == "total 7, failed 1\n4 of 4 spans are in otlp\n"
    assert [(span.name, span.status) for span in receiver.spans] == [
        ("weigh", "unset"),
        ("weigh", "unset"),
        ("weigh", "error"),
        ("nightly run", "unset"),
    ]
    assert len({span.trace_id for span in receiver.spans}) == 1


def test_gunicorn_with_preload(example: Example, receiver: OTLPHTTPReceiver) -> None:
    need("gunicorn", "opentelemetry.instrumentation.wsgi")
    command = [BIN / "gunicorn", "--preload", "--workers", "2", "--bind", PORT, "app:app"]

    with started(example("gunicorn"), *command) as service:
        url = service.wait_for(r"Listening at: (http://\S+)")[1]
        with ThreadPoolExecutor(4) as threads:
            assert set(threads.map(ask, [f"{url}/books"] * 20)) == {(200, b"/books")}
        # gunicorn gives a worker 30 s that got the signal before it was ready for it.
        assert service.stop(60) == 0

    assert {(span.name, span.service_name) for span in receiver.spans} == {("GET /books", "shelf")}
    assert len({span.trace_id for span in receiver.spans}) == 20


def test_workers_that_are_recycled(example: Example, receiver: OTLPHTTPReceiver) -> None:
    done = finished(example("worker"), [PYTHON, "worker.py"])

    assert (done.returncode, done.stdout) == (0, "A B C D E F G H I J\n"), done.stderr
    (order,) = (span for span in receiver.spans if span.name == "order")
    tasks = [span for span in receiver.spans if span.name == "resize"]
    assert len(tasks) == 10
    assert {(task.trace_id, task.parent_id) for task in tasks} == {(order.trace_id, order.span_id)}
    assert len({task.attributes["process.pid"] for task in tasks}) >= 4


@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.iterdir()))
def test_every_example_has_a_short_readme(example: str) -> None:
    text = (EXAMPLES / example / "README.md").read_text("utf-8")

    assert text.startswith("# ")
    assert len(text.splitlines()) <= 12
