from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer

from bentotrace.integrations.bentoml.streams import Stream, record_errors

START = {"type": "http.response.start", "status": 200, "headers": []}


def chunk(body: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}


def send(tracer: Tracer, messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Send messages as the response to a request; return what was sent."""
    sent: list[dict[str, Any]] = []

    async def keep(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def serve() -> None:
        with tracer.start_as_current_span("request") as span:
            stream = Stream(span, receive, keep)
            for message in messages:
                if message["type"] == "http.disconnect":
                    assert await stream.receive() == message
                else:
                    await stream.send(message)

    asyncio.run(serve())
    return sent


@pytest.mark.parametrize(
    ("bodies", "chunks"),
    [
        ([chunk(b"all", more=False)], None),
        ([chunk(b"a"), chunk(b"b"), chunk(b"", more=False)], 2),
        ([chunk(b"a"), chunk(b""), chunk(b"c", more=False)], 2),
        ([chunk(b"", more=False)], None),
    ],
)
def test_chunks_with_a_body_are_counted_if_there_is_more_than_one_message(
    bodies: list[dict[str, Any]],
    chunks: int | None,
    tracer: Tracer,
    ended: InMemorySpanExporter,
) -> None:
    messages = [START, *bodies]

    assert send(tracer, messages) == messages

    (span,) = ended.get_finished_spans()
    attributes = span.attributes or {}
    assert attributes.get("bentoml.stream.chunks") == chunks
    assert ("bentoml.stream.time_to_first_chunk" in attributes) is (chunks is not None)


def test_the_span_ends_when_the_client_leaves_after_a_chunk(
    tracer: Tracer, ended: InMemorySpanExporter
) -> None:
    send(tracer, [START, chunk(b"a"), {"type": "http.disconnect"}, chunk(b"b")])

    (span,) = ended.get_finished_spans()
    assert span.attributes is not None
    assert span.attributes["bentoml.stream.client_left"] is True
    assert span.attributes["bentoml.stream.chunks"] == 1


def test_a_client_that_leaves_before_the_first_chunk_is_none_of_a_stream(
    tracer: Tracer, ended: InMemorySpanExporter
) -> None:
    send(tracer, [{"type": "http.disconnect"}])

    (span,) = ended.get_finished_spans()
    assert not span.attributes


@pytest.mark.parametrize(("before", "events"), [(0, 0), (1, 1)])
def test_an_exception_is_recorded_after_the_first_chunk_only(
    before: int, events: int, tracer: Tracer, ended: InMemorySpanExporter
) -> None:
    # Before it, BentoML makes a response of it, and api_endpoint records it.
    closed = []

    async def chunks() -> AsyncGenerator[str, Any]:
        try:
            for number in range(before):
                yield str(number)
            raise ValueError("no chunk is left")
        finally:
            closed.append(True)

    async def read() -> list[str]:
        return [each async for each in record_errors(chunks())]

    with (
        tracer.start_as_current_span("request", record_exception=False),
        pytest.raises(ValueError, match="no chunk is left"),
    ):
        asyncio.run(read())

    (span,) = ended.get_finished_spans()
    assert len(span.events) == events
    assert closed == [True]


def test_the_chunks_of_a_response_with_a_length_are_not_counted(
    tracer: Tracer, ended: InMemorySpanExporter
) -> None:
    start = {**START, "headers": [(b"Content-Length", b"2")]}

    send(tracer, [start, chunk(b"a"), chunk(b"b"), chunk(b"", more=False)])

    (span,) = ended.get_finished_spans()
    assert not span.attributes


@pytest.mark.parametrize(
    ("status", "events"), [(500, ["exception"]), (503, ["exception"]), (404, [])]
)
def test_the_exception_for_which_an_application_responds_is_on_the_span_once(
    status: int, events: list[str], tracer: Tracer, ended: InMemorySpanExporter
) -> None:
    error = ValueError("no petal")
    for _ in range(2):
        try:
            raise error
        except ValueError:
            send(tracer, [{**START, "status": status}, chunk(b"sorry", more=False)])

    first, second = ended.get_finished_spans()
    assert [event.name for event in first.events] == events
    assert not second.events
