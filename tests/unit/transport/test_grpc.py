from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bentotrace.transport._proxy import basic_authorization
from bentotrace.transport.outcome import FailureKind
from bentotrace.transport.tls import TLSConfig

from ...golden import Golden
from .grpc_receiver import METHOD, Receiver

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (extra: grpc)")

from bentotrace.transport.grpc import GRPCTransport  # noqa: E402


def test_a_message_is_sent_and_the_answer_returned(serve_grpc: Any, transport: Any) -> None:
    receiver = Receiver()
    port = serve_grpc(receiver)
    outcome = transport(port).send(b"\x0a\x03abc")
    assert outcome.ok
    assert outcome.kind is None
    assert outcome.endpoint == f"127.0.0.1:{port}"
    assert (outcome.status, outcome.attempts, outcome.body) == ("OK", 1, b"answer")
    assert receiver.bodies == [b"\x0a\x03abc"]


def test_headers_and_the_user_agent_are_sent(serve_grpc: Any, transport: Any) -> None:
    receiver = Receiver()
    port = serve_grpc(receiver)
    assert transport(port, headers={"X-Tenant": "blue"}).send(b"x").ok
    assert receiver.metadata[0]["x-tenant"] == "blue"
    assert receiver.metadata[0]["user-agent"].startswith("bentotrace-tests/1 grpc-python")
    assert transport(port, headers={"User-Agent": "mine"}).send(b"x").ok
    assert receiver.metadata[1]["user-agent"].startswith("mine grpc-python")


def test_gzip_compresses_the_message(serve_grpc: Any, transport: Any) -> None:
    receiver = Receiver()
    port = serve_grpc(receiver)
    seen: list[bytes] = []
    relay = Relay(port, seen)
    body = b"span" * 10_000
    assert transport(relay.port, compression="gzip").send(body).ok
    relay.close()
    assert receiver.bodies == [body]
    assert sum(map(len, seen)) < len(gzip.compress(body)) + 2000


class Relay:
    """Passes one connection on to a server and keeps what the client says."""

    def __init__(self, port: int, seen: list[bytes]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._server = socket.create_connection(("127.0.0.1", port))
        self._seen = seen
        self._threads = [threading.Thread(target=self._forward)]
        self._threads[0].start()

    def _forward(self) -> None:
        self._client, _ = self._listener.accept()
        back = threading.Thread(target=self._back)
        self._threads.append(back)
        back.start()
        with contextlib.suppress(OSError):
            while data := self._client.recv(1 << 16):
                self._seen.append(data)
                self._server.sendall(data)

    def _back(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._server.recv(1 << 16):
                self._client.sendall(data)

    def close(self) -> None:
        for sock in (self._client, self._server):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(5)
        for sock in (self._client, self._server, self._listener):
            sock.close()


def test_transports_to_one_server_share_no_connection(
    serve: Any, hang: Any, transport: Any
) -> None:
    server = serve(hang)
    senders = [transport(server.port, timeout=60) for _ in range(2)]
    threads = [threading.Thread(target=sender.send, args=[b"x"]) for sender in senders]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 10
    while server.connections < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.connections == 2
    for sender, thread in zip(senders, threads, strict=True):
        sender.close()
        thread.join(10)


def test_a_name_that_does_not_resolve_is_told(transport: Any, once: Any) -> None:
    outcome = transport(4317, host="no..such..host", **once).send(b"x")
    assert outcome.kind is FailureKind.NAME_RESOLUTION
    assert outcome.reason.startswith("cannot resolve the host name no..such..host")


def test_a_service_that_is_not_there_is_named(serve_grpc: Any, transport: Any) -> None:
    port = serve_grpc(Receiver(method="/other.Service/Take"))
    outcome = transport(port).send(b"x")
    assert outcome.kind is FailureKind.NOT_SERVED
    assert outcome.reason.startswith(f"test.Receiver is not served at 127.0.0.1:{port} (UNIMPL")
    assert outcome.attempts == 1


def test_an_http_server_is_told_and_not_retried(serve: Any, receiver: Any, transport: Any) -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    outcome = transport(serve(answer).port).send(b"x")
    assert outcome.kind is FailureKind.PROTOCOL
    assert "does not speak gRPC" in outcome.reason
    assert outcome.attempts == 1


def test_http_to_a_grpc_server_is_told(serve_grpc: Any, http: Any, golden: Golden) -> None:
    outcome = http(f"http://127.0.0.1:{serve_grpc(Receiver())}/v1/traces").send(b"x")
    assert outcome.kind is FailureKind.PROTOCOL
    golden(outcome.reason)


def test_a_message_that_is_too_large_is_told(serve_grpc: Any, transport: Any) -> None:
    outcome = transport(serve_grpc(Receiver())).send(b"x" * 5_000_000)
    assert outcome.kind is FailureKind.TOO_LARGE
    assert outcome.attempts == 1


def test_a_header_s_value_shows_nowhere(serve_grpc: Any, transport: Any) -> None:
    refusal = (grpc.StatusCode.UNAUTHENTICATED, "token abcdef123456 is not known")
    sender = transport(
        serve_grpc(Receiver([refusal])), headers={"authorization": "Bearer abcdef123456"}
    )
    outcome = sender.send(b"x")
    assert outcome.kind is FailureKind.UNAUTHORIZED
    assert outcome.reason == "UNAUTHENTICATED: token *** is not known"
    assert "abcdef" not in repr(outcome) + str(outcome) + repr(sender)


def test_credentials_of_the_target_become_a_header_and_show_nowhere(
    serve_grpc: Any, transport: Any
) -> None:
    receiver = Receiver([(grpc.StatusCode.UNAUTHENTICATED, "s3cr3t is not known")])
    sender = transport(serve_grpc(receiver), host="user:s3cr3t@127.0.0.1")
    outcome = sender.send(b"x")
    assert receiver.metadata[0]["authorization"] == basic_authorization("user", "s3cr3t")
    assert "s3cr3t" not in repr(outcome) + str(outcome) + repr(sender)


@pytest.mark.parametrize(
    ("target", "options", "problem"),
    [
        ("", {}, "not host:port"),
        ("a b:1", {}, "not host:port"),
        ("http://localhost:4317", {}, "is a URL"),
        ("http://user:hidden@localhost:4317", {}, "is a URL"),
        ("localhost:1", {"timeout": 0}, "timeout"),
        ("localhost:1", {"compression": "deflate"}, "compression must be gzip or none"),
        ("localhost:1", {"headers": {"X-Key": "hidden\r\nb"}}, "header X-Key: "),
        ("localhost:1", {"method": "Take"}, "/package.Service/Method"),
        ("localhost:1", {"tls": TLSConfig(ca_file="/nowhere/ca.pem")}, "/nowhere/ca.pem"),
    ],
)
def test_wrong_options_are_refused_at_construction(
    target: str, options: dict[str, Any], problem: str
) -> None:
    given = {"method": METHOD, "timeout": 1, "user_agent": "x", **options}
    with pytest.raises(ValueError, match=problem) as caught:
        GRPCTransport(target, given.pop("method"), **given)
    assert "hidden" not in str(caught.value)


def test_a_relative_path_of_a_socket_begins_where_the_transport_was_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    server = grpc.server(ThreadPoolExecutor(1), handlers=(Receiver(),))
    server.add_insecure_port("unix:otlp.sock")
    server.start()
    transport = GRPCTransport("unix:otlp.sock", METHOD, timeout=3.0, user_agent="x")
    try:
        monkeypatch.chdir("/")

        assert transport.send(b"x").ok
    finally:
        transport.close()
        server.stop(None).wait()
