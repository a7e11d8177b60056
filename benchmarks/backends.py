"""Backends that fail: dead ones, and one in a process of its own that fails in turns."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from attrs import frozen
from receivers import LENGTH, MARK

__all__ = ["DEAD", "MOODS", "Backend"]

MOODS = ("healthy", "refused", "healthy", "503", "healthy", "hangs")
"""The turns that a backend takes, one after the other."""

_LOOPBACK = "127.0.0.1"


@contextmanager
def _refused() -> Iterator[int]:
    with _bound(0) as kept:
        yield kept.getsockname()[1]


@contextmanager
def _black_hole() -> Iterator[int]:
    with ExitStack() as opened:
        listener = opened.enter_context(_bound(0))
        listener.listen(0)
        # From the first that does not get through, the system answers nobody any more.
        while True:
            filler = opened.enter_context(socket.socket())
            filler.settimeout(0.3)
            try:
                filler.connect(listener.getsockname())
            except TimeoutError:
                break
        yield listener.getsockname()[1]


@contextmanager
def _hangs() -> Iterator[int]:
    with _bound(0) as listener:
        # The system accepts, and nobody ever reads.
        listener.listen(64)
        yield listener.getsockname()[1]


DEAD: dict[str, Callable[[], AbstractContextManager[int]]] = {
    "refused": _refused,
    "black hole": _black_hole,
    "hangs": _hangs,
}
"""Backends that take nothing; each gives its port."""


@frozen
class Backend:
    """An HTTP backend that runs, and is in the mood that it was told last."""

    port: int
    _process: subprocess.Popen[str]

    @classmethod
    def start(cls) -> Backend:
        """Start it, healthy."""
        process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        return cls(int(process.stdout.readline()), process)

    def turn(self, mood: str) -> None:
        """Put it into one of :data:`MOODS`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{mood}\n")
        self._process.stdin.flush()
        self._process.stdout.readline()

    def stop(self) -> int:
        """Stop it, and give the number of spans that it took."""
        said, _ = self._process.communicate("", timeout=30)
        return int(said)


class _Moody:
    """Takes spans, or does not."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._counts: list[int] = []
        self._turned = threading.Condition()
        self._mood = ""
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()

    @property
    def taken(self) -> int:
        """The spans that were answered with a success."""
        return sum(self._counts)

    def turn(self, mood: str) -> None:
        """Change the mood; ends every connection, and the wait of those that hang."""
        with self._turned:
            self._mood = mood
            self._turned.notify_all()
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        if mood == "refused":
            assert self._listener is not None
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        elif self._listener is None:
            self._listener = _bound(self._port)
            self._listener.listen(64)
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._turned:
                self._open.add(connection)
            try:
                self._answer(connection)
            finally:
                with self._turned:
                    self._open.discard(connection)

    def _answer(self, connection: socket.socket) -> None:
        data = bytearray()
        while piece := connection.recv(1 << 20):
            data += piece
            end = data.find(b"\r\n\r\n")
            length = LENGTH.search(data, 0, end) if end >= 0 else None
            if length is None or len(data) < end + 4 + int(length[1]):
                continue
            spans = data.count(MARK)
            data.clear()
            with self._turned:
                if self._mood == "hangs":
                    self._turned.wait_for(lambda: self._mood != "hangs")
                    return
                healthy = self._mood == "healthy"
            status = b"202 Accepted" if healthy else b"503 Service Unavailable"
            connection.sendall(b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % status)
            if healthy:
                self._counts.append(spans)


def _bound(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((_LOOPBACK, port))
    return made


def _main() -> int:
    """Be in the moods that come by standard input, until it ends; then say how many spans came."""
    # Bound without listening, it keeps the port while the backend refuses.
    with _bound(0) as kept:
        backend = _Moody(kept.getsockname()[1])
        backend.turn("healthy")
        print(kept.getsockname()[1], flush=True)
        for line in sys.stdin:
            backend.turn(line.strip())
            print(flush=True)
        print(backend.taken, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(_main())
