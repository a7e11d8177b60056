"""urllib3's connections, with one deadline over everything that happens on them.

A socket timeout bounds one system call; a server that sends a byte a second satisfies it for ever.
Here the timeout of every call is what is left of the whole.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import ssl
from typing import TYPE_CHECKING, Any, cast

import urllib3.connection
from attrs import frozen
from urllib3.util import Url

from bentotrace.transport._resolution import Address, Resolution
from bentotrace.transport.deadline import Deadline
from bentotrace.transport.proxy import Proxy

__all__ = ["BODY_LIMIT", "Answer", "Connection", "is_disconnection", "make_connection"]

BODY_LIMIT = 64 * 1024
"""The bytes of an answer's body that are read; the rest goes with the connection."""

# A call may end this many seconds late, which spares a system call (and with it a release of the
# GIL) before most reads and writes.
_TOLERANCE = 0.02


@frozen
class Answer:
    """A server's answer.

    Attributes:
        body: its first :data:`BODY_LIMIT` bytes.
        whole: whether the body ended where the header said it would, or was cut at the limit.
        reusable: whether the connection can carry another request.
    """

    status: int
    phrase: str
    headers: http.client.HTTPMessage
    body: bytes
    whole: bool
    reusable: bool


class _DeadlineReader(io.RawIOBase):
    """Reads from the socket, each time with the time that is left."""

    def __init__(self, connection: _DeadlineMixin, raw: io.RawIOBase) -> None:
        self._connection = connection
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._connection.arm()
        count = cast("int | None", self._raw.readinto(buffer))
        if count:
            self._connection.answered = True
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


@frozen(eq=False)
class _DeadlineSocket:
    """As much of a socket as an ``HTTPResponse`` uses."""

    connection: _DeadlineMixin
    socket: socket.socket

    def makefile(self, _mode: str) -> io.BufferedReader:
        raw = cast("io.RawIOBase", self.socket.makefile("rb", buffering=0))
        return io.BufferedReader(_DeadlineReader(self.connection, raw))


if TYPE_CHECKING:
    _Base = urllib3.connection.HTTPConnection
else:
    _Base = object


class _DeadlineMixin(_Base):
    """What both kinds of connection add to urllib3's.

    Attributes:
        deadline: the end of the current call.
        phase: what is happening, for the message when the deadline passes.
        answered: whether a byte of the current answer has arrived.
        idle_since: when the last answer ended, on :func:`time.monotonic`'s clock.
    """

    deadline: Deadline
    phase = "connecting"
    answered = False
    idle_since = 0.0

    def __init__(self, host: str, port: int, **options: Any) -> None:
        super().__init__(host, port, **options)
        self._interrupted = False
        self._bare_socket: socket.socket | None = None
        self._resolution = Resolution(host, port, socket.SOCK_STREAM)

    def interrupt(self) -> None:
        """End what another thread is doing on this connection, with an :class:`OSError`."""
        self._interrupted = True
        self._resolution.interrupt()
        bare_socket = self._bare_socket
        if bare_socket is not None:
            # An SSLSocket's own shutdown() would drop its session under the other thread.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(bare_socket, socket.SHUT_RDWR)

    def arm(self) -> None:
        """Give the socket's next call the time that is left.

        Raises:
            TimeoutError: none is.
        """
        remaining = self.deadline.remaining()
        if not remaining:
            raise TimeoutError
        sock = cast("socket.socket", self.sock)
        timeout = sock.gettimeout()
        if timeout is None or not remaining <= timeout <= remaining + _TOLERANCE:
            sock.settimeout(remaining)

    def open(self, deadline: Deadline) -> None:
        """Connect; through a proxy's tunnel and with a TLS handshake where they are due."""
        self.deadline = deadline
        try:
            self.connect()
        except BaseException:
            self._keep_for_interrupt(None)
            self.close()
            raise
        # TLS within TLS is no socket, but has one.
        self._keep_for_interrupt(getattr(self.sock, "socket", self.sock))
        if self._interrupted:
            self.close()
            raise ConnectionAbortedError

    def exchange(self, request: bytes, deadline: Deadline) -> Answer:
        """Send a request in one piece and return the answer.

        Raises:
            OSError: the connection broke off, or, as TimeoutError, the deadline passed.
            http.client.HTTPException: the answer is not HTTP.
        """
        self.deadline = deadline
        self.answered = False
        self.phase = "sending"
        refusal: OSError | None = None
        try:
            self._send_whole(request)
        except OSError as error:
            if not is_disconnection(error):
                raise
            # A server may answer and hang up before it has read everything, for example with 413.
            refusal = error
        self.phase = "answer"
        try:
            return self._read_answer()
        except OSError as error:
            if refusal is not None and is_disconnection(error):
                raise refusal from None
            raise

    def _keep_for_interrupt(self, sock: socket.socket | None) -> None:
        replaced, self._bare_socket = self._bare_socket, sock
        if replaced is not None and replaced is not sock:
            replaced.close()

    def _send_whole(self, request: bytes) -> None:
        rest = memoryview(request)
        while rest:
            self.arm()
            rest = rest[cast("socket.socket", self.sock).send(rest) :]

    def _read_answer(self) -> Answer:
        response = self.response_class(self.sock, method="POST")
        try:
            response.begin()
            self.phase = "body"
            body, whole = _read_body(response)
            ended = response.isclosed()
            return Answer(
                response.status,
                response.reason,
                response.headers,
                body,
                whole,
                reusable=whole and ended and not response.will_close,
            )
        finally:
            response.close()

    # From here on: what urllib3 and http.client call while connecting.

    def response_class(  # type: ignore[override]
        self, sock: socket.socket, **options: Any
    ) -> http.client.HTTPResponse:
        return http.client.HTTPResponse(
            cast("socket.socket", _DeadlineSocket(self, sock)), **options
        )

    def send(self, data: Any) -> None:
        self.arm()
        super().send(data)

    def _new_conn(self) -> socket.socket:
        # urllib3 gives each address of a host the whole timeout, and the resolver has none.
        self.phase = "resolving"
        addresses = self._resolution.addresses(self.deadline)
        self.phase = "connecting"
        failure: OSError = socket.gaierror(socket.EAI_NONAME, "it has no address")
        for position, address in enumerate(addresses):
            try:
                sock = self._connect_to(address, len(addresses) - position)
            except OSError as error:
                failure = error
                if self._interrupted or not self.deadline.remaining():
                    break
            else:
                self.phase = "handshake"
                return sock
        try:
            raise failure
        finally:
            del failure  # or its traceback, which holds this frame, would make a cycle

    def _connect_to(self, address: Address, candidates: int) -> socket.socket:
        """Connect to one of several addresses, with its share of the time that is left."""
        family, kind, protocol, target = address
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            remaining = self.deadline.remaining()
            if not remaining:
                raise TimeoutError
            sock.settimeout(remaining / candidates)
            self._keep_for_interrupt(sock)
            if self._interrupted:
                raise ConnectionAbortedError
            sock.connect(target)
            sock.settimeout(max(self.deadline.remaining(), _TOLERANCE))
        except BaseException:
            self._keep_for_interrupt(None)
            sock.close()
            raise
        return sock

    def _tunnel(self) -> None:
        self.phase = "proxy"
        super()._tunnel()
        self.arm()
        self.phase = "handshake"


