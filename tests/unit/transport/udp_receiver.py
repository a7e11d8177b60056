"""A receiver of datagrams, and how the tests pack them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bentotrace.transport.outcome import Outcome
from bentotrace.transport.udp import Packing, UDPTransport

PACKING = Packing(overhead=8, assemble=lambda pieces: b"<head>" + b"".join(pieces))


class Receiver:
    """A UDP server with the system's default buffer."""

    def __init__(self, family: socket.AddressFamily = socket.AF_INET) -> None:
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        self.socket.settimeout(0.05)
        self.port = self.socket.getsockname()[1]
        self.datagrams: list[bytes] = []
        self.senders: set[object] = set()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._closed.is_set():
            try:
                datagram, sender = self.socket.recvfrom(70_000)
            except TimeoutError:
                continue
            self.senders.add(sender)
            self.datagrams.append(datagram)

    def wait(self, count: int, timeout: float = 5.0) -> list[bytes]:
        deadline = time.monotonic() + timeout
        while len(self.datagrams) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        return list(self.datagrams)

    def close(self) -> None:
        self._closed.set()
        self._thread.join()
        self.socket.close()


Make = Callable[..., UDPTransport]


@contextmanager
def transports() -> Iterator[Make]:
    """Yield a function that creates transports, and close them at the end."""
    made: list[UDPTransport] = []

    def make(
        port: int,
        host: str = "127.0.0.1",
        kind: type[UDPTransport] = UDPTransport,
        **options: Any,
    ) -> UDPTransport:
        made.append(kind(host, port, timeout=30.0, **options))
        return made[-1]

    yield make
    for transport in made:
        transport.close()


def send(transport: UDPTransport, pieces: Sequence[bytes]) -> list[tuple[Outcome, list[int]]]:
    return [(outcome, list(indexes)) for outcome, indexes in transport.send(pieces, PACKING)]
