"""Requests of one connection, to an application that OpenTelemetry instruments."""

from __future__ import annotations

from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from bentotrace.testing import OTLPHTTPReceiver

from ...programs import PATIENCE, started
from .conftest import BIN

for needed in ("click", "uvicorn", "opentelemetry.instrumentation.asgi"):
    pytest.importorskip(needed, reason=f"this serves with {needed}")

APP = """\
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware


async def serve(scope, receive, send):
    assert scope["type"] == "http"
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"served"})


app = OpenTelemetryMiddleware(serve)
"""
RUN = (BIN / "bentotrace", "run", "-c", "tracing.yaml", "--")
SERVE = (BIN / "uvicorn", "app:app", "--port", "0", "--lifespan", "off")


@pytest.mark.parametrize("start", [RUN, (BIN / "opentelemetry-instrument",)], ids=["run", "otel"])
@pytest.mark.parametrize("http", ["h11", "auto"])
def test_requests_after_a_large_one_on_its_connection_are_not_in_its_trace(
    start: tuple[Path, ...], http: str, directory: Path, receiver: OTLPHTTPReceiver
) -> None:
    (directory / "app.py").write_text(APP, encoding="utf-8")
    command = (*start, *SERVE, "--http", http)
    with started(directory, *command, BENTOTRACE_CONFIG="tracing.yaml") as service:
        host, port = service.wait_for(r"running on http://([\d.]+):(\d+)").groups()
        with closing(HTTPConnection(host, int(port), timeout=PATIENCE)) as connection:
            for _ in range(3):
                # More than uvicorn buffers, so it stops to read until the application receives.
                connection.request("POST", "/large", body=bytes(1_000_000))
                assert connection.getresponse().read() == b"served"

    requests = [span for span in receiver.spans if span.kind == "server"]
    assert [span.parent_id for span in requests] == [None] * 3
    assert len({span.trace_id for span in requests}) == 3
