"""A small service as its users write it, run under uvicorn by the end-to-end tests.

It keeps its own book: what the SDK saw of every span goes, one JSON object a line, to the file
that ``SERVICE_RECORD`` names, for the tests to compare with what a server received.
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from attrs import asdict
from opentelemetry import trace
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode

import bentotrace

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Answer = tuple[int, Mapping[str, Any]]

EARLIER = SpanContext(trace_id=0xABCDEF, span_id=0x1234, is_remote=True)
ATTRIBUTES: Mapping[str, Any] = {
    "text": 'Zürich, 東京, 🌸 and a "quote"',
    "empty": "",
    "yes": True,
    "no": False,
    "zero": 0,
    "minus one": -1,
    "largest": 2**63 - 1,
    "smallest": -(2**63),
    "whole": 3.0,
    "part": -0.5,
    "small": 5e-324,
    "texts": ("petal", "sépale", "花"),
    "flags": (True, False),
    "integers": (1, -2, 2**53 + 1),
    "floats": (0.5, -2.25),
    "nothing": (),
}


class Record(SpanExporter):
    """Writes what the SDK knows of a span to a file, at once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(seen(span)) + "\n" for span in spans)
        return SpanExportResult.SUCCESS


def seen(span: ReadableSpan) -> dict[str, Any]:
    """Return a span as plain values: ids in hex, times in nanoseconds."""
    context, scope = span.get_span_context(), span.instrumentation_scope
    assert context is not None
    assert scope is not None
    return {
        "trace_id": f"{context.trace_id:032x}",
        "span_id": f"{context.span_id:016x}",
        "parent_id": f"{span.parent.span_id:016x}" if span.parent else None,
        "trace_state": context.trace_state.to_header(),
        "name": span.name,
        "kind": span.kind.name,
        "start": span.start_time,
        "end": span.end_time,
        "attributes": dict(span.attributes or {}),
        "events": [
            {
                "name": event.name,
                "time": event.timestamp,
                "attributes": dict(event.attributes or {}),
            }
            for event in span.events
        ],
        "links": [
            {"trace_id": f"{link.context.trace_id:032x}", "span_id": f"{link.context.span_id:016x}"}
            for link in span.links
        ],
        "status": span.status.status_code.name,
        "description": span.status.description,
        "scope": [scope.name, scope.version],
        "resource": dict(span.resource.attributes),
    }


tracing = bentotrace.configure()
assert isinstance(tracing.provider, TracerProvider)
tracing.provider.add_span_processor(SimpleSpanProcessor(Record(Path(os.environ["SERVICE_RECORD"]))))
tracer = trace.get_tracer("iris.service", "1.2.3")


def predict() -> Answer:
    """Answer with a prediction and make a child span of every kind but SERVER."""
    with tracer.start_as_current_span("validate", attributes=ATTRIBUTES):
        pass
    with tracer.start_as_current_span("fetch model", kind=SpanKind.CLIENT) as fetch:
        fetch.set_attribute("server.address", "models.test")
        fetch.add_event("cache miss", {"model": "iris", "tries": 2, "took": 0.25, "cold": True})
        fetch.add_event("connected")
    with tracer.start_as_current_span("classify") as classify:
        classify.set_status(Status(StatusCode.OK))
        with tracer.start_as_current_span("publish", kind=SpanKind.PRODUCER) as publish:
            links = [Link(publish.get_span_context()), Link(EARLIER, {"why": "retried"})]
        with tracer.start_as_current_span("audit", kind=SpanKind.CONSUMER, links=links):
            pass
    return 200, {"label": "setosa"}


def boom() -> Answer:
    """Answer 500 after an exception that left a span."""
    try:
        with tracer.start_as_current_span("divide"):
            raise ZeroDivisionError("petal length is 0 ≠ 1")
    except ZeroDivisionError:
        return 500, {}


def health() -> Answer:
    """Answer that all is well; its path is excluded in the configuration."""
    with tracer.start_as_current_span("look around"):
        return 200, {}


def status() -> Answer:
    """Answer with the counts after a flush; its path is excluded in the configuration."""
    flushed = tracing.flush(10.0)
    (destination,) = tracing.status().destinations
    return 200, {"flushed": flushed, **asdict(destination)}


ROUTES: Mapping[str, Callable[[], Answer]] = {
    "/predict": predict,
    "/boom": boom,
    "/healthz": health,
    "/status": status,
}


async def serve(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request, or take part in the server's start and end."""
    if scope["type"] == "lifespan":
        await live(receive, send)
        return
    while (await receive()).get("more_body"):
        pass
    code, document = ROUTES[scope["path"]]()
    trace_id = trace.get_current_span().get_span_context().trace_id
    body = json.dumps({"trace_id": f"{trace_id:032x}", **document}).encode()
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": code, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def live(receive: Receive, send: Send) -> None:
    """Shut tracing down after the last request.

    uvicorn, once it has ended everything, dies of the SIGTERM that it got: no atexit hook runs.
    """
    while True:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            tracing.shutdown()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


app = OpenTelemetryMiddleware(serve)
