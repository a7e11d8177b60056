"""Applications within a service, behind it, and on one connection: one span for each request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

pytest.importorskip("bentoml", reason="These tests serve with BentoML.")
pytest.importorskip("fastapi", reason="BentoML services mount its applications.")
pytest.importorskip("websockets", reason="the client of a WebSocket is theirs")

import bentoml
from websockets.sync.client import connect

from bentotrace.testing import OTLPHTTPReceiver

from ...ports import free_ports
from .conftest import named, of_requests
from .services import FORWARDING, LEGACY, MOUNTED
from .serving import RUN, serving

Write = Callable[[str, str], Path]

INSTALLED = "import bentotrace.integrations.bentoml as tracing\ntracing.install()\n"
START = pytest.mark.parametrize("start", [(), RUN], ids=["install", "run"])


@START
def test_a_request_to_a_mounted_application_has_one_span(
    start: Sequence[str],
    write: Write,
    directory: Path,
    receiver: OTLPHTTPReceiver,
    variables: Mapping[str, str],
) -> None:
    write("service.py", MOUNTED if start else INSTALLED + MOUNTED)

    with serving(directory, "service:Iris", start=start, **variables) as iris:
        assert iris.get("/wsgi/") == 200
        with connect(iris.url.replace("http", "ws") + "/app/stems") as socket:
            assert socket.recv() == "1"
        # The server closes the connection of the last one.
        assert [iris.get(f"/app/petals/{number}") for number in (1, 0)] == [200, 500]
        assert iris.end() == 0

    spans = of_requests(receiver.spans)
    names = {"GET /app/petals/1", "GET /app/petals/0", "GET /wsgi/", "HTTP /app/stems"}
    requests = {span.span_id: span for span in spans if span.kind == "server"}
    assert sorted(span.name for span in requests.values()) == sorted(names)
    counts = [span for span in spans if span.kind != "server"]
    assert {span.name for span in counts} == {"count"}
    assert {span.parent_id for span in counts} == requests.keys()
    (failed,) = named(spans, "GET /app/petals/0").values()
    (event,) = failed.events
    assert event.attributes["exception.type"] == "ZeroDivisionError"
    assert "in petals" in event.attributes["exception.stacktrace"]
    assert (failed.status, failed.attributes["error.type"]) == ("error", "ZeroDivisionError")


@START
@pytest.mark.parametrize("target", ["Iris", "svc"])
def test_requests_after_a_large_one_on_its_connection_are_not_in_its_trace(
    target: str,
    start: Sequence[str],
    write: Write,
    directory: Path,
    receiver: OTLPHTTPReceiver,
    variables: Mapping[str, str],
) -> None:
    service = LEGACY if target == "svc" else MOUNTED
    write("service.py", service if start else INSTALLED + service)
    # For a service before BentoML 1.2 a short petal, with padding.
    arguments = (
        {"petal": "x" * 1_000_000} if target == "Iris" else {"petal": 1, "pad": "x" * 1_000_000}
    )

    with serving(directory, f"service:{target}", start=start, **variables) as iris:
        for _ in range(3):
            assert iris.ask("/classify", **arguments).data in (b"setosa", b'"setosa"')
        assert iris.end() == 0

    requests = [*named(receiver.spans, "POST /classify").values()]
    assert [(span.kind, span.parent_id) for span in requests] == [("server", None)] * 3
    assert len({span.trace_id for span in requests}) == 3


@START
def test_a_server_to_which_bentoml_forwards_gets_the_span_of_the_request(
    start: Sequence[str],
    write: Write,
    directory: Path,
    receiver: OTLPHTTPReceiver,
    variables: Mapping[str, str],
) -> None:
    if bentoml.__version__ == "1.4.0":
        # It is older than services with a command.
        return
    (port,) = free_ports()
    service = FORWARDING.replace("PORT", str(port))
    write("service.py", service if start else INSTALLED + service)

    with serving(directory, "service:Model", start=start, **variables) as model:
        text = model.read("/v1/models")
        assert model.end() == 0

    (request,) = named(receiver.spans, "GET /v1/models").values()
    version, trace_id, span_id, _ = text.split("-")
    calls = {span.span_id: span for span in receiver.spans if span.kind == "client"}
    parent_id = calls[span_id].parent_id if start else span_id
    assert (version, trace_id, parent_id) == ("00", request.trace_id, request.span_id)
    # Whether the command is ready belongs to the start.
    starts = {span.trace_id for span in receiver.spans if span.name == "start Model"}
    assert {span.trace_id for span in receiver.spans} == {request.trace_id, *starts}
