"""A connection for HTTP/1.1, with one deadline over everything that happens on it.

A socket timeout bounds one system call; a server that sends a byte a second satisfies it for ever.
Here the timeout of every call is what is left of the whole.
"""

from __future__ import annotations

import contextlib
import select
import socket
from typing import TYPE_CHECKING, cast

from bentotrace.transport._http_answer import Answer, AnswerReader
from bentotrace.transport._resolution import Address, Resolution
from bentotrace.transport.deadline import Deadline
from bentotrace.transport.proxy import Proxy
from bentotrace.transport.tls import is_end_of_tls

if TYPE_CHECKING:
    import ssl

__all__ = ["Connection", "TunnelRefusedError", "is_disconnection"]

# A call may end this many seconds late, which spares a system call (and with it a release of the
# GIL) before most reads and writes.
_TOLERANCE = 0.02


class TunnelRefusedError(OSError):
    """A proxy opened no tunnel.

    Attributes:
        status: its answer's.
        phrase: its words for that.
    """

    def __init__(self, status: int, phrase: str) -> None:
        super().__init__(f"the tunnel was refused: {status} {phrase}")
        self.status = status
        self.phrase = phrase


class Connection:
    """A connection to a server, directly or through a proxy; ``open`` connects it.

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

    def __init__(
        self,
        host: str,
        port: int,
        *,
        proxy: Proxy | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """Connect nothing yet.

        Args:
            host: without the brackets of an IPv6 address.
            port: the server's.
            proxy: to go through, by a tunnel for TLS.
            ssl_context: for TLS with the server; None for none.
        """
        self._host = host
        self._port = port
        self._proxy = proxy
        self._ssl_context = ssl_context
        first = (host, port) if proxy is None else (proxy.host, proxy.port)
        self._resolution = Resolution(*first, socket.SOCK_STREAM)
        self._interrupted = False
        self._socket: socket.socket | None = None
        self._bare_socket: socket.socket | None = None

    @property
    def is_connected(self) -> bool:
        """Whether it is open, and the server has neither ended it nor sent anything unasked."""
        bare_socket = self._bare_socket
        return self._socket is not None and bare_socket is not None and not _can_read(bare_socket)

    def open(self, deadline: Deadline) -> None:
        """Connect; through a proxy's tunnel and with a TLS handshake where they are due.

        Raises:
            OSError: it failed, or, as TimeoutError, the deadline passed.
            NotHTTPError: what the proxy answers is not HTTP.
        """
        self.deadline = deadline
        proxy = self._proxy
        try:
            self._socket = self._connect()
            self.phase = "handshake"
            if proxy is not None and proxy.scheme == "https":
                # The server's own CA says nothing about the proxy's certificate.
                self._start_tls(_default_context(), proxy.host)
            if self._ssl_context is not None:
                if proxy is not None:
                    self._open_tunnel(proxy)
                self._start_tls(self._ssl_context, self._host)
            if self._interrupted:
                raise ConnectionAbortedError
        except BaseException:
            self.close()
            raise

    def exchange(self, request: bytes, deadline: Deadline) -> Answer:
        """Send a request in one piece and return the answer.

        Raises:
            OSError: the connection broke off, or, as TimeoutError, the deadline passed.
            NotHTTPError: the answer is not HTTP.
        """
        self.deadline = deadline
        self.answered = False
        self.phase = "sending"
        refusal: OSError | None = None
        try:
            self._send(request)
        except OSError as error:
            if not is_disconnection(error):
                raise
            # A server may answer and hang up before it has read everything, for example with 413.
            refusal = error
        self.phase = "answer"
        reader = AnswerReader(self._receive)
        try:
            head = reader.read_head()
            self.phase = "body"
            return reader.read_body(head)
        except OSError as error:
            if refusal is not None and is_disconnection(error):
                raise refusal from None
            raise

    def interrupt(self) -> None:
        """End what another thread is doing on this connection, with an :class:`OSError`."""
        self._interrupted = True
        self._resolution.interrupt()
        bare_socket = self._bare_socket
        if bare_socket is not None:
            # An SSLSocket's own shutdown() would drop its session under the other thread.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(bare_socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket, without a word to the server."""
        self._keep_for_interrupt(None)
        sock, self._socket = self._socket, None
        if sock is not None:
            sock.close()

    def _keep_for_interrupt(self, sock: socket.socket | None) -> None:
        replaced, self._bare_socket = self._bare_socket, sock
        if replaced is not None and replaced is not sock:
            replaced.close()

    def _arm(self) -> socket.socket:
        """Give the socket's next call the time that is left.

        Raises:
            TimeoutError: none is.
        """
        sock = self._socket
        if sock is None:
            raise ConnectionAbortedError
        remaining = self.deadline.remaining()
        if not remaining:
            raise TimeoutError
        timeout = sock.gettimeout()
        if timeout is None or not remaining <= timeout <= remaining + _TOLERANCE:
            sock.settimeout(remaining)
        return sock

    def _send(self, request: bytes) -> None:
        rest = memoryview(request)
        while rest:
            rest = rest[self._arm().send(rest) :]

    def _receive(self, size: int) -> bytes:
        received = bytes(self._arm().recv(size))
        if received:
            self.answered = True
        return received

    def _connect(self) -> socket.socket:
        """Connect to the first address that takes it."""
        self.phase = "resolving"
        addresses = self._resolution.addresses(self.deadline)
        self.phase = "connecting"
        failure: OSError = socket.gaierror(socket.EAI_NONAME, "it has no address")
        for position, address in enumerate(addresses):
            try:
                return self._connect_to(address, len(addresses) - position)
            except OSError as error:
                failure = error
                if self._interrupted or not self.deadline.remaining():
                    break
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

    def _open_tunnel(self, proxy: Proxy) -> None:
        self.phase = "proxy"
        target = f"[{self._host}]" if ":" in self._host else self._host
        lines = [f"CONNECT {target}:{self._port} HTTP/1.1", f"Host: {target}:{self._port}"]
        if proxy.authorization is not None:
            lines.append(f"Proxy-Authorization: {proxy.authorization}")
        self._send("\r\n".join((*lines, "", "")).encode("latin-1"))
        head = AnswerReader(self._receive).read_head()
        if not 200 <= head.status < 300:
            raise TunnelRefusedError(head.status, head.phrase)

    def _start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Put TLS on the socket, which may have it already, with the proxy."""
        self.phase = "handshake"
        sock = self._arm()
        # Neither a zone nor the root's dot is in a certificate.
        name = host.partition("%")[0].rstrip(".")
        if type(sock) is socket.socket:
            # The handshake takes the descriptor out of this object; interrupting it needs another.
            self._bare_socket = sock.dup()
            secured = self._socket = context.wrap_socket(sock, server_hostname=name)
            self._keep_for_interrupt(secured)
        else:
            # Imported here, since hardly anybody's proxy speaks TLS.
            from urllib3.util.ssltransport import SSLTransport

            # It has as much of a socket as is used here.
            self._socket = cast("socket.socket", SSLTransport(sock, context, name))


def is_disconnection(error: BaseException) -> bool:
    """Return whether the other side, or a router between, ended the connection."""
    disconnections = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
    return isinstance(error, disconnections) or is_end_of_tls(error)


def _default_context() -> ssl.SSLContext:
    import ssl

    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _can_read(sock: socket.socket) -> bool:
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([sock], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