class _PlainConnection(_DeadlineMixin, urllib3.connection.HTTPConnection):
    """Without TLS, to the server or to a proxy that forwards to it."""


class _TLSConnection(_DeadlineMixin, urllib3.connection.HTTPSConnection):
    """With TLS, to the server, to the proxy, or to the server through the proxy's tunnel."""

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        # The handshake takes the descriptor out of this object; interrupting it needs another.
        self._bare_socket = sock.dup()
        return sock


Connection = _PlainConnection | _TLSConnection


def make_connection(
    scheme: str,
    host: str,
    port: int,
    *,
    proxy: Proxy | None,
    ssl_context: ssl.SSLContext | None,
) -> Connection:
    """Return a connection to a server; its ``open`` connects it.

    Args:
        scheme: ``http`` or ``https``.
        host: without the brackets of an IPv6 address.
        port: the server's.
        proxy: to go through, by a tunnel for ``https``.
        ssl_context: for ``https``.
    """
    if proxy is None:
        if scheme == "http":
            return _PlainConnection(host, port)
        return _TLSConnection(host, port, ssl_context=ssl_context)
    options: dict[str, Any] = {
        "proxy": Url(proxy.scheme, host=proxy.host, port=proxy.port),
        "proxy_config": urllib3.connection.ProxyConfig(
            # The server's own CA says nothing about the proxy's certificate.
            ssl_context=ssl.create_default_context() if proxy.scheme == "https" else None,
            use_forwarding_for_https=False,
            assert_hostname=None,
            assert_fingerprint=None,
        ),
    }
    if scheme == "http":
        if proxy.scheme == "http":
            return _PlainConnection(proxy.host, proxy.port, **options)
        context = options["proxy_config"].ssl_context
        return _TLSConnection(proxy.host, proxy.port, ssl_context=context, **options)
    connection = _TLSConnection(proxy.host, proxy.port, ssl_context=ssl_context, **options)
    connection.set_tunnel(
        f"[{host}]" if ":" in host else host,
        port,
        headers={"Proxy-Authorization": proxy.authorization} if proxy.authorization else None,
        scheme=proxy.scheme,
    )
    return connection


def is_disconnection(error: BaseException) -> bool:
    """Return whether the other side, or a router between, ended the connection."""
    return isinstance(
        error,
        (
            ConnectionResetError,
            ConnectionAbortedError,
            BrokenPipeError,
            ssl.SSLEOFError,
            ssl.SSLZeroReturnError,
        ),
    )


def _read_body(response: http.client.HTTPResponse) -> tuple[bytes, bool]:
    """Return the body up to the limit, and whether it is all there or cut by us."""
    try:
        body = response.read(BODY_LIMIT + 1)
    except http.client.IncompleteRead as error:
        return error.partial[:BODY_LIMIT], False
    if len(body) > BODY_LIMIT:
        return body[:BODY_LIMIT], True
    return body, not response.length
