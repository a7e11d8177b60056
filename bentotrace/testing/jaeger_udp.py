"""The receiver of what Jaeger's agent takes: Thrift in datagrams."""

from __future__ import annotations

import queue
import socket
import threading

from bentotrace.testing.jaeger_thrift import ThriftProtocol, decode_emit_batch
from bentotrace.testing.receiver import Receiver
from bentotrace.testing.spans import Request

__all__ = ["JaegerUDPReceiver"]

_MAX_PACKET_SIZE = 65_000
_LARGEST_DATAGRAM = 65_536
_JOIN_SECONDS = 5.0
_QUIET_SECONDS = 0.03
_POLL_SECONDS = 0.2


class JaegerUDPReceiver(Receiver):
    """Receives datagrams that each hold one oneway message ``emitBatch``.

    One thread takes datagrams out of the socket, another decodes them when none came for a
    moment, so that a burst finds the socket's buffer empty.

    Args:
        host: the address to listen on.
        port: the port to listen on; 0 takes a free one.
        protocol: Thrift's protocol: "compact" as at the agent's port 6831, "binary" as at 6832.
        max_packet_size: bytes of a datagram that are taken; larger ones are errors. The default
            is the agent's.
        receive_buffer: bytes to ask the system for as the socket's buffer, which may give less;
            None leaves the system's default, as the agent does. Linux's holds three full packets.

    Raises:
        OSError: the address cannot be listened on.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        protocol: ThriftProtocol = "compact",
        max_packet_size: int = _MAX_PACKET_SIZE,
        receive_buffer: int | None = None,
    ) -> None:
        self._protocol: ThriftProtocol = protocol
        self._max_packet_size = max_packet_size
        self._datagrams: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            if receive_buffer is not None:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        self._socket.settimeout(_POLL_SECONDS)
        super().__init__(host, self._socket.getsockname()[1])
        self._arrival = threading.Event()
        self._threads = [
            threading.Thread(target=target, name=f"JaegerUDPReceiver-{self.port}", daemon=True)
            for target in (self._take_datagrams, self._decode_datagrams)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def endpoint(self) -> str:
        """``host:port``."""
        return self.address

    def _stop(self) -> None:
        try:
            with socket.socket(self._socket.family, socket.SOCK_DGRAM) as waker:
                waker.sendto(b"", self._socket.getsockname())
        except OSError:
            pass  # the receiving thread looks for itself, a moment later
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)
        self._socket.close()

    def _take_datagrams(self) -> None:
        while not self._closing.is_set():
            try:
                datagram = self._socket.recv(_LARGEST_DATAGRAM)
            except TimeoutError:
                continue
            except OSError:
                break
            if datagram or not self._closing.is_set():
                self._arrival.set()
                self._datagrams.put(datagram)
        self._datagrams.put(None)

    def _decode_datagrams(self) -> None:
        while True:
            datagram = self._datagrams.get()
            # Decoding would hold the interpreter while the next packets of a burst come.
            while self._arrival.is_set() and not self._closing.is_set():
                self._arrival.clear()
                self._closing.wait(_QUIET_SECONDS)
            if datagram is None:
                return
            self._receive(datagram)

    def _receive(self, datagram: bytes) -> None:
        spans = []
        try:
            if len(datagram) > self._max_packet_size:
                raise ValueError(f"{len(datagram)} bytes are more than {self._max_packet_size}")
            spans = decode_emit_batch(datagram, self._protocol)
        except ValueError as error:
            self._reject("emitBatch", str(error), datagram)
        request = Request(
            path="emitBatch",
            body_size=len(datagram),
            span_count=len(spans),
            status=0,
            body=datagram,
        )
        self._store(request, spans)
