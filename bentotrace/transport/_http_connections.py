"""The connections of one transport in one process: at rest, and at work."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from bentotrace.transport.proxy import Proxy
from bentotrace.transport.tls import TLSConfig, make_ssl_context

if TYPE_CHECKING:
    import ssl

    from bentotrace.transport._http_connection import Connection

__all__ = ["Connections", "Route"]

# A connection at rest for less than this is used without a look at its socket: the look releases
# the GIL, and a connection that has ended meanwhile is reopened all the same.
_FRESH_SECONDS = 1.0
# Routers forget a silent connection without telling either end; a new one costs less than the
# timeout that a forgotten one would take.
_IDLE_SECONDS = 60.0
_IDLE_CONNECTIONS = 4


@frozen
class Route:
    """How a process reaches the endpoint.

    Attributes:
        proxy: the proxy it goes through.
        head: every request's first line and headers, without ``Content-Length``.
    """

    proxy: Proxy | None
    head: bytes = field(repr=False)


@define(eq=False, repr=False)
class Connections:
    """One process's connections, and what it takes to open more.

    Attributes:
        closed: whether the transport has been closed.
        route: how to reach the endpoint, once that is known.
    """

    closed: threading.Event = field(factory=threading.Event)
    route: Route | None = None
    _lock: threading.Lock = field(factory=threading.Lock)
    _idle: list[Connection] = field(factory=list)
    _active: set[Connection] = field(factory=set)
    _ssl_context: tuple[object, ssl.SSLContext] | None = None
    _pid: int = field(factory=os.getpid, init=False)

    def take(self) -> Connection | None:
        """Return a connection at rest that looks alive, None when there is none."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
                self._active.add(connection)
            rest = time.monotonic() - connection.idle_since
            if rest < _FRESH_SECONDS or (rest < _IDLE_SECONDS and connection.is_connected):
                return connection
            self.release(connection, reusable=False)

    def add(self, connection: Connection) -> None:
        """Count a new connection among those at work, so that ``close`` can end it."""
        with self._lock:
            self._active.add(connection)
            closed = self.closed.is_set()
        if closed:
            connection.interrupt()

    def release(self, connection: Connection, *, reusable: bool) -> None:
        """Lay a connection at work to rest, or close it; nothing when it is not at work."""
        connection.idle_since = time.monotonic()
        with self._lock:
            if connection not in self._active:
                return
            self._active.discard(connection)
            if reusable and not self.closed.is_set() and len(self._idle) < _IDLE_CONNECTIONS:
                self._idle.append(connection)
                return
        connection.close()

    def drop_idle(self) -> None:
        """Close the connections at rest."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def close(self) -> None:
        """Close every connection, and end what is under way."""
        self.closed.set()
        self.drop_idle()
        with self._lock:
            active = list(self._active)
        for connection in active:
            connection.interrupt()

    def hand_over(self, successor: Connections) -> None:
        """Close the connections, whose place others take.

        In a child the descriptors are given back without a word to the servers; the parent's
        locks are left alone.
        """
        if self.closed.is_set():
            successor.closed.set()
        if self._pid == os.getpid():
            self.close()
            return
        for connection in (*self._idle, *self._active):
            connection.close()

    def ssl_context(self, config: TLSConfig) -> ssl.SSLContext:
        """Return the context for new connections; a new one when a file was replaced."""
        version = config.version()
        if self._ssl_context is None or self._ssl_context[0] != version:
            context = make_ssl_context(config)
            context.set_alpn_protocols(["http/1.1"])
            self._ssl_context = (version, context)
        return self._ssl_context[1]
