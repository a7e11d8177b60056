"""A connection for HTTP/1.1, with one deadline for connecting, sending and receiving.

A socket timeout bounds one system call: a server that sends a byte a second never exceeds it. Here
each call gets the time left until the deadline, another thread may interrupt it, and a request is
one send. Measured with ``benchmarks/delivery.py``: with one producer no client loses spans; with
four, where each release of the GIL costs time, this one loses the fewest.
"""

from __future__ import annotations

import contextlib
import select
import socket
from typing import TYPE_CHECKING

from bentotrace.deadline import Deadline
from bentotrace.transport._descriptors import Identity, close_own, identify, is_own
from bentotrace.transport._http_response import Response, ResponseReader
from bentotrace.transport._proxy import Proxy, bracketed
from bentotrace.transport._resolution import Resolution, SocketAddress
from bentotrace.transport.tls import TLSConfig, TLSLayer, is_end_of_tls, make_ssl_context

if TYPE_CHECKING:
    import ssl

__all__ = ["Connection", "TunnelRefusedError", "is_disconnection", "make_http_context"]

# A call may end this many seconds late, which saves a system call (and a release of the GIL)
# before most reads and writes.
_TOLERANCE = 0.02
_MESSAGE_SECONDS = 1.0


class TunnelRefusedError(OSError):
    """A proxy refused to open a tunnel; ``status`` and ``phrase`` are those of its response."""

    def __init__(self, status: int, phrase: str) -> None:
        super().__init__(f"the tunnel was refused: {status} {phrase}")
        self.status = status
        self.phrase = phrase


