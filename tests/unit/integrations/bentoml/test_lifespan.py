from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import pytest

import bentotrace
from bentotrace.integrations.bentoml.lifespan import ShutdownMiddleware

Message = MutableMapping[str, Any]


@pytest.fixture
def tracing() -> Iterator[bentotrace.Tracing]:
    source = {"exporter_type": "console", "sample_rate": 1, "processor": {"schedule_delay": 60}}
    with bentotrace.build(source) as tracing:
        yield tracing


def run(tracing: bentotrace.Tracing, scope: Message, *messages: str) -> list[tuple[str, int]]:
    """Run an application that sends messages; gives each with the spans exported by then."""
    sent = []

    async def app(
        _scope: Message, _receive: object, send: Callable[[Message], Awaitable[None]]
    ) -> None:
        for message in messages:
            tracing.provider.get_tracer("test").start_span(message).end()
            await send({"type": message})

    async def send(message: Message) -> None:
        sent.append((message["type"], tracing.status().destinations[0].exported))

    async def receive() -> Message:
        return {}

    async def serve() -> None:
        await ShutdownMiddleware(app, tracing)(scope, receive, send)

    asyncio.run(serve())
    return sent


@pytest.mark.parametrize("last", ["lifespan.shutdown.complete", "lifespan.startup.failed"])
def test_all_is_exported_before_the_server_hears_of_the_end(
    last: str, tracing: bentotrace.Tracing
) -> None:
    sent = run(tracing, {"type": "lifespan"}, "lifespan.startup.complete", last)

    assert sent == [("lifespan.startup.complete", 0), (last, 2)]


def test_a_request_ends_nothing(tracing: bentotrace.Tracing) -> None:
    run(tracing, {"type": "http"}, "http.response.start", "http.response.body")

    assert tracing.status().destinations[0].pending == 2
