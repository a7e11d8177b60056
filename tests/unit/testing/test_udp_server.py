"""A receiver of one's own over UDP."""

from __future__ import annotations

import socket

from bentotrace.testing import ReceivedSpan, UDPReceiver


class NameReceiver(UDPReceiver):
    message = "names"

    def decode(self, datagram: bytes) -> list[ReceivedSpan]:
        return [
            ReceivedSpan(trace_id="1", span_id="2", name=name, start_ns=0, end_ns=1)
            for name in datagram.decode("ascii").split()
        ]


def test_datagrams_are_decoded_and_what_is_malformed_is_kept() -> None:
    with (
        NameReceiver(max_packet_size=20) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        for datagram in (b"one two", b"\xff", b"x" * 21, b"three"):
            sender.sendto(datagram, (receiver.host, receiver.port))
        assert [span.name for span in receiver.wait(3)] == ["one", "two", "three"]
        assert [(error.path, error.body) for error in receiver.errors] == [
            ("names", b"\xff"),
            ("names", b"x" * 21),
        ]
        assert [request.span_count for request in receiver.requests] == [2, 0, 0, 1]
        assert receiver.endpoint == f"127.0.0.1:{receiver.port}"
