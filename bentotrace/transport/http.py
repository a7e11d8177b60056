"""Sending over HTTP: one POST per call, on connections that are kept.

The connections are our own, because every step of a call looks at one deadline, another thread may
end it, and the GIL is released four times where the pool of urllib3 does so seven times, which in a
busy process decides how many spans are dropped.
"""

from __future__ import annotations

import logging
import os
import zlib
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Literal

from bentotrace.redaction import Redaction, url_secrets, without_credentials
from bentotrace.threads import home
from bentotrace.transport._http_answer import Answer
from bentotrace.transport._http_connection import Connection, is_disconnection
from bentotrace.transport._http_connections import Connections, Route
from bentotrace.transport._http_failure import attempt_from_answer, attempt_from_error
from bentotrace.transport.deadline import Deadline, checked_timeout
from bentotrace.transport.endpoint import parse_endpoint
from bentotrace.transport.headers import checked_headers
from bentotrace.transport.outcome import FailureKind, Outcome
from bentotrace.transport.proxy import Proxy, find_proxy
from bentotrace.transport.retry import Attempt, Backoff, send_with_retries, untold
from bentotrace.transport.suppression import suppress_instrumentation
from bentotrace.transport.tls import TLSConfig, TLSFileError

__all__ = ["HTTPTransport"]

