"""The receivers of Jaeger's agent: Thrift in datagrams."""

from __future__ import annotations

import contextlib
import socket
import threading

from bentotrace.ui.jaeger_thrift import decode_emit_batch
from bentotrace.ui.model import UnreadableError
from bentotrace.ui.receivers import decode_safely
from bentotrace.ui.store import Store, StoreFullError

__all__ = ["UDPReceiver"]

_LARGEST_DATAGRAM = 65_536
_BUFFER = 4 << 20
_POLL_SECONDS = 0.2


class UDPReceiver:
    """Receives calls of ``emitBatch`` in a thread; what cannot be read is dropped and counted.

    Args:
        host: the address to listen on.
        port: the port; 0 selects a free one.
        store: keeps the spans.

    Raises:
        OSError: it cannot listen on the address.
    """

    def __init__(self, host: str, port: int, store: Store) -> None:
        self._store = store
        self.dropped = 0
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            # A burst waits here while the one before it is decoded.
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        self._socket.settimeout(_POLL_SECONDS)
        self.port: int = self._socket.getsockname()[1]
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"ui-udp-{self.port}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                datagram = self._socket.recv(_LARGEST_DATAGRAM)
            except TimeoutError:
                continue
            except OSError:
                # An earlier datagram of this socket could not be delivered.
                continue
            if self._closing.is_set():
                break
            try:
                decoded = decode_safely(decode_emit_batch, datagram)
                if decoded.spans:
                    self._store.add(decoded.spans)
            except (UnreadableError, StoreFullError):
                self.dropped += 1

    def close(self) -> None:
        """Stop receiving."""
        self._closing.set()
        # Wakes the thread, which would otherwise wait until its next look at the event.
        with contextlib.suppress(OSError):
            self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()
