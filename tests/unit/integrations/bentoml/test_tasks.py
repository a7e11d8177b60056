from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer

from bentotrace.integrations.bentoml.spans import current_tracer
from bentotrace.integrations.bentoml.tasks import Tasks

CALLER = (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


class Store:
    """Keeps a request by its task, as BentoML's does."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    async def new_entry(self, name: str, request: Any) -> str:
        headers = list(request.scope["headers"])
        scope = {"type": "http", "headers": headers}
        self.kept["1"] = SimpleNamespace(name=name, input=SimpleNamespace(scope=scope))
        return "1"

    async def get(self, task_id: str) -> Any:
        return self.kept[task_id]


def in_requests(tracer: Tracer, *serve: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    """Serve each within a request of its own."""

    async def one(call: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        current_tracer.set(tracer)
        with tracer.start_as_current_span("request"):
            await call()

    for call in serve:
        asyncio.run(one(call))


def test_the_result_is_in_the_trace_of_the_request_that_submitted_the_task(
    tracer: Tracer, ended: InMemorySpanExporter
) -> None:
    tasks, store = Tasks(), Store()
    request = SimpleNamespace(scope={"headers": [CALLER, (b"accept", b"*/*")]})

    async def submit() -> None:
        assert await tasks.submit(store.new_entry, "train", request) == "1"

    async def respond() -> None:
        async def read() -> str:
            return (await tasks.find(store.get, "1")).name

        assert await tasks.respond(read, "1") == "train"

    in_requests(tracer, submit, respond)

    # The request itself is as it was.
    assert request.scope["headers"] == [CALLER, (b"accept", b"*/*")]
    stored = dict(store.kept["1"].input.scope["headers"])
    assert stored[b"accept"] == b"*/*"
    submitted, result, responded = ended.get_finished_spans()
    assert stored[b"traceparent"].split(b"-")[1].decode() == f"{submitted.context.trace_id:032x}"
    assert (result.name, result.context.trace_id) == ("result train", submitted.context.trace_id)
    assert [link.context for link in result.links] == [responded.context]
    assert [link.context.span_id for link in responded.links] == [submitted.context.span_id]
    assert {span.attributes["bentoml.task.id"] for span in (submitted, result)} == {"1"}  # type: ignore[index]


@pytest.mark.parametrize("task_id", ["2", None])
def test_a_task_that_still_runs_or_is_unknown_has_no_result(
    task_id: str | None, tracer: Tracer, ended: InMemorySpanExporter
) -> None:
    async def respond() -> None:
        async def read() -> str:
            return "in progress"

        assert await Tasks().respond(read, task_id) == "in progress"

    in_requests(tracer, respond)

    assert [span.name for span in ended.get_finished_spans()] == ["request"]


def test_the_run_of_a_task_knows_that_it_is_one(
    tracer: Tracer, ended: InMemorySpanExporter
) -> None:
    tasks = Tasks()

    async def run() -> None:
        from opentelemetry.trace import get_current_span

        request = get_current_span()

        async def train(task_id: str, name: str, epochs: int) -> None:
            assert (task_id, name, epochs) == ("1", "train", 3)
            assert tasks.is_running(get_current_span())
            assert not tasks.is_running(request)

        await tasks.run(train, "1", "train", {"code.function.name": "Iris.train"}, 3)
        assert not tasks.is_running(get_current_span())

    in_requests(tracer, run)

    span, _ = ended.get_finished_spans()
    assert (span.name, dict(span.attributes or {})) == (
        "run train",
        {"code.function.name": "Iris.train", "bentoml.task.id": "1"},
    )