_logger = logging.getLogger(__name__)


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
        on_retry: Callable[[Outcome], None] = untold,
        redaction: Redaction | None = None,
    ) -> None:
        """Check the options; nothing is opened but the TLS files.

        Args:
            endpoint: the whole URL; credentials in it become an ``Authorization`` header.
            timeout: seconds for one ``send``, retries and waiting included.
            content_type: what the bytes are.
            user_agent: who sends them.
            headers: more headers; they win over the transport's own.
            compression: of the request's body.
            tls: files for an https endpoint; None trusts the system's authorities.
            backoff: the waits between attempts.
            on_retry: is told of each attempt that failed and is made again.
            redaction: the secrets of the configuration, which no outcome shows; the headers and
                the credentials of endpoint and proxy are added.

        Raises:
            ValueError: an option is wrong; no message holds a header's value or credentials. A
                file that cannot be used is a :class:`~bentotrace.transport.tls.TLSFileError`.
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
        given = checked_headers(headers or {})
        overridden = {name.lower() for name in given}
        self._headers = checked_headers(
            {name: value for name, value in own.items() if name.lower() not in overridden} | given
        )
        self._redaction = (redaction or Redaction()).with_secrets(
            *given.values(), *url_secrets(endpoint)
        )
        self._redaction_of_proxy: tuple[str, Redaction] | None = None
        self._tls = tls or TLSConfig()
        if self._url.scheme == "https":
            self._tls.check()
            # Here, since the exporting thread of a busy process would take long for it.
            import_module("ssl")
        self._backoff = backoff or Backoff()
        self._on_retry = on_retry
        self._by_home: dict[object, Connections] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.endpoint!r})"

    @property
    def endpoint(self) -> str:
        """The URL, without credentials."""
        return without_credentials(str(self._url))

    def send(self, body: bytes, *, timeout: float | None = None) -> Outcome:
        """Send the bytes, and again while that may help and there is time.

        Retried are the answers 429, 502, 503 and 504, after the wait that ``Retry-After`` asks
        for, and connections that fail for another reason than TLS.

        Args:
            body: the uncompressed message.
            timeout: seconds for this call instead of the transport's.

        Raises:
            ValueError: the timeout is not a positive number.
        """
        connections = self._connections()
        prepared: list[bytes] = []

        def attempt(deadline: Deadline) -> Attempt:
            if not prepared:
                prepared.append(_gzip(body) if self._gzip else body)
            return self._attempt(connections, prepared[0], deadline)

        with suppress_instrumentation():
            return send_with_retries(
                attempt,
                endpoint=self.endpoint,
                timeout=self._timeout if timeout is None else checked_timeout(timeout),
                closed=connections.closed,
                backoff=self._backoff,
                on_retry=self._on_retry,
            )

    def close(self) -> None:
        """End every send and every connection; for good, and as often as one likes."""
        self._connections().close()

    def _connections(self) -> Connections:
        """Return the connections that were opened in this process and threading state.

        A child must not use what it inherited, not even the locks: another thread of its parent
        may have held them when it forked. A socket that is older than the patch of gevent or
        eventlet blocks every greenlet.
        """
        here = home()
        connections = self._by_home.get(here)
        if connections is None:
            connections = self._by_home.setdefault(here, Connections())
            for other in [other for other in self._by_home if other != here]:
                former = self._by_home.pop(other, None)
                if former is not None:
                    former.hand_over(connections)
        return connections

    def _attempt(self, connections: Connections, body: bytes, deadline: Deadline) -> Attempt:
        try:
            route = connections.route or self._find_route(connections)
        except ValueError as error:
            reason = self._redaction.line(str(error))
            return Attempt(ok=False, kind=FailureKind.PROXY, reason=reason)
        redaction = self._redaction_with(route.proxy)
        request = b"%bContent-Length: %d\r\n\r\n%b" % (route.head, len(body), body)
        connection: Connection | None = None
        reusable = False
        try:
            connection = connections.take()
            answer = None
            if connection is not None:
                answer = self._exchange_if_alive(connections, connection, request, deadline)
            if connection is None or answer is None:
                connection = self._new_connection(connections, route)
                connection.open(deadline)
                answer = connection.exchange(request, deadline)
            reusable = answer.reusable
            return attempt_from_answer(answer, redaction)
        except TLSFileError as error:
            return Attempt(ok=False, kind=FailureKind.TLS, reason=str(error))
        except Exception as error:
            failure = attempt_from_error(
                error,
                phase=connection.phase if connection is not None else "connecting",
                peer=str(route.proxy or self._url.peer),
                through_proxy=route.proxy is not None,
                timeout=deadline.timeout,
                redaction=redaction,
            )
            if failure.kind is FailureKind.UNEXPECTED:
                told = redaction.traceback(error)
                _logger.debug("sending to %s failed unexpectedly\n%s", self.endpoint, told)
            return failure
        finally:
            if connection is not None:
                connections.release(connection, reusable=reusable)

    def _redaction_with(self, proxy: Proxy | None) -> Redaction:
        """Return the redaction that knows the proxy's credentials too."""
        if proxy is None or proxy.authorization is None:
            return self._redaction
        known = self._redaction_of_proxy
        if known is None or known[0] != proxy.authorization:
            known = (proxy.authorization, self._redaction.with_secrets(proxy.authorization))
            self._redaction_of_proxy = known
        return known[1]

    def _exchange_if_alive(
        self, connections: Connections, connection: Connection, request: bytes, deadline: Deadline
    ) -> Answer | None:
        """Return the answer on a kept connection, None when it turns out to have ended at rest."""
        try:
            return connection.exchange(request, deadline)
        except OSError as error:
            ended_at_rest = is_disconnection(error) and not connection.answered
            if not ended_at_rest or connections.closed.is_set():
                raise
            connections.release(connection, reusable=False)
            connections.drop_idle()  # they have been at rest for longer
            return None

    def _find_route(self, connections: Connections) -> Route:
        url = self._url
        proxy = find_proxy(url.scheme, url.host, url.port, os.environ)
        headers = dict(self._headers)
        target = url.target
        if proxy is not None and url.scheme == "http":
            target = str(url)
            if proxy.authorization is not None:
                headers["Proxy-Authorization"] = proxy.authorization
        if self._gzip:
            headers["Content-Encoding"] = "gzip"
        lines = [
            f"POST {target} HTTP/1.1",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        head = "\r\n".join((*lines, "")).encode("latin-1")
        connections.route = Route(proxy, head)
        return connections.route

    def _new_connection(self, connections: Connections, route: Route) -> Connection:
        url = self._url
        connection = Connection(
            url.host,
            url.port,
            proxy=route.proxy,
            ssl_context=connections.ssl_context(self._tls) if url.scheme == "https" else None,
        )
        connections.add(connection)
        return connection


def _gzip(body: bytes) -> bytes:
    # gzip.compress() writes the time into the header, and is slow on Python 3.10.
    compressor = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return compressor.compress(body) + compressor.flush()
