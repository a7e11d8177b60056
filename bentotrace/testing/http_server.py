"""An HTTP/1.1 server, with responses that a test can script."""

from __future__ import annotations

import _thread
import socket
import socketserver
import sys
import threading
import zlib
from abc import abstractmethod
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import field, frozen

from bentotrace.testing.faults import HTTP_BEGINNING, Fault
from bentotrace.testing.receiver import Family, ReceivedSpan, Receiver, Request, join_headers

if TYPE_CHECKING:
    import ssl

__all__ = ["HTTPReceiver", "Response"]

_MAX_REQUEST_SIZE = 20 * 1024 * 1024
_JOIN_SECONDS = 5.0


@frozen
class Response:
    """The response to a request; see :meth:`HTTPReceiver.respond_with`.

    Attributes:
        status: the HTTP status.
        headers: its headers, apart from ``content-length``.
        body: its body.
        delay: seconds to wait before the request is processed.
        rejected_spans: number of the request's last spans that are not kept.
        fault: what is done instead of a response, if anything; the spans are not kept.
    """

    status: int
    headers: Mapping[str, str] = field(factory=dict)
    body: bytes = b""
    delay: float = 0.0
    rejected_spans: int = 0
    fault: Fault | None = None


class _RefusedError(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class HTTPReceiver(Receiver):
    """A receiver of POST requests; a subclass sets these attributes and decodes the bodies.

    Attributes:
        path: where requests are accepted; others get 404.
        content_types: those that are accepted, in lower case; others get 415.
        success: the usual response.
        family: "http".

    Args:
        host: the address to listen on.
        port: the port to listen on; 0 for a free one.
        ssl_context: for TLS; None for plaintext.
        max_request_size: maximum size of a body in bytes, before and after decompression; a larger
            one is rejected with 413. The default is that of the OpenTelemetry Collector.

    Raises:
        OSError: it cannot listen on the address.
    """

    family: ClassVar[Family] = "http"
    path: ClassVar[str] = "/"
    content_types: ClassVar[frozenset[str]]
    success: ClassVar[Response] = Response(200)

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        ssl_context: ssl.SSLContext | None = None,
        max_request_size: int = _MAX_REQUEST_SIZE,
    ) -> None:
        self._scheme = "http" if ssl_context is None else "https"
        self._max_request_size = max_request_size
        self._server = _Server(self, host, port, ssl_context)
        super().__init__(host, self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.05},
            name=f"{type(self).__name__}-{self.port}",
            daemon=True,
        )
        self._thread.start()

    @property
    def endpoint(self) -> str:
        """The URL to post to, path included."""
        return f"{self._scheme}://{self.address}{self.path}"

    def respond_with(
        self,
        status: int,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        delay: float = 0.0,
        times: int = 1,
    ) -> None:
        """Script the response to the next requests; later ones get the usual response.

        Args:
            status: the HTTP status; the spans are kept only with 2xx.
            headers: headers of the response, apart from ``content-length``.
            body: body of the response.
            delay: seconds to wait before the request is processed.
            times: the number of requests.
        """
        self._scripted.extend([Response(status, headers or {}, body, delay)] * times)

    def fail_with(self, fault: Fault, *, times: int = 1) -> None:
        """Script a fault of :mod:`bentotrace.testing.faults` instead of the next responses."""
        self._scripted.extend([Response(0, fault=fault)] * times)

    def check_request(self, path: str, headers: Mapping[str, str]) -> None:
        """Raise ValueError for a query or header that the real receiver would refuse.

        Called before :meth:`decode`, with the path and its query as sent, and the headers' names in
        lower case. Accepts every request unless a subclass overrides it.
        """

    @abstractmethod
    def decode(self, body: bytes) -> list[ReceivedSpan]:
        """Decode a decompressed body; raise ValueError if it is malformed."""

    def stop(self) -> None:
        """Stop listening and end the threads."""
        self._server.shutdown()
        self._thread.join(_JOIN_SECONDS)
        self._server.close_all()

    def _receive(self, path: str, headers: dict[str, str], size: int, body: bytes) -> Response:
        """Keep a request's spans, or reject it, and return the response."""
        response: Response | None = self._next_scripted()
        if response is not None and self._closing.wait(response.delay):
            raise ConnectionAbortedError("the receiver is closing")
        spans: list[ReceivedSpan] = []
        try:
            if size > self._max_request_size:
                raise _RefusedError(413, f"{size} bytes exceed {self._max_request_size}")
            spans = self.decode(self._check(path, headers, body))
        except (_RefusedError, ValueError) as error:
            status = error.status if isinstance(error, _RefusedError) else 400
            if status != 413:
                self.reject(path, str(error), body)
            if response is None:
                response = Response(status, {"content-type": "text/plain"}, str(error).encode())
        if response is None:
            response = self.success
        request = Request(
            path=path,
            headers=headers,
            body_size=size,
            encoding=headers.get("content-encoding", "").lower(),
            span_count=len(spans),
            status=response.status,
            body=body,
        )
        kept = len(spans) - response.rejected_spans if 200 <= response.status < 300 else 0
        self.store(request, spans[: max(kept, 0)])
        return response

    def _check(self, path: str, headers: dict[str, str], body: bytes) -> bytes:
        """Check all but the body, and decompress it."""
        if path.partition("?")[0] != self.path:
            raise _RefusedError(404, f"there is nothing at {path}; send spans to {self.path}")
        content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type not in self.content_types:
            expected = " or ".join(sorted(self.content_types))
            raise _RefusedError(415, f"content type {content_type!r}, expected {expected}")
        self.check_request(path, headers)
        encoding = headers.get("content-encoding", "identity").lower()
        if encoding == "identity":
            return body
        if encoding != "gzip":
            raise _RefusedError(415, f"content encoding {encoding!r}, expected gzip")
        return self._decompress(body)

    def _decompress(self, body: bytes) -> bytes:
        decompressor = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            plain = decompressor.decompress(body, self._max_request_size + 1)
        except zlib.error as error:
            raise ValueError(f"not gzip: {error}") from error
        if len(plain) > self._max_request_size:
            raise _RefusedError(413, f"more than {self._max_request_size} bytes decompressed")
        if not decompressor.eof:
            raise ValueError("the gzip data ends early")
        if decompressor.unused_data:
            raise ValueError(f"{len(decompressor.unused_data)} bytes after the gzip data")
        return plain


