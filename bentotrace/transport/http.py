"""Sending over HTTP: one POST per call, on a connection that is reused."""

from __future__ import annotations

import logging
import os
import threading
import time
import zlib
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Literal

from attrs import define, field

from bentotrace.deadline import Deadline, checked_timeout
from bentotrace.interruptions import log_safely
from bentotrace.redaction import Redaction, url_secrets, without_credentials
from bentotrace.threads import home
from bentotrace.transport._http_connection import Connection, is_disconnection, make_http_context
from bentotrace.transport._http_failure import (
    RETRIED_STATUSES,
    attempt_from_error,
    attempt_from_response,
)
from bentotrace.transport._http_response import Response
from bentotrace.transport._proxy import Proxy, find_proxy
from bentotrace.transport._tls_files import TLSFiles
from bentotrace.transport.endpoint import parse_endpoint
from bentotrace.transport.headers import HTTP, checked_headers
from bentotrace.transport.outcome import FailureKind, Outcome
from bentotrace.transport.retry import Attempt, Backoff, ignore_retry, send_with_retries
from bentotrace.transport.tls import TLSConfig, TLSFileError, is_tls_error
from bentotrace.values import frozen

if TYPE_CHECKING:
    import ssl

__all__ = ["HTTPTransport"]

_logger = logging.getLogger(__name__)

_OWN = HTTP._replace(reserved={})
# Routers drop an idle connection silently; a new connection costs less than the timeout on a
# dropped one.
_IDLE_SECONDS = 60.0
_REQUEST_TIMEOUT = 408


