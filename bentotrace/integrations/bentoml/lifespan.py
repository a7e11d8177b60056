"""The end of a service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from bentotrace.pipeline.tracing import Tracing

__all__ = ["ShutdownMiddleware"]

_Scope = MutableMapping[str, Any]
_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]

_LAST = {"lifespan.startup.failed", "lifespan.shutdown.complete", "lifespan.shutdown.failed"}


class ShutdownMiddleware:
    """Shuts tracing down when the service has, its own hooks for that included.

    A worker dies of the SIGTERM that ends it, as soon as uvicorn has ended the application: nothing
    that was registered with ``atexit`` runs.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], tracing: Tracing) -> None:
        self._app = app
        self._tracing = tracing

    def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> Awaitable[None]:
        """Leave requests to the application, and follow its lifespan."""
        if scope["type"] != "lifespan":
            return self._app(scope, receive, send)

        async def send_last(message: _Message) -> None:
            if message["type"] in _LAST:
                await asyncio.to_thread(self._tracing.shutdown)
            await send(message)

        return self._app(scope, receive, send_last)
