"""Keep the requests of a connection apart where OpenTelemetry instruments an ASGI application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from bentotrace.integrations._requests import App, Receive, Scope, Send, in_current_context

__all__ = ["ConnectionMiddleware", "hook_uvicorn_when_imported"]


class ConnectionMiddleware:
    """Keep the requests of a connection apart; the outermost middleware."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request in the context of the server."""
        if scope["type"] != "lifespan":
            receive, send = in_current_context(receive, send)
        await self._app(scope, receive, send)


def hook_uvicorn_when_imported() -> None:
    """Put the middleware around every application that uvicorn serves in this process."""
    from wrapt import register_post_import_hook, wrap_function_wrapper

    def hook(module: ModuleType) -> None:
        wrap_function_wrapper(module, "Config.load", _load)

    register_post_import_hook(hook, "uvicorn.config")


def _load(
    load: Callable[..., None], config: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> None:
    load(*args, **kwargs)
    config.loaded_app = ConnectionMiddleware(config.loaded_app)