class HTTPTransport:
    """Sends bytes to one URL.

    Nothing is opened before the first ``send``, in whichever process that happens; after a fork
    the child opens its own connections. Any thread may call any method.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        timeout: float,
        content_type: str,
        user_agent: str,
        headers: Mapping[str, str] | None = None,
        compression: Literal["gzip", "none"] = "none",
        tls: TLSConfig | None = None,
        backoff: Backoff | None = None,
        retried_statuses: Collection[int] | None = None,
        on_retry: Callable[[Outcome], None] = ignore_retry,
        redaction: Redaction | None = None,
    ) -> None:
        """Check the options; nothing is opened but the TLS files.

        Args:
            endpoint: the whole URL; credentials in it become an ``Authorization`` header.
            timeout: seconds for one ``send``, retries and waiting included.
            content_type: the media type of the bytes.
            user_agent: the value of ``User-Agent``.
            headers: more headers; they override ``Host``, ``User-Agent`` and ``Authorization``.
            compression: of the request's body.
            tls: files for an https endpoint; None for the system's authorities.
            backoff: the waits between attempts.
            retried_statuses: the statuses of a response after which the message is sent again; by
                default 429, 502, 503 and 504.
            on_retry: called with each failed attempt before the next one.
            redaction: the secrets of the configuration, masked in outcomes; the headers and the
                credentials of endpoint and proxy are added.

        Raises:
            ValueError: an option is invalid; the message has no header's value and no
                credentials. For a file it is a :class:`~bentotrace.transport.tls.TLSFileError`.
        """
        self._url = parse_endpoint(endpoint)
        self._timeout = checked_timeout(timeout)
        if compression not in ("gzip", "none"):
            raise ValueError(f"compression must be gzip or none, not {compression!r}")
        self._gzip = compression == "gzip"
        own = {
            "Host": self._url.netloc,
            "Accept-Encoding": "identity",
            "User-Agent": user_agent,
            "Content-Type": content_type,
        }
        if self._url.authorization is not None:
            own["Authorization"] = self._url.authorization
        custom = checked_headers(headers or {}, HTTP)
        overridden = {name.lower() for name in custom}
        own = {name: value for name, value in own.items() if name.lower() not in overridden}
        self._headers = checked_headers(own, _OWN) | custom
        self._redaction = (redaction or Redaction()).with_secrets(
            *custom.values(), *url_secrets(endpoint)
        )
        self._tls = tls or TLSConfig()
        if self._url.scheme == "https":
            self._tls.check()
            # Imported here because it would take the exporting thread of a busy process long.
            import_module("ssl")
        self._backoff = backoff or Backoff()
        self._retried = frozenset(
            RETRIED_STATUSES if retried_statuses is None else retried_statuses
        )
        for status in self._retried:
            if isinstance(status, bool) or not isinstance(status, int) or not 300 <= status < 1000:
                raise ValueError(f"retried_statuses has {status!r}, not a status from 300 to 999")
        self._on_retry = on_retry
        self._by_home: dict[object, _Session] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.endpoint!r})"

    @property
    def endpoint(self) -> str:
        """The URL, without credentials."""
        return without_credentials(str(self._url))

    def send(self, body: bytes, *, timeout: float | None = None) -> Outcome:
        """Send the bytes, with retries within the timeout.

        Responses with ``retried_statuses`` are retried, after the wait of ``Retry-After``, and
        connections that fail, except for TLS.

        Args:
            body: the uncompressed message.
            timeout: seconds for this call instead of the transport's.

        Raises:
            ValueError: the timeout is not a positive number.
        """
        session = self._session()
        prepared: list[bytes] = []

        def attempt(deadline: Deadline) -> Attempt:
            if not prepared:
                prepared.append(_gzip(body) if self._gzip else body)
            return self._attempt(session, prepared[0], deadline)

        return send_with_retries(
            attempt,
            endpoint=self.endpoint,
            timeout=self._timeout if timeout is None else checked_timeout(timeout),
            closed=session.closed,
            backoff=self._backoff,
            on_retry=self._on_retry,
        )

    def close(self) -> None:
        """End every send and close the connection, for good; may be called again."""
        self._session().close()

    def _session(self) -> _Session:
        """Return the session of this process and threading state.

        A child must not use what it inherited, locks included: another thread of its parent may
        have held them at the fork. A socket opened before gevent or eventlet patched the process
        blocks every greenlet.
        """
        here = home()
        session = self._by_home.get(here)
        if session is None:
            session = self._by_home.setdefault(
                here, _Session(TLSFiles(self._tls, make_http_context))
            )
            for other in [other for other in list(self._by_home) if other != here]:
                former = self._by_home.pop(other, None)
                if former is not None:
                    former.hand_over(session)
        return session

    def _attempt(self, session: _Session, body: bytes, deadline: Deadline) -> Attempt:
        try:
            route = session.route or self._find_route(session)
        except ValueError as error:
            reason = self._redaction.line(str(error))
            return Attempt(ok=False, kind=FailureKind.PROXY, reason=reason)
        request = b"%bContent-Length: %d\r\n\r\n%b" % (route.head, len(body), body)
        connection: Connection | None = None
        reusable = False
        try:
            connection = session.take()
            response = None
            if connection is not None:
                response = _exchange_if_alive(session, connection, request, deadline)
            if connection is None or response is None:
                connection = self._new_connection(session, route)
                connection.open(deadline)
                response = connection.exchange(request, deadline)
            attempt = attempt_from_response(response, route.redaction, self._retried)
            # Behind a balancer, another connection reaches another server.
            reusable = response.reusable and not attempt.retryable
            if attempt.retryable:
                session.skip += 1
            return attempt
        except TLSFileError as error:
            # Certificate and key may be replaced at this moment.
            return Attempt(ok=False, kind=FailureKind.TLS, reason=str(error), retryable=True)
        except Exception as error:
            session.skip += 1
            failure = attempt_from_error(
                error,
                phase=connection.phase if connection is not None else "connecting",
                peer=str(route.proxy or self._url.peer),
                through_proxy=route.proxy is not None,
                timeout=deadline.timeout,
                redaction=route.redaction,
            )
            if failure.kind is FailureKind.UNEXPECTED:
                trace = route.redaction.traceback(error)
                message = "sending to %s failed unexpectedly\n%s"
                log_safely(_logger, logging.DEBUG, message, self.endpoint, trace)
            if is_tls_error(error) and route.tls_files_are_changing:
                failure = failure._replace(retryable=True)
            return failure
        finally:
            if connection is not None:
                session.release(connection, reusable=reusable)

    def _find_route(self, session: _Session) -> _Route:
        url = self._url
        proxy = None
        if url.socket_path is None:
            proxy = find_proxy(url.scheme, url.host, url.port, os.environ)
        headers, redaction = dict(self._headers), self._redaction
        authorization = None if proxy is None else proxy.authorization
        if authorization is not None:
            redaction = redaction.with_secrets(authorization)
        target = url.target
        if proxy is not None and url.scheme == "http":
            target = str(url)
            if authorization is not None:
                headers["Proxy-Authorization"] = authorization
        if self._gzip:
            headers["Content-Encoding"] = "gzip"
        lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
        head = f"POST {target} HTTP/1.1\r\n{''.join(lines)}".encode("latin-1")
        files = session.tls_files if url.scheme == "https" else None
        proxy_files = None
        if proxy is not None and proxy.scheme == "https":
            # The files of the options are for the endpoint.
            proxy_files = TLSFiles(TLSConfig(), make_http_context)
        session.route = _Route(proxy, head, redaction, files, proxy_files)
        return session.route

    def _new_connection(self, session: _Session, route: _Route) -> Connection:
        files, proxy_files = route.tls_files, route.proxy_tls_files
        connection = Connection(
            self._url.host,
            self._url.port,
            proxy=route.proxy,
            proxy_context=None if proxy_files is None else proxy_files.current(),
            ssl_context=None if files is None else files.current(),
            socket_path=self._url.socket_path,
            skip=session.skip,
        )
        session.add(connection)
        return connection


@frozen
class _Route:
    """How a process reaches the endpoint.

    Attributes:
        proxy: None for a direct connection.
        head: every request's first line and headers, without ``Content-Length``.
        redaction: masks the proxy's credentials too.
        tls_files: None for an endpoint without TLS.
        proxy_tls_files: None without an https proxy.
    """

    proxy: Proxy | None
    head: bytes = field(repr=False)
    redaction: Redaction
    tls_files: TLSFiles[ssl.SSLContext] | None
    proxy_tls_files: TLSFiles[ssl.SSLContext] | None

    @property
    def tls_files_are_changing(self) -> bool:
        """Whether a handshake may succeed with the files that are there next."""
        both = (self.tls_files, self.proxy_tls_files)
        return any(files.are_changing() for files in both if files is not None)


@define(eq=False, repr=False)
class _Session:
    """A process's connections; one is kept for reuse, because one thread exports.

    ``skip`` counts the failed attempts: each begins with the host's next address.
    """

    tls_files: TLSFiles[ssl.SSLContext]
    closed: threading.Event = field(factory=threading.Event)
    route: _Route | None = None
    skip: int = 0
    _lock: threading.Lock = field(factory=threading.Lock)
    _kept: Connection | None = None
    _active: set[Connection] = field(factory=set)
    _pid: int = field(factory=os.getpid, init=False)

    def take(self) -> Connection | None:
        """Return the kept connection if it seems alive, else None."""
        with self._lock:
            connection, self._kept = self._kept, None
            if connection is None:
                return None
            self._active.add(connection)
        idle = time.monotonic() - connection.idle_since
        if idle < _IDLE_SECONDS and connection.is_connected:
            return connection
        self.release(connection, reusable=False)
        return None

    def add(self, connection: Connection) -> None:
        """Register a new connection, so that ``close`` can interrupt it."""
        with self._lock:
            self._active.add(connection)
            closed = self.closed.is_set()
        if closed:
            connection.interrupt()

    def release(self, connection: Connection, *, reusable: bool) -> None:
        """Keep a connection for the next send, or close it; ignore one that is not in use."""
        connection.idle_since = time.monotonic()
        with self._lock:
            if connection not in self._active:
                return
            self._active.discard(connection)
            if reusable and not self.closed.is_set() and self._kept is None:
                self._kept = connection
                return
        connection.close()

    def drop_kept(self) -> None:
        """Close the kept connection."""
        with self._lock:
            connection, self._kept = self._kept, None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """Close every connection, and interrupt those in use."""
        self.closed.set()
        self.drop_kept()
        with self._lock:
            active = list(self._active)
        for connection in active:
            connection.interrupt()

    def hand_over(self, successor: _Session) -> None:
        """Close the connections, in a child without the parent's locks; pass on ``closed``."""
        if self.closed.is_set():
            successor.closed.set()
        if self._pid == os.getpid():
            self.close()
            return
        for connection in (self._kept, *self._active):
            if connection is not None:
                connection.close()


def _exchange_if_alive(
    session: _Session, connection: Connection, request: bytes, deadline: Deadline
) -> Response | None:
    """Return the response on a kept connection, None when it had ended while idle."""
    try:
        response = connection.exchange(request, deadline)
        # A server sends 408 when no request came in time, which crosses this one on its way.
        if response.status != _REQUEST_TIMEOUT:
            return response
    except OSError as error:
        ended_while_idle = is_disconnection(error) and not connection.response_started
        if not ended_while_idle or session.closed.is_set():
            raise
    session.release(connection, reusable=False)
    return None


def _gzip(body: bytes) -> bytes:
    # gzip.compress() writes the time into the header, and is slow on Python 3.10.
    compressor = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return compressor.compress(body) + compressor.flush()
