"""Starts and stops the store, every receiver and the page."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import uvicorn
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse, RedirectResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from bentotrace._version import __version__
from bentotrace.ui.bodies import Budget
from bentotrace.ui.events import Changes
from bentotrace.ui.grpc_receivers import start_grpc_receiver
from bentotrace.ui.jaeger_api import jaeger_api_routes
from bentotrace.ui.page_api import page_api_routes
from bentotrace.ui.receivers import receiver_routes
from bentotrace.ui.safety import Guard, is_loopback
from bentotrace.ui.store import Store
from bentotrace.ui.udp_receiver import UDPReceiver
from bentotrace.ui.zipkin_api import zipkin_api_routes

__all__ = ["PORTS", "TAKEN", "Listener", "Settings", "Viewer"]

_WEB = Path(__file__).parent / "web"
_MAX_CONNECTIONS = 512
_START_SECONDS = 10.0
TAKEN = "another program uses it"


class _Port(NamedTuple):
    title: str
    default: int
    kind: str


PORTS: Mapping[str, _Port] = {
    "page": _Port("page and Jaeger's query API", 16686, "http"),
    "otlp_http": _Port("OTLP over HTTP", 4318, "http"),
    "otlp_grpc": _Port("OTLP over gRPC", 4317, "grpc"),
    "jaeger_grpc": _Port("Jaeger over gRPC", 14250, "grpc"),
    "jaeger_http": _Port("Jaeger's Thrift over HTTP", 14268, "http"),
    "jaeger_udp": _Port("Jaeger's compact Thrift over UDP", 6831, "udp"),
    "jaeger_udp_binary": _Port("Jaeger's binary Thrift over UDP", 6832, "udp"),
    "zipkin": _Port("Zipkin, spans and query API", 9411, "http"),
}


@dataclass(frozen=True)
class Settings:
    """What the viewer listens on, and where it keeps spans.

    Attributes:
        host: the address of every port.
        ports: a port for each name in :data:`PORTS`; 0 takes a free one, one that is left out
            is the default.
        store: the file; None keeps spans in memory.
        max_spans: spans kept.
        token: what readers must send; needed when the host is not loopback.
    """

    host: str = "127.0.0.1"
    ports: Mapping[str, int] = field(default_factory=dict)
    store: Path | None = None
    max_spans: int = 500_000
    token: str = ""


class Listener(NamedTuple):
    """One port: what it is for, its number, and why it could not be opened, "" when it was."""

    name: str
    title: str
    host: str
    port: int
    problem: str = ""

    @property
    def address(self) -> str:
        """``host:port``, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Viewer:
    """The whole viewer, running from its construction until :meth:`close`; a context manager.

    A port that cannot be opened is in :attr:`listeners` with its problem; the rest runs.

    Raises:
        StoreError: the store cannot be opened.
        ValueError: the host is not loopback, and there is no token.
    """

    def __init__(self, settings: Settings) -> None:
        if not settings.token and not is_loopback(settings.host):
            raise ValueError(f"{settings.host} is not loopback, so a token is needed")
        self._settings = settings
        self.listeners: list[Listener] = []
        self._closers: list[Callable[[], None]] = []
        self.store = Store(settings.store, settings.max_spans)
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        """The page's address, with the token where one is needed; "" when it has no port."""
        page = next(item for item in self.listeners if item.name == "page")
        if page.problem:
            return ""
        # What follows the # stays in the browser.
        fragment = f"#token={self._settings.token}" if self._settings.token else ""
        return f"http://{page.address}/{fragment}"

    def port(self, name: str) -> int:
        """Return the number of a port in :data:`PORTS`."""
        return next(item.port for item in self.listeners if item.name == name)

    def status(self) -> dict[str, Any]:
        """Return the state of the viewer, which the page shows."""
        return {
            **self.store.counts(),
            "max_spans": self._settings.max_spans,
            "store": "" if self._settings.store is None else str(self._settings.store),
            "version": __version__,
            "listeners": [
                {
                    "name": item.name,
                    "title": item.title,
                    "address": item.address,
                    "problem": item.problem,
                }
                for item in self.listeners
            ],
        }

    def close(self) -> None:
        """Stop receiving, then write what was received."""
        while self._closers:
            self._closers.pop()()
        self.store.close()

    def __enter__(self) -> Viewer:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _start(self) -> None:
        sockets: dict[str, socket.socket] = {}
        try:
            for name, port in PORTS.items():
                number = self._settings.ports.get(name, port.default)
                problem = ""
                try:
                    number = self._listen(name, port.kind, number, sockets)
                except (OSError, UnicodeError) as error:
                    problem = _reason(error)
                listener = Listener(name, port.title, self._settings.host, number, problem)
                self.listeners.append(listener)
            self._serve(sockets)
        except BaseException:
            for item in sockets.values():
                item.close()
            raise

    def _listen(self, name: str, kind: str, port: int, sockets: dict[str, socket.socket]) -> int:
        host = self._settings.host
        # For bytes that are not text, sockets would raise TypeError.
        host.encode()
        if kind == "udp":
            receiver = UDPReceiver(host, port, self.store)
            self._closers.append(receiver.close)
            return receiver.port
        if kind == "grpc":
            # gRPC does not say why an address is refused.
            _bind(host, port).close()
            address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            server, number = start_grpc_receiver(name, address, self.store)
            self._closers.append(lambda: server.stop(0.5).wait())
            return number
        sockets[name] = _bind(host, port)
        sockets[name].listen(128)
        number = sockets[name].getsockname()[1]
        return int(number)

    def _serve(self, sockets: Mapping[str, socket.socket]) -> None:
        """Run the HTTP servers in a thread of their own, and wait until they accept."""
        ready = threading.Event()
        servers: list[uvicorn.Server] = []
        stopping: list[Callable[[], object]] = []

        async def run() -> None:
            changes = Changes(self.store)
            loop = asyncio.get_running_loop()
            stopping.append(lambda: loop.call_soon_threadsafe(changes.close))
            budget = Budget()
            tasks = []
            for name, item in sockets.items():
                config = uvicorn.Config(
                    Guard(self._app(name, changes, budget), self._settings.token),
                    ws="none",
                    lifespan="off",
                    log_config=None,
                    log_level="critical",
                    access_log=False,
                    server_header=False,
                    limit_concurrency=_MAX_CONNECTIONS,
                    timeout_graceful_shutdown=1,
                )
                servers.append(uvicorn.Server(config))
                tasks.append(asyncio.create_task(servers[-1].serve([item])))
            while not all(server.started for server in servers):
                await asyncio.sleep(0.005)
            ready.set()
            await asyncio.gather(*tasks)

        thread = threading.Thread(target=lambda: asyncio.run(run()), name="ui-http", daemon=True)
        thread.start()

        def stop() -> None:
            for close in stopping:
                with contextlib.suppress(RuntimeError):
                    close()
            for server in servers:
                server.should_exit = True
            thread.join()

        self._closers.append(stop)
        if not ready.wait(_START_SECONDS):
            raise OSError(f"the HTTP servers did not start within {_START_SECONDS:g} s")

    def _app(self, name: str, changes: Changes, budget: Budget) -> Starlette:
        routes: list[BaseRoute] = []
        if name == "page":
            routes += page_api_routes(self.store, changes, self.status)
            routes += jaeger_api_routes(self.store)
            routes.append(Mount("/static", GZipMiddleware(StaticFiles(directory=_WEB))))
            routes.append(Route("/", lambda request: FileResponse(_WEB / "index.html")))
            routes.append(Route("/trace/{trace_id}", _to_page))
        else:
            routes += receiver_routes(name, self.store, budget)
            if name == "zipkin":
                routes += zipkin_api_routes(self.store)
        return Starlette(routes=routes)


def _to_page(request: Any) -> RedirectResponse:
    """Redirect the addresses of Jaeger's page to ours."""
    trace_id = "".join(filter(str.isalnum, request.path_params["trace_id"]))[:32]
    return RedirectResponse(f"/?trace={trace_id}")


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    item = socket.socket(family, socket.SOCK_STREAM)
    try:
        item.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        item.bind((host, port))
        # With SO_REUSEADDR two sockets may bind; only one may listen.
        item.listen(1)
    except BaseException:
        item.close()
        raise
    return item


def _reason(error: OSError | UnicodeError) -> str:
    # A name with a label that is too long cannot be encoded.
    if isinstance(error, UnicodeError):
        return "the host is not a name"
    return TAKEN if error.errno == errno.EADDRINUSE else error.strerror or str(error)