class _Server(ThreadingHTTPServer):
    """A threading server that can close its connections."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self, receiver: HTTPReceiver, host: str, port: int, ssl_context: ssl.SSLContext | None
    ) -> None:
        self.receiver = receiver
        self.ssl_context = ssl_context
        self._connections: dict[threading.Thread, Any] = {}
        self._lock = threading.Lock()
        # Kept for the case that gevent or eventlet patches the process later: the thread that
        # accepts connections has no event loop.
        self._start_thread = _thread.start_new_thread
        self._socket_class = socket.socket
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        # HTTPServer looks up its own name, which is slow with some resolvers.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def get_request(self) -> tuple[Any, Any]:
        connection: Any
        if self._start_thread is _thread.start_new_thread:
            connection, address = super().get_request()
        else:
            # accept() would return a patched socket.
            number, address = self.socket._accept()  # type: ignore[attr-defined]
            connection = self._socket_class(fileno=number)
        if self.ssl_context is not None:
            try:
                # The handshake is done in the connection's thread, because a client may stall it.
                connection = self.ssl_context.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
            except OSError:
                connection.close()
                raise
        return connection, address

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._start_thread is not _thread.start_new_thread:
            self._start_thread(self.process_request_thread, (request, client_address))
            return
        thread = threading.Thread(
            target=self._serve_connection, args=(request, client_address), daemon=True
        )
        with self._lock:
            self._connections[thread] = request
        thread.start()

    def _serve_connection(self, request: Any, client_address: Any) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._connections.pop(threading.current_thread(), None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        # A client may disconnect; any other error is the receiver's.
        if not isinstance(error, OSError):
            self.receiver.reject("", f"{type(error).__name__} in the receiver: {error}")

    def close_all(self) -> None:
        """Close the listening socket and every connection, and join their threads."""
        self.server_close()
        with self._lock:
            connections = dict(self._connections)
        for connection in connections.values():
            try:
                # SSLSocket.shutdown would remove the TLS state from the thread that uses it.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in connections:
            thread.join(_JOIN_SECONDS)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "bentotrace-testing"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def setup(self) -> None:
        if self.server.ssl_context is not None:
            try:
                self.request.do_handshake()
            except OSError as error:
                self.server.receiver.reject("", f"TLS handshake failed: {error}")
                raise
        super().setup()

    def do_POST(self) -> None:
        receiver = self.server.receiver
        length = self.headers.get("content-length")
        if length is None or not (length.isascii() and length.isdigit()):
            receiver.reject(self.path, "a request without a Content-Length")
            self._send(Response(411, {"connection": "close"}))
            return
        size = int(length)
        body = self._read_body(size)
        if body is None:
            receiver.reject(self.path, f"the body ended before its {size} bytes")
            self.close_connection = True
            return
        headers = join_headers((name.lower(), value) for name, value in self.headers.items())
        self._send(receiver._receive(self.path, headers, size, body))

    def _read_body(self, size: int) -> bytes | None:
        """Return the body: empty if it is too large, None if it ends early."""
        if size <= self.server.receiver._max_request_size:
            body = self.rfile.read(size)
            return body if len(body) == size else None
        # Read it all the same: else a client that still writes gets a reset and not the response.
        while size:
            chunk = self.rfile.read(min(size, 65536))
            if not chunk:
                return None
            size -= len(chunk)
        return b""

    def _send(self, response: Response) -> None:
        if response.fault is not None:
            self.close_connection = True
            response.fault(self.connection, HTTP_BEGINNING, self.server.receiver._closing)
            return
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(response.body)))
        self.end_headers()
        self.wfile.write(response.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Keep standard error quiet."""
