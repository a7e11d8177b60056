"""An HTTP/1.1 server that hands every body to a decoder, with answers a test can script."""

from __future__ import annotations

import _thread
import socket
import socketserver
import sys
import threading
import zlib
from abc import abstractmethod
from collections import deque
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import field, frozen

from bentotrace.testing.receiver import Receiver
from bentotrace.testing.spans import ReceivedSpan, Request

if TYPE_CHECKING:
    import ssl

__all__ = ["Answer", "HTTPReceiver"]

_MAX_REQUEST_SIZE = 20 * 1024 * 1024
_JOIN_SECONDS = 5.0


@frozen
class Answer:
    """What a request is answered with.

    Attributes:
        status: the HTTP status.
        headers: headers beside ``content-length``.
        body: the body.
        delay: seconds between the request and what is done with it.
        rejected_spans: how many of the request's last spans are not kept.
    """

    status: int
    headers: Mapping[str, str] = field(factory=dict)
    body: bytes = b""
    delay: float = 0.0
    rejected_spans: int = 0


class _RefusedError(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class HTTPReceiver(Receiver):
    """A receiver of POST requests.

    Args:
        host: the address to listen on.
        port: the port to listen on; 0 takes a free one.
        ssl_context: speak TLS with it.
        max_request_size: bytes of a body, before and after decompression, that are taken; more is
            answered 413. The default is that of the OpenTelemetry Collector.

    Raises:
        OSError: the address cannot be listened on.
    """

    _path: ClassVar[str]
    _content_types: ClassVar[frozenset[str]]
    _success: ClassVar[Answer]

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
        self._answers: deque[Answer] = deque()
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
        return f"{self._scheme}://{self.address}{self._path}"

    def respond_with(
        self,
        status: int,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        delay: float = 0.0,
        times: int = 1,
    ) -> None:
        """Answer the next requests so, one after the other; then as usual again.

        Args:
            status: the HTTP status; unless it is 2xx, the spans are not kept.
            headers: headers of the answer.
            body: body of the answer.
            delay: seconds between the request and what is done with it.
            times: how many requests are answered so.
        """
        self._answers.extend([Answer(status, headers or {}, body, delay)] * times)

    @abstractmethod
    def _decode(self, body: bytes) -> list[ReceivedSpan]:
        """Decode a decompressed body; ValueError when it is malformed."""

    def _stop(self) -> None:
        self._server.shutdown()
        self._thread.join(_JOIN_SECONDS)
        self._server.close_all()

    def _receive(self, path: str, headers: dict[str, str], size: int, body: bytes) -> Answer:
        """Keep a request's spans, or refuse it, and say what to answer."""
        answer = self._next_answer()
        if answer is not None and self._closing.wait(answer.delay):
            raise ConnectionAbortedError("the receiver is closing")
        spans: list[ReceivedSpan] = []
        try:
            if size > self._max_request_size:
                raise _RefusedError(413, f"{size} bytes are more than {self._max_request_size}")
            spans = self._decode(self._check(path, headers, body))
        except (_RefusedError, ValueError) as error:
            status = error.status if isinstance(error, _RefusedError) else 400
            if status != 413:
                self._reject(path, str(error), body)
            if answer is None:
                answer = Answer(status, {"content-type": "text/plain"}, str(error).encode())
        if answer is None:
            answer = self._success
        request = Request(
            path=path,
            headers=headers,
            body_size=size,
            encoding=headers.get("content-encoding", "").lower(),
            span_count=len(spans),
            status=answer.status,
            body=body,
        )
        kept = len(spans) - answer.rejected_spans if 200 <= answer.status < 300 else 0
        self._store(request, spans[: max(kept, 0)])
        return answer

    def _next_answer(self) -> Answer | None:
        try:
            return self._answers.popleft()
        except IndexError:
            return None

    def _check(self, path: str, headers: dict[str, str], body: bytes) -> bytes:
        """Check all but the body, and decompress it."""
        if path.partition("?")[0] != self._path:
            raise _RefusedError(404, f"nothing is at {path}, spans are taken at {self._path}")
        content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type not in self._content_types:
            expected = " or ".join(sorted(self._content_types))
            raise _RefusedError(415, f"content type {content_type!r}, expected {expected}")
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
    """A threading server that knows its connections, so that it can end them."""

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
        # Where gevent or eventlet patches the process later, this server goes on with these: the
        # thread that accepts connections has no event loop.
        self._start_thread = _thread.start_new_thread
        self._socket_class = socket.socket
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        # HTTPServer looks its own name up, which a machine's resolver can make slow.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def get_request(self) -> tuple[Any, Any]:
        connection: Any
        if self._start_thread is _thread.start_new_thread:
            connection, address = super().get_request()
        else:
            # accept() would make a socket of the kind that was patched in.
            number, address = self.socket._accept()  # type: ignore[attr-defined]
            connection = self._socket_class(fileno=number)
        if self.ssl_context is not None:
            try:
                # The handshake is left to the connection's thread, as a client may stall it.
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
        # A peer that goes away is its own business; anything else is a fault of the receiver.
        if not isinstance(error, OSError):
            self.receiver._reject("", f"{type(error).__name__} in the receiver: {error}")

    def close_all(self) -> None:
        """Close the listening socket and every connection, and join their threads."""
        self.server_close()
        with self._lock:
            connections = dict(self._connections)
        for connection in connections.values():
            try:
                # Not SSLSocket.shutdown, which takes the TLS state away from the thread using it.
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
                self.server.receiver._reject("", f"TLS handshake failed: {error}")
                raise
        super().setup()

    def do_POST(self) -> None:
        receiver = self.server.receiver
        length = self.headers.get("content-length")
        if length is None or not (length.isascii() and length.isdigit()):
            receiver._reject(self.path, "a request without a Content-Length")
            self._send(Answer(411, {"connection": "close"}))
            return
        size = int(length)
        body = self._read_body(size)
        if body is None:
            receiver._reject(self.path, f"the body ended before its {size} bytes")
            self.close_connection = True
            return
        self._send(receiver._receive(self.path, self._lower_headers(), size, body))

    def _read_body(self, size: int) -> bytes | None:
        """Read the body, empty if it is too large, None if it ends early."""
        if size <= self.server.receiver._max_request_size:
            body = self.rfile.read(size)
            return body if len(body) == size else None
        # Read all the same: a client that still writes would see a reset and not the answer.
        while size:
            chunk = self.rfile.read(min(size, 65536))
            if not chunk:
                return None
            size -= len(chunk)
        return b""

    def _lower_headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            key = name.lower()
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
        return headers

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Keep standard error quiet."""
