"""Programs that close every descriptor, as those do that become daemons."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from .udp_receiver import Receiver

DAEMON = """
import os, socket, sys

kind, port, how = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
if kind == "http":
    from bentotrace.transport.http import HTTPTransport

    transport = HTTPTransport(
        f"http://127.0.0.1:{port}/", timeout=5, content_type="a/b", user_agent="x"
    )
    send = lambda text: transport.send(text).ok
else:
    from bentotrace.transport.udp import Packing, UDPTransport

    transport = UDPTransport("127.0.0.1", port, timeout=5)
    packing = Packing(0, b"".join)
    send = lambda text: all([outcome.ok for outcome, _ in transport.send([text], packing)])

sent = [send(b"before")]
child = os.fork() if "forks" in how else 0
if child:
    status = os.waitpid(child, 0)[1]
    transport.close()
    sys.exit(os.waitstatus_to_exitcode(status))
os.closerange(3, 64)
# Two ends of each connection have the numbers of the descriptors that were closed.
pairs = [socket.socketpair() for _ in range(10)] if "opens" in how else []
sent += [send(b"after"), send(b"again")]
if "closes" in how:
    transport.close()
for pair in pairs:
    for own, other in (pair, pair[::-1]):
        own.sendall(b"ping")
        assert other.recv(100) == b"ping"
print(sent, flush=True)
if "forks" in how:
    os._exit(0)
"""


@pytest.mark.parametrize("opens", ["", "opens"])
@pytest.mark.parametrize("forks", ["", "forks"])
@pytest.mark.parametrize("kind", ["http", "udp"])
def test_a_program_that_closes_all_descriptors_loses_nothing_and_keeps_its_own(
    serve: Any, receiver: Any, kind: str, forks: str, opens: str
) -> None:
    handler, datagrams = receiver(), Receiver()
    try:
        port = serve(handler).port if kind == "http" else datagrams.port
        done = subprocess.run(
            [sys.executable, "-c", DAEMON, kind, str(port), forks, opens, "closes"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.stderr, done.stdout) == ("", "[True, True, True]\n")
        bodies = [request.body for request in handler.requests] or datagrams.wait(3)
        assert bodies == [b"before", b"after", b"again"]
    finally:
        datagrams.close()


@pytest.mark.parametrize("kind", ["http", "udp"])
def test_closing_a_transport_leaves_a_descriptor_of_the_program_open(
    serve: Any, receiver: Any, kind: str
) -> None:
    datagrams = Receiver()
    try:
        port = serve(receiver()).port if kind == "http" else datagrams.port
        script = DAEMON.replace('sent += [send(b"after"), send(b"again")]', "")
        done = subprocess.run(
            [sys.executable, "-c", script, kind, str(port), "opens", "closes"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.stderr, done.stdout) == ("", "[True]\n")
    finally:
        datagrams.close()
