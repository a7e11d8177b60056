from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer

from bentotrace.integrations.bentoml.requests import RequestHooks, make_client
from bentotrace.integrations.bentoml.spans import current_tracer


class Iris:
    def classify(self) -> None: ...


FACTORY = SimpleNamespace(
    service=SimpleNamespace(name="Iris", apis={"classify": SimpleNamespace(func=Iris.classify)})
)


def client(**attributes: Any) -> Any:
    return SimpleNamespace(event_hooks={"request": []}, **attributes)


@pytest.mark.parametrize("attributes", [{}, {"aclose": None}], ids=["sync", "async"])
def test_each_request_of_a_client_has_the_context(
    attributes: dict[str, Any], tracer: Tracer
) -> None:
    made = make_client(client, **attributes)
    (hook,) = made.event_hooks["request"]
    request = SimpleNamespace(headers={})

    with tracer.start_as_current_span("caller") as span:
        if attributes:
            asyncio.run(hook(request))
        else:
            hook(request)

    assert (
        request.headers["traceparent"].split("-")[1] == f"{span.get_span_context().trace_id:032x}"
    )


def test_without_spans_of_bentoml_its_functions_are_called_as_they_are(
    ended: InMemorySpanExporter,
) -> None:
    hooks = RequestHooks()
    calls: list[tuple[Any, ...]] = []

    async def call(*args: Any) -> str:
        calls.append(args)
        return "done"

    async def infer(_data: Any) -> str:
        return "batched"

    async def serve() -> None:
        assert current_tracer.get() is None
        assert await hooks.create_instance(call, FACTORY) == "done"
        assert await hooks.api_endpoint(call, FACTORY, "classify", "request") == "done"
        assert await hooks.batch_infer(call, FACTORY, "classify", "data") == "done"
        assert await hooks.new_entry(call, "store", "classify", "request") == "done"
        await hooks.run_task(call, FACTORY, "1", "classify", "request")
        assert await hooks.to_http_response(call, str, "output", "codec") == "done"
        # A dispatcher outside of a method that is traced.
        assert hooks.dispatch(lambda _dispatcher, run: run, "dispatcher", infer) is infer

    asyncio.run(serve())

    assert calls == [
        (FACTORY,),
        (FACTORY, "classify", "request"),
        (FACTORY, "classify", "data"),
        ("store", "classify", "request"),
        (FACTORY, "1", "classify", "request"),
        (str, "output", "codec"),
    ]
    assert not ended.get_finished_spans()


def test_a_batch_is_named_by_its_method(tracer: Tracer, ended: InMemorySpanExporter) -> None:
    hooks = RequestHooks()
    dispatcher = SimpleNamespace(get_batch_size=len)

    async def run(batch: Any) -> Any:
        return batch

    async def infer(_factory: Any, _name: str, data: Any) -> Any:
        def make(_dispatcher: Any, call: Any) -> Any:
            return lambda each: call((each,))

        return await hooks.dispatch(make, dispatcher, run)(data)

    async def serve() -> None:
        token = current_tracer.set(tracer)
        with tracer.start_as_current_span("request"):
            assert await hooks.batch_infer(infer, FACTORY, "classify", "abc") == ("abc",)
        current_tracer.reset(token)

    asyncio.run(serve())

    wait, batch, _ = ended.get_finished_spans()
    assert (wait.name, batch.name) == ("wait classify", "batch classify")
    for span in (wait, batch):
        assert dict(span.attributes or {}) == {
            "bentoml.batch.size": 1,
            "bentoml.batch.items": 3,
            "code.function.name": f"{__name__}.Iris.classify",
        }
