from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

import bentotrace
from bentotrace.integrations.bentoml.lifespan import with_tracing


@pytest.fixture
def tracing() -> Iterator[bentotrace.Tracing]:
    source = {"exporter_type": "console", "sample_rate": 1, "processor": {"schedule_delay": 60}}
    with bentotrace.build(source) as tracing:
        yield tracing


def exported(tracing: bentotrace.Tracing) -> int:
    return tracing.status().destinations[0].exported


def record(tracing: bentotrace.Tracing, name: str) -> None:
    tracing.provider.get_tracer("test").start_span(name).end()


def test_all_is_exported_after_the_last_hook_of_the_service(tracing: bentotrace.Tracing) -> None:
    @asynccontextmanager
    async def lifespan(app: str) -> AsyncIterator[str]:
        record(tracing, "startup")
        yield app
        record(tracing, "shutdown")

    async def serve() -> None:
        async with with_tracing(lifespan, tracing)("state") as state:
            assert state == "state"
            assert exported(tracing) == 0

    asyncio.run(serve())

    assert exported(tracing) == 2


def test_a_service_that_does_not_start_loses_nothing_either(tracing: bentotrace.Tracing) -> None:
    @asynccontextmanager
    async def lifespan(_app: str) -> AsyncIterator[None]:
        record(tracing, "startup")
        raise RuntimeError("no model")
        yield

    async def serve() -> None:
        async with with_tracing(lifespan, tracing)("app"):
            pass

    with pytest.raises(RuntimeError, match="no model"):
        asyncio.run(serve())

    assert exported(tracing) == 1
