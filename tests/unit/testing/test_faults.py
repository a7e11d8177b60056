"""The faults, seen by a client that reads bytes."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from bentotrace.testing import HTTPReceiver, ReceivedSpan
from bentotrace.testing.faults import FAULTS, FaultyServer

REQUEST = (
    b"POST /any HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi"
)


class AnyReceiver(HTTPReceiver):
    path = "/any"
    content_types = frozenset({"text/plain"})

    def decode(self, body: bytes) -> list[ReceivedSpan]:
        return [ReceivedSpan(trace_id="1", span_id="2", name=body.decode(), start_ns=0, end_ns=1)]


def answer(port: int, silent_after: int | None = None) -> bytes | str:
    """Return what comes, with "open" if nothing follows that number of bytes, or "reset"."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(REQUEST)
        try:
            while len(received) < 5000:
                silent = silent_after is not None and len(received) >= silent_after
                connection.settimeout(0.5 if silent else 30)
                read = connection.recv(1 if received.startswith(b"HTTP") else 4096)
                if not read:
                    return received
                received += read
                if received.endswith(b"xxx"):
                    return f"drips after {len(received) - 3} bytes"
        except TimeoutError:
            return f"open after {len(received)} bytes"
        except ConnectionResetError:
            return "reset"
    return received


HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n"
SILENT_AFTER = {"hang": 0, "garbage": 1024}
EXPECTED: dict[str, Any] = {
    "hang": "open after 0 bytes",
    "garbage": "open after 1024 bytes",
    "drip": f"drips after {len(HALF)} bytes",
    "end_halfway": HALF,
    "reset": "reset",
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_receiver_does_a_scripted_fault_once(name: str) -> None:
    with AnyReceiver() as receiver:
        receiver.fail_with(FAULTS[name])
        assert answer(receiver.port, SILENT_AFTER.get(name)) == EXPECTED[name]
        assert receiver.spans == []
        answer(receiver.port, 1)
        assert [span.name for span in receiver.wait(1)] == ["hi"]


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_server_does_it_beside_a_receiver(name: str) -> None:
    with AnyReceiver() as receiver, FaultyServer(FAULTS[name], receiver) as server:
        assert server.endpoint == f"http://127.0.0.1:{server.port}/any"
        assert answer(server.port, SILENT_AFTER.get(name)) == EXPECTED[name]
        assert answer(server.port, SILENT_AFTER.get(name)) == EXPECTED[name]
        assert server.connections == 2
        assert receiver.requests == []
