"""Receivers for the benchmarks, each in a process of its own: they answer at once, and count.

Every span that the benchmarks send has one attribute of a name that is nowhere else, so that spans
are counted without decoding them.
"""

from __future__ import annotations

import re
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from attrs import frozen

__all__ = ["LENGTH", "MARK", "RECEIVERS", "Receiver"]

MARK = b"network.protocol.version"
LENGTH = re.compile(rb"(?i)content-length: *(\d+)")
_QUIET_SECONDS = 0.5


@frozen
class Receiver:
    """A receiver that runs."""

    port: int
    _process: subprocess.Popen[str]

    @classmethod
    def start(cls, kind: str) -> Receiver:
        """Start one of :data:`RECEIVERS`."""
        script = str(Path(__file__).with_name("pipeline.py"))
        process = subprocess.Popen(
            [sys.executable, script, "--receive", kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        return cls(int(process.stdout.readline()), process)

    def stop(self) -> int:
        """Stop it, and give the number of spans that came."""
        said, _ = self._process.communicate("", timeout=30)
        return int(said)


def _serve_http() -> int:
    server = socket.create_server(("127.0.0.1", 0))
    counts: list[int] = []
    threading.Thread(target=_accept, args=(server, counts), daemon=True).start()
    return _report(server.getsockname()[1], lambda: sum(counts))


def _accept(server: socket.socket, counts: list[int]) -> None:
    while True:
        connection, _ = server.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_answer, args=(connection, counts), daemon=True).start()


def _answer(connection: socket.socket, counts: list[int]) -> None:
    data = bytearray()
    while piece := connection.recv(1 << 20):
        data += piece
        while (end := data.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(data, 0, end)
            whole = end + 4 + (int(length[1]) if length is not None else 0)
            if len(data) < whole:
                break
            counts.append(data.count(MARK, 0, whole))
            del data[:whole]
            connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")


def _serve_grpc() -> int:
    from concurrent.futures import ThreadPoolExecutor

    import grpc

    counts: list[int] = []

    def take(body: bytes, _: object) -> bytes:
        counts.append(body.count(MARK))
        return b""

    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, _: object) -> object:
            return grpc.unary_unary_rpc_method_handler(take)

    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.max_receive_message_length", -1)])
    server.add_generic_rpc_handlers([Handler()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return _report(port, lambda: sum(counts))


def _serve_udp() -> int:
    # With the system's default buffer, as an agent has it.
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    counts: list[int] = []

    def take() -> None:
        while True:
            counts.append(server.recv(65_536).count(MARK))

    threading.Thread(target=take, daemon=True).start()
    return _report(server.getsockname()[1], lambda: sum(counts))


def _report(port: int, count: Callable[[], int]) -> int:
    """Say where it listens; when the input ends, and nothing more comes, say how many came."""
    print(port, flush=True)
    select.select([sys.stdin], [], [])
    before = -1
    while count() != before:
        before = count()
        time.sleep(_QUIET_SECONDS)
    print(before, flush=True)
    return 0


RECEIVERS: dict[str, Callable[[], int]] = {
    "http": _serve_http,
    "grpc": _serve_grpc,
    "udp": _serve_udp,
}
"""How each kind serves, in this process, until its standard input ends."""
