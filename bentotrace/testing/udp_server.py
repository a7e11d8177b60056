"""A receiver of datagrams."""

from __future__ import annotations

import queue
import socket
import threading
from abc import abstractmethod
from typing import ClassVar

from bentotrace.testing.receiver import Family, ReceivedSpan, Receiver, Request

__all__ = ["UDPReceiver"]

_LARGEST_DATAGRAM = 65_536
_JOIN_SECONDS = 5.0
_QUIET_SECONDS = 0.03
_POLL_SECONDS = 0.2


class UDPReceiver(Receiver):
    """A receiver of datagrams that each hold whole spans; a subclass decodes them.

    One thread reads the socket, another decodes when no datagram has arrived for a moment, so that
    the socket's buffer is empty for a burst.

    Args:
        host: the address to listen on.
        port: the port to listen on; 0 for a free one.
        max_packet_size: maximum size of a datagram in bytes; larger ones are errors.
        receive_buffer: bytes of the socket's buffer, of which the system may grant fewer; None for
            the system's default. Linux's holds three full packets.

    Attributes:
        message: the name of a datagram's message, for ``Request.path``.

    Raises:
        OSError: it cannot listen on the address.
    """

    family: ClassVar[Family] = "udp"
    message: ClassVar[str] = ""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        max_packet_size: int = 65_507,
        receive_buffer: int | None = None,
    ) -> None:
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
            threading.Thread(target=target, name=f"{type(self).__name__}-{self.port}", daemon=True)
            for target in (self._take_datagrams, self._decode_datagrams)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def endpoint(self) -> str:
        """``host:port``."""
        return self.address

    @abstractmethod
    def decode(self, datagram: bytes) -> list[ReceivedSpan]:
        """Decode a datagram; raise ValueError if it is malformed."""

    def stop(self) -> None:
        """Stop listening and end the threads."""
        try:
            with socket.socket(self._socket.family, socket.SOCK_DGRAM) as waker:
                waker.sendto(b"", self._socket.getsockname())
        except OSError:
            pass  # the receiving thread polls anyway
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)
        self._socket.close()

    def _take_datagrams(self) -> None:
        while True:
            try:
                datagram = self._socket.recv(_LARGEST_DATAGRAM)
            except TimeoutError:
                if self._closing.is_set():
                    break
                continue
            except OSError:
                break
            # Behind all that arrived before is the empty one of close().
            if not datagram and self._closing.is_set():
                break
            self._arrival.set()
            self._datagrams.put(datagram)
        self._datagrams.put(None)

    def _decode_datagrams(self) -> None:
        while True:
            datagram = self._datagrams.get()
            # Decoding would hold the GIL while the next packets of a burst arrive.
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
                raise ValueError(f"{len(datagram)} bytes exceed {self._max_packet_size}")
            spans = self.decode(datagram)
        except ValueError as error:
            self.reject(self.message, str(error), datagram)
        request = Request(
            path=self.message,
            body_size=len(datagram),
            span_count=len(spans),
            status=0,
            body=datagram,
        )
        self.store(request, spans)
