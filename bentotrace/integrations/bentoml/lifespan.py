"""The end of a service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from bentotrace.pipeline.tracing import Tracing

__all__ = ["with_tracing"]

_Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]


def with_tracing(lifespan: _Lifespan, tracing: Tracing) -> _Lifespan:
    """Have tracing shut down when the service has, its own hooks for that included.

    A worker dies of the SIGTERM that ends it, as soon as uvicorn has ended the application: nothing
    that was registered with ``atexit`` runs.
    """

    @asynccontextmanager
    async def traced(app: Any) -> AsyncIterator[Any]:
        try:
            async with lifespan(app) as state:
                yield state
        finally:
            await asyncio.to_thread(tracing.shutdown)

    return traced
