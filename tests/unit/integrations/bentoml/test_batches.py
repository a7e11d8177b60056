from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry import trace as trace_api
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer

from bentotrace.integrations.bentoml.batches import Batches, Method


@pytest.fixture
def method(tracer: Tracer) -> Method:
    """Return a method whose spans are kept."""
    return Method("classify", tracer, {})


async def request(batches: Batches, method: Method, call: Any, data: Any) -> Any:
    """Serve a request within its own span."""
    with method.tracer.start_as_current_span("request"):
        return await batches.wait(call, method, data)


def test_requests_with_the_same_object_as_their_data_each_have_their_wait(
    method: Method, ended: InMemorySpanExporter
) -> None:
    batches = Batches()

    async def infer(batch: Sequence[str]) -> str:
        return "".join(batch)

    async def serve() -> None:
        both = asyncio.Event()
        arrived = 0

        async def call(_data: str) -> str:
            nonlocal arrived
            arrived += 1
            if arrived < 2:
                await both.wait()
                return ""
            joined: str = await batches.run(infer, method, len, ("a", "a"))
            both.set()
            return joined

        answers = [request(batches, method, call, "a") for _ in range(2)]
        assert sorted(await asyncio.gather(*answers)) == ["", "aa"]

    asyncio.run(serve())

    spans = ended.get_finished_spans()
    (batch,) = [span for span in spans if span.name == "batch classify"]
    waits = [span for span in spans if span.name == "wait classify"]
    requests = {span.context.span_id for span in spans if span.name == "request"}
    assert {wait.parent.span_id for wait in waits if wait.parent} == requests
    assert {link.context.span_id for link in batch.links} == requests
    assert [link.context.span_id for wait in waits for link in wait.links] == [
        batch.context.span_id
    ] * 2


def test_a_request_that_no_batch_takes_leaves_nothing_but_its_failed_wait(
    method: Method, ended: InMemorySpanExporter
) -> None:
    batches = Batches()

    async def call(data: list[int]) -> None:
        batches.share(data, [data[:1], data[1:]])
        raise OverflowError("process is overloaded")

    with pytest.raises(OverflowError):
        asyncio.run(request(batches, method, call, [1, 2]))

    wait = ended.get_finished_spans()[0]
    assert (wait.name, wait.status.description) == (
        "wait classify",
        "OverflowError: process is overloaded",
    )
    assert not wait.events
    assert not batches._waiting


def test_a_batch_whose_requests_have_gone_still_runs(
    method: Method, ended: InMemorySpanExporter
) -> None:
    async def infer(batch: Sequence[int], factor: int) -> int:
        assert trace_api.get_current_span().is_recording()
        return sum(batch) * factor

    def fail(_data: object) -> int:
        raise TypeError("of unknown size")

    assert asyncio.run(Batches().run(infer, method, fail, (1, 2), factor=2)) == 6

    (batch,) = ended.get_finished_spans()
    assert (batch.parent, batch.attributes) == (None, {"bentoml.batch.size": 2})