class Connection:
    """A connection to a server, directly or through a proxy; ``open`` connects it.

    Attributes:
        phase: the current step, for the message when the deadline passes.
        response_started: whether a byte of the current response has arrived.
        idle_since: the end of the last response, on :func:`time.monotonic`'s clock.
    """

    deadline: Deadline
    phase = "connecting"
    response_started = False
    idle_since = 0.0

    def __init__(
        self,
        host: str,
        port: int,
        *,
        proxy: Proxy | None = None,
        ssl_context: ssl.SSLContext | None = None,
        proxy_context: ssl.SSLContext | None = None,
        socket_path: str | None = None,
        skip: int = 0,
    ) -> None:
        """Store the addresses.

        Args:
            host: of the server.
            port: of the server.
            proxy: None for a direct connection.
            ssl_context: for TLS with the server, None for plaintext.
            proxy_context: for TLS with the proxy, None for plaintext.
            socket_path: of a Unix socket, to which it connects instead.
            skip: the number of addresses to try last, of a host that has several.
        """
        self._host = host
        self._port = port
        self._proxy = proxy
        self._ssl_context = ssl_context
        self._proxy_context = proxy_context
        self._socket_path = socket_path
        self._skip = skip
        first = (host, port) if proxy is None else (proxy.host, proxy.port)
        self._resolution = Resolution(*first, socket.SOCK_STREAM)
        self._interrupted = False
        self._socket: socket.socket | None = None
        self._identity: Identity = None
        self._tls: TLSLayer | None = None

    @property
    def is_connected(self) -> bool:
        """Whether it is open, and the server has neither closed it nor sent unexpected data."""
        if self._socket is None or (self._tls is not None and not self._tls.is_empty):
            return False
        return is_own(self._socket, self._identity) and not _can_read(self._socket)

    def open(self, deadline: Deadline) -> None:
        """Connect, with a proxy's tunnel and a TLS handshake where needed.

        Raises:
            OSError: it failed, or, as TimeoutError, the deadline passed.
            NotHTTPError: the proxy's response is not HTTP.
        """
        self.deadline = deadline
        proxy = self._proxy
        try:
            self._connect()
            if proxy is not None and self._proxy_context is not None:
                self.phase = "proxy_handshake"
                self._start_tls(self._proxy_context, proxy.host)
            if self._ssl_context is not None:
                if proxy is not None:
                    self._open_tunnel(proxy)
                self.phase = "handshake"
                self._start_tls(self._ssl_context, self._host)
            if self._interrupted:
                raise ConnectionAbortedError
        except BaseException:
            self.close()
            raise

    def exchange(self, request: bytes, deadline: Deadline) -> Response:
        """Send a request in one piece and return the response.

        Raises:
            OSError: the connection ended, or, as TimeoutError, the deadline passed.
            NotHTTPError: the response is not HTTP.
        """
        self.deadline = deadline
        self.response_started = False
        self.phase = "sending"
        refusal: OSError | None = None
        try:
            self._send(request)
        except OSError as error:
            if not is_disconnection(error):
                raise
            # A server may respond and close before it has read everything, for example with 413.
            refusal = error
        self.phase = "response"
        reader = ResponseReader(self._receive)
        try:
            head = reader.read_head()
            self.phase = "body"
            if head.status >= 300 and deadline.remaining() > _MESSAGE_SECONDS:
                # The status decides, and the next attempt needs the time.
                self.deadline = Deadline.after(_MESSAGE_SECONDS)
            return reader.read_body(head)
        except OSError as error:
            if refusal is not None and is_disconnection(error):
                raise refusal from None
            raise

    def interrupt(self) -> None:
        """End another thread's call on this connection with an :class:`OSError`."""
        self._interrupted = True
        self._resolution.interrupt()
        sock = self._socket
        if sock is not None and is_own(sock, self._identity):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket, without a TLS shutdown."""
        sock, self._socket, self._tls = self._socket, None, None
        if sock is not None:
            close_own(sock, self._identity)

    def _limit_next_call(self) -> socket.socket:
        """Set the timeout of the socket's next call to the time left; raise TimeoutError at 0."""
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

    def _send(self, data: bytes) -> None:
        if self._tls is not None:
            self._tls.sendall(data)
        else:
            self._send_bytes(data)

    def _receive(self, size: int) -> bytes:
        tls = self._tls
        received = self._receive_bytes(size) if tls is None else tls.recv(size)
        if received:
            self.response_started = True
        return received

    def _send_bytes(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._limit_next_call().send(rest) :]

    def _receive_bytes(self, size: int) -> bytes:
        return self._limit_next_call().recv(size)

    def _connect(self) -> None:
        """Connect to the first address that accepts."""
        if self._socket_path is not None:
            return self._connect_to((socket.AF_UNIX, socket.SOCK_STREAM, 0, self._socket_path), 1)
        self.phase = "resolving"
        addresses = self._resolution.addresses(self.deadline)
        self.phase = "connecting"
        failure: OSError = socket.gaierror(socket.EAI_NONAME, "it has no address")
        skip = self._skip % max(len(addresses), 1)
        for position, address in enumerate(addresses[skip:] + addresses[:skip]):
            try:
                return self._connect_to(address, len(addresses) - position)
            except OSError as error:
                failure = error
                if self._interrupted or not self.deadline.remaining():
                    break
        try:
            raise failure
        finally:
            del failure  # its traceback holds this frame, which makes a cycle

    def _connect_to(self, address: SocketAddress, candidates: int) -> None:
        """Connect to one of several addresses, with its share of the time left."""
        family, kind, protocol, target = address
        sock = socket.socket(family, kind, protocol)
        self._socket, self._identity = sock, identify(sock)
        try:
            if self._socket_path is None:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            remaining = self.deadline.remaining()
            if not remaining:
                raise TimeoutError
            sock.settimeout(remaining / candidates)
            if self._interrupted:
                raise ConnectionAbortedError
            sock.connect(target)
            sock.settimeout(max(self.deadline.remaining(), _TOLERANCE))
        except BaseException:
            self.close()
            raise

    def _open_tunnel(self, proxy: Proxy) -> None:
        self.phase = "proxy"
        target = f"{bracketed(self._host)}:{self._port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if proxy.authorization is not None:
            lines.append(f"Proxy-Authorization: {proxy.authorization}")
        self._send("\r\n".join((*lines, "", "")).encode("latin-1"))
        head = ResponseReader(self._receive).read_head()
        if not 200 <= head.status < 300:
            raise TunnelRefusedError(head.status, head.phrase)

    def _start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Add TLS to the connection, which may have TLS with the proxy already."""
        below = self._tls
        if below is None:
            self._tls = TLSLayer(context, host, self._receive_bytes, self._send_bytes)
        else:
            self._tls = TLSLayer(context, host, below.recv, below.sendall)
        self._tls.handshake()


def is_disconnection(error: BaseException) -> bool:
    """Return whether the server, or a router in between, ended the connection."""
    disconnections = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
    return isinstance(error, disconnections) or is_end_of_tls(error)


def make_http_context(config: TLSConfig) -> ssl.SSLContext:
    """Return the TLS context of a connection.

    Raises:
        TLSFileError: a file cannot be used.
    """
    context = make_ssl_context(config)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _can_read(sock: socket.socket) -> bool:
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([sock], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
