from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

import bentotrace.transport._http_connections as connections_module
from bentotrace.transport.outcome import FailureKind, Outcome
from bentotrace.transport.retry import Backoff
from bentotrace.transport.tls import TLSConfig


def test_a_connection_is_kept_for_the_next_send(serve: Any, receiver: Any, http: Any) -> None:
    handler = receiver()
    server = serve(handler)
    transport = http(server.url)
    for _ in range(5):
        assert transport.send(b"x").ok
    assert server.connections == 1


def test_a_connection_that_the_server_closes_is_not_kept(
    serve: Any, receiver: Any, reply: Any, http: Any
) -> None:
    handler = receiver([reply("200 OK", b"", "Connection: close")], keep_alive=False)
    server = serve(handler)
    transport = http(server.url)
    for _ in range(3):
        outcome = transport.send(b"x")
        assert (outcome.ok, outcome.attempts) == (True, 1)
    assert server.connections == 3


@pytest.mark.parametrize("fresh_seconds", [0.0, 60.0], ids=["looked at", "not looked at"])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_a_connection_closed_while_idle_is_reopened_at_once(
    serve: Any,
    receiver: Any,
    http: Any,
    certificates: Any,
    monkeypatch: pytest.MonkeyPatch,
    fresh_seconds: float,
    secure: bool,
) -> None:
    monkeypatch.setattr(connections_module, "_FRESH_SECONDS", fresh_seconds)
    handler = receiver(keep_alive=False)  # it does not say that it closes
    server = serve(handler, context=certificates.server_context() if secure else None)
    transport = http(
        server.url.replace("127.0.0.1", "localhost"),
        tls=TLSConfig(ca_file=certificates.ca_file),
        backoff=Backoff(first=60),
    )
    for _ in range(3):
        outcome = transport.send(b"x")
        assert (outcome.ok, outcome.attempts) == (True, 1)
        assert outcome.elapsed < 0.5
        time.sleep(0.05)
    assert server.connections == 3
    assert len(handler.requests) == 3


def test_when_one_connection_has_ended_at_rest_the_others_are_not_tried(
    serve: Any, receiver: Any, http: Any
) -> None:
    both = threading.Barrier(2)
    handler = receiver(keep_alive=False)

    def handle(connection: socket.socket) -> None:
        if server.connections <= 2:
            both.wait(5)
        handler(connection)

    server = serve(handle)
    transport = http(server.url)
    threads = [threading.Thread(target=transport.send, args=(b"x",)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(transport._connections()._idle) == 2
    assert transport.send(b"x").ok
    assert len(transport._connections()._idle) == 1


def test_a_new_connection_that_breaks_off_is_a_failed_attempt(
    serve: Any, receiver: Any, reply: Any, http: Any
) -> None:
    handler = receiver([None, reply("200 OK")])
    outcome = http(serve(handler).url).send(b"x")
    assert outcome.ok
    assert outcome.attempts == 2


def test_a_server_that_only_hangs_up_is_reported(
    serve: Any, receiver: Any, http: Any, twice: Backoff
) -> None:
    outcome = http(serve(receiver([None])).url, backoff=twice).send(b"x")
    assert outcome.kind is FailureKind.DISCONNECTED
    assert outcome.attempts == 2
    assert "the server closed the connection without an answer" in outcome.reason


def test_an_old_connection_is_not_trusted(
    serve: Any, receiver: Any, http: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections_module, "_FRESH_SECONDS", 0.0)
    monkeypatch.setattr(connections_module, "_IDLE_SECONDS", 0.05)
    server = serve(receiver())
    transport = http(server.url)
    assert transport.send(b"x").ok
    time.sleep(0.1)
    assert transport.send(b"x").ok
    assert server.connections == 2


def test_many_threads_may_send_at_once(serve: Any, receiver: Any, http: Any) -> None:
    handler = receiver()
    transport = http(serve(handler).url)
    outcomes: list[Outcome] = []

    def send(number: int) -> None:
        outcomes.extend(transport.send(b"%d" % (number * 20 + turn)) for turn in range(20))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert [outcome.ok for outcome in outcomes] == [True] * 160
    assert {request.body for request in handler.requests} == {b"%d" % n for n in range(160)}


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
        thread.join(2)
        assert not thread.is_alive()


def close_during_send(transport: Any, **options: Any) -> Outcome:
    closer = threading.Timer(0.08, transport.close)
    closer.start()
    outcome: Outcome = transport.send(b"x", **options)
    closer.join()
    return outcome


def test_closing_ends_the_wait_between_attempts(http: Any, free_port: int) -> None:
    transport = http(
        f"http://127.0.0.1:{free_port}/", timeout=10, backoff=Backoff(first=5, jitter=0)
    )
    outcome = close_during_send(transport)
    assert outcome.kind is FailureKind.CLOSED
    assert outcome.reason.startswith("closed; before that: connection refused")
    assert outcome.elapsed < 1


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_closing_ends_a_send_that_waits_for_the_answer(
    serve: Any, hang: Any, http: Any, certificates: Any, secure: bool
) -> None:
    server = serve(hang, context=certificates.server_context() if secure else None)
    transport = http(
        server.url.replace("127.0.0.1", "localhost"),
        timeout=10,
        tls=TLSConfig(ca_file=certificates.ca_file),
    )
    outcome = close_during_send(transport)
    assert outcome.kind is FailureKind.CLOSED
    assert outcome.elapsed < 1


def test_closing_ends_a_send_on_a_kept_connection(
    serve: Any, reply: Any, read_head: Any, http: Any
) -> None:
    def once(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(reply("200 OK"))
        while connection.recv(1 << 20):
            pass

    server = serve(once)
    transport = http(server.url, timeout=10)
    assert transport.send(b"").ok
    outcome = close_during_send(transport)
    assert outcome.kind is FailureKind.CLOSED
    assert outcome.elapsed < 1
    assert server.connections == 1


def test_closing_ends_a_tls_handshake(serve: Any, hang: Any, http: Any) -> None:
    server = serve(hang)
    outcome = close_during_send(http(f"https://127.0.0.1:{server.port}/", timeout=10))
    assert outcome.kind is FailureKind.CLOSED
    assert outcome.elapsed < 1


def test_closing_ends_a_name_resolution(http: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    original = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
        if options.get("flags"):
            raise socket.gaierror(socket.EAI_NONAME, "not numeric")
        if host == "collector.test":
            released.wait(5)
        return original("127.0.0.1", *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    outcome = close_during_send(http("http://collector.test/", timeout=10))
    released.set()
    assert outcome.kind is FailureKind.CLOSED
    assert outcome.elapsed < 1


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
        outcome = close_during_send(http(f"http://127.0.0.1:{port}/", timeout=10))
        for sock in waiting:
            sock.close()
    assert outcome.kind is FailureKind.CLOSED
    assert outcome.elapsed < 1


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
    transport._connections()._lock.acquire()
pid = os.fork()
if pid == 0:
    ok = all(transport.send(b"child %d" % turn).ok for turn in range(2))
    if "close" in sys.argv:
        transport.close()
    os._exit(0 if ok else 1)
_, status = os.waitpid(pid, 0)
if "locked" in sys.argv:
    transport._connections()._lock.release()
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
