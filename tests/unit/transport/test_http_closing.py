from __future__ import annotations

import socket
import subprocess
import sys
import threading
from typing import Any

import pytest

from bentotrace.transport.outcome import FailureKind, Outcome
from bentotrace.transport.retry import Backoff
from bentotrace.transport.tls import TLSConfig


def test_closing_before_the_first_send_and_twice_is_safe(http: Any) -> None:
    transport = http("http://127.0.0.1:1/")
    transport.close()
    transport.close()
    outcome = transport.send(b"x")
    assert (outcome.ok, outcome.kind, outcome.attempts) == (False, FailureKind.CLOSED, 0)
    assert outcome.reason == "closed"


def test_closing_closes_the_kept_connections(serve: Any, receiver: Any, http: Any) -> None:
    server = serve(receiver())
    transport = http(server.url)
    assert transport.send(b"x").ok
    transport.close()
    for thread in server._threads[1:]:
        thread.join(10)
        assert not thread.is_alive()


def close_during_send(transport: Any, **options: Any) -> Outcome:
    closer = threading.Timer(0.08, transport.close)
    closer.start()
    outcome: Outcome = transport.send(b"x", **options)
    closer.join()
    return outcome


def test_closing_ends_the_wait_between_attempts(http: Any, free_port: int) -> None:
    transport = http(
        f"http://127.0.0.1:{free_port}/",
        timeout=90,
        backoff=Backoff(first=60, longest=60, jitter=0),
        on_retry=lambda _: threading.Timer(0.08, transport.close).start(),
    )
    outcome = transport.send(b"x")
    assert outcome.kind is FailureKind.CLOSED
    assert outcome.reason.startswith("closed; before that: connection refused")
    assert outcome.elapsed < 5


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_closing_ends_a_send_that_waits_for_the_answer(
    serve: Any, hang: Any, http: Any, certificates: Any, secure: bool
) -> None:
    server = serve(hang, context=certificates.server_context() if secure else None)
    transport = http(
        server.url.replace("127.0.0.1", "localhost"),
        timeout=60,
        tls=TLSConfig(ca_file=certificates.ca_file),
    )
    outcome = close_during_send(transport)
    assert outcome.kind is FailureKind.CLOSED
    assert outcome.elapsed < 5


def test_closing_ends_a_send_on_a_kept_connection(
    serve: Any, reply: Any, read_head: Any, http: Any
) -> None:
    def once(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(reply("200 OK"))
        while connection.recv(1 << 20):
            pass

    server = serve(once)
    transport = http(server.url, timeout=60)
    assert transport.send(b"").ok
    outcome = close_during_send(transport)
    assert outcome.kind is FailureKind.CLOSED
    assert outcome.elapsed < 5
    assert server.connections == 1


def test_closing_ends_a_tls_handshake(serve: Any, hang: Any, http: Any) -> None:
    server = serve(hang)
    outcome = close_during_send(http(f"https://127.0.0.1:{server.port}/", timeout=60))
    assert outcome.kind is FailureKind.CLOSED
    assert outcome.elapsed < 5


def test_closing_ends_a_name_resolution(http: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    original = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
        if options.get("flags"):
            raise socket.gaierror(socket.EAI_NONAME, "not numeric")
        if host == "collector.test":
            released.wait(60)
        return original("127.0.0.1", *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    outcome = close_during_send(http("http://collector.test/", timeout=60))
    released.set()
    assert outcome.kind is FailureKind.CLOSED
    assert outcome.elapsed < 5


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a connect cannot be interrupted")
def test_closing_ends_a_connect(http: Any) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        outcome = close_during_send(http(f"http://127.0.0.1:{port}/", timeout=60))
        for sock in waiting:
            sock.close()
    assert outcome.kind is FailureKind.CLOSED
    assert outcome.elapsed < 5


FORK = """
import os, sys, threading, warnings
warnings.simplefilter("error")
from bentotrace.transport.http import HTTPTransport
from bentotrace.transport.tls import TLSConfig

transport = HTTPTransport(
    sys.argv[1], timeout=5, content_type="a/b", user_agent="x", tls=TLSConfig(ca_file=sys.argv[2])
)
sent = [transport.send(b"parent before").ok]
if "locked" in sys.argv:
    # As if another thread were about to take a connection.
    transport._session()._lock.acquire()
pid = os.fork()
if pid == 0:
    ok = all(transport.send(b"child %d" % turn).ok for turn in range(2))
    if "close" in sys.argv:
        transport.close()
    os._exit(0 if ok else 1)
_, status = os.waitpid(pid, 0)
if "locked" in sys.argv:
    transport._session()._lock.release()
sent += [transport.send(b"parent after").ok]
transport.close()
print(status, sent)
"""


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("how", ["plain", "locked", "close"])
def test_parent_and_child_both_send_after_a_fork(
    serve: Any, receiver: Any, http: Any, certificates: Any, secure: bool, how: str
) -> None:
    handler = receiver()
    server = serve(handler, context=certificates.server_context() if secure else None)
    url = server.url.replace("127.0.0.1", "localhost")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, url, certificates.ca_file, how],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.stderr == ""
    assert done.stdout == "0 [True, True]\n"
    by_body = {request.body: request.connection for request in handler.requests}
    assert set(by_body) == {b"parent before", b"child 0", b"child 1", b"parent after"}
    assert by_body[b"parent before"] == by_body[b"parent after"]
    assert by_body[b"child 0"] == by_body[b"child 1"] != by_body[b"parent before"]


def test_a_child_of_a_closed_transport_is_closed(http: Any) -> None:
    code = (
        "import os\n"
        "from bentotrace.transport.http import HTTPTransport\n"
        "t = HTTPTransport('http://127.0.0.1:1', timeout=1, content_type='a/b', user_agent='x')\n"
        "t.close()\n"
        "pid = os.fork()\n"
        "if pid == 0: os._exit(0 if t.send(b'').kind.value == 'closed' else 1)\n"
        "print(os.waitpid(pid, 0)[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True
    )
    assert done.stdout == "0\n"
