from __future__ import annotations

import contextlib
import gzip
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import pytest
from attrs import Factory, define

from bentotrace.transport.outcome import FailureDetail, FailureKind
from bentotrace.transport.protobuf import length_delimited, varint
from bentotrace.transport.retry import Backoff
from bentotrace.transport.tls import TLSConfig, TLSFileError

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (extra: grpc)")

from bentotrace.transport.grpc import GRPCTransport  # noqa: E402

METHOD = "/test.Receiver/Take"


def retry_info(seconds: float) -> bytes:
    """Return a serialized google.rpc.Status with a RetryInfo."""
    nanos = varint(int(seconds % 1 * 1e9))
    info = length_delimited(1, b"\x08" + varint(int(seconds)) + b"\x10" + nanos)
    detail = length_delimited(1, b"type.googleapis.com/google.rpc.RetryInfo")
    return length_delimited(3, detail + length_delimited(2, info))


@define(eq=False)
class Receiver:
    """Answers with the replies in turn, the last one repeated.

    A reply is the answer's bytes, an error ``(code, details, trailers)``, or a number of seconds
    to take.
    """

    replies: list[Any] = Factory(lambda: [b"answer"])
    bodies: list[bytes] = Factory(list)
    metadata: list[dict[str, Any]] = Factory(list)
    times: list[float] = Factory(list)
    method: str = METHOD

    def service(self, details: Any) -> Any:
        if details.method != self.method:
            return None
        return grpc.unary_unary_rpc_method_handler(self.take)

    def take(self, body: bytes, call: Any) -> bytes:
        self.bodies.append(body)
        self.metadata.append(dict(call.invocation_metadata()))
        self.times.append(time.monotonic())
        answer = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(answer, tuple):
            code, text, *trailers = answer
            call.set_trailing_metadata(tuple(trailers))
            call.abort(code, text)
        if isinstance(answer, float):
            ended = threading.Event()
            call.add_callback(ended.set)
            ended.wait(answer)
            return b"late"
        assert isinstance(answer, bytes)
        return answer


def _loopback() -> Iterator[str]:
    """Give the addresses of localhost, as in URLs."""
    yield "127.0.0.1"
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        yield "[::1]"


@pytest.fixture
def serve_grpc() -> Iterator[Callable[..., int]]:
    """A function that starts a server and returns its port."""
    servers: list[Any] = []

    def start(receiver: Receiver, *, port: int = 0, credentials: Any = None) -> int:
        for tries_left in reversed(range(10)):
            server = grpc.server(
                futures.ThreadPoolExecutor(4),
                handlers=(receiver,),
                options=[("grpc.so_reuseport", 0)],
            )
            bound = port
            try:
                # On every address, or gRPC reports the others' failures.
                for address in _loopback():
                    if credentials is None:
                        bound = server.add_insecure_port(f"{address}:{bound}")
                    else:
                        bound = server.add_secure_port(f"{address}:{bound}", credentials)
                break
            except RuntimeError:
                # The port is free on the first address only.
                if port or not tries_left:
                    raise
        servers.append(server)
        server.start()
        return bound

    yield start
    for server in servers:
        server.stop(0).wait(5)


@pytest.fixture
def transport(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., GRPCTransport]]:
    """A function that makes a transport."""
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    made: list[GRPCTransport] = []

    def make(port: int, host: str = "127.0.0.1", **options: Any) -> GRPCTransport:
        options.setdefault("timeout", 3.0)
        options.setdefault("user_agent", "bentotrace-tests/1")
        options.setdefault("backoff", Backoff(first=0.05, longest=0.1))
        made.append(GRPCTransport(f"{host}:{port}", METHOD, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def credentials(certificates: Any, *, ask_client: bool = False) -> Any:
    pair = (Path(certificates.key_file).read_bytes(), Path(certificates.cert_file).read_bytes())
    roots = Path(certificates.ca_file).read_bytes() if ask_client else None
    return grpc.ssl_server_credentials([pair], roots, ask_client)


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


@pytest.mark.parametrize(
    "code",
    ["CANCELLED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS", "DEADLINE_EXCEEDED"],
)
def test_retryable_codes_are_retried(serve_grpc: Any, transport: Any, code: str) -> None:
    busy = (grpc.StatusCode[code], "later")
    receiver = Receiver([busy, busy, b"answer"])
    outcome = transport(serve_grpc(receiver)).send(b"x")
    assert outcome.ok
    assert outcome.attempts == 3
    assert receiver.bodies == [b"x"] * 3


@pytest.mark.parametrize(
    "code",
    [
        "INVALID_ARGUMENT",
        "UNAUTHENTICATED",
        "PERMISSION_DENIED",
        "INTERNAL",
        "UNKNOWN",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
    ],
)
def test_other_codes_are_not_retried(serve_grpc: Any, transport: Any, code: str) -> None:
    receiver = Receiver([(grpc.StatusCode[code], "because\nof that")])
    outcome = transport(serve_grpc(receiver)).send(b"x")
    assert (outcome.ok, outcome.status, outcome.attempts) == (False, code, 1)
    assert outcome.reason == f"{code}: because of that"
    assert len(receiver.bodies) == 1


@pytest.mark.parametrize("code", ["RESOURCE_EXHAUSTED", "UNAVAILABLE"])
def test_a_retry_info_is_waited_for(serve_grpc: Any, transport: Any, code: str) -> None:
    trailer = ("grpc-status-details-bin", retry_info(0.4))
    receiver = Receiver([(grpc.StatusCode[code], "slow down", trailer), b"answer"])
    outcome = transport(serve_grpc(receiver)).send(b"x")
    assert outcome.ok
    first, second = receiver.times
    assert 0.4 <= second - first < 0.8


def test_a_retry_info_past_the_timeout_ends_the_call_at_once(
    serve_grpc: Any, transport: Any
) -> None:
    trailer = ("grpc-status-details-bin", retry_info(60))
    receiver = Receiver([(grpc.StatusCode.RESOURCE_EXHAUSTED, "slow down", trailer)])
    outcome = transport(serve_grpc(receiver)).send(b"x")
    assert outcome.elapsed < 1
    assert outcome.reason == (
        "RESOURCE_EXHAUSTED: slow down; asked to wait 60 s, past the 3 s timeout"
    )


def test_a_server_that_takes_too_long_ends_at_the_deadline(serve_grpc: Any, transport: Any) -> None:
    outcome = transport(serve_grpc(Receiver([5.0])), timeout=0.3).send(b"x")
    assert outcome.kind is FailureKind.TIMEOUT
    assert outcome.status == "DEADLINE_EXCEEDED"
    assert outcome.reason == "no answer within the 0.3 s timeout"
    assert 0.3 <= outcome.elapsed < 0.6
    assert outcome.attempts == 1


def test_a_server_that_accepts_and_hangs_ends_at_the_deadline(
    serve: Any, hang: Any, transport: Any
) -> None:
    outcome = transport(serve(hang).port, timeout=5).send(b"x", timeout=0.3)
    assert outcome.kind is FailureKind.TIMEOUT
    assert 0.3 <= outcome.elapsed < 0.6


def test_transports_to_one_server_share_no_connection(
    serve: Any, hang: Any, transport: Any
) -> None:
    server = serve(hang)
    for _ in range(2):
        transport(server.port).send(b"x", timeout=0.1)
    assert server.connections == 2


def test_a_refused_connection_is_retried_until_the_time_is_over(
    transport: Any, free_port: int
) -> None:
    outcome = transport(free_port, timeout=0.4).send(b"x")
    assert outcome.kind is FailureKind.REFUSED
    assert outcome.attempts > 2
    assert outcome.elapsed < 0.6
    assert outcome.reason.startswith(
        f"connection refused: nothing listens on 127.0.0.1:{free_port}; no time"
    )


def test_a_server_that_comes_back_is_found_soon(
    serve_grpc: Any, transport: Any, free_port: int
) -> None:
    sender = transport(free_port, timeout=0.3)
    for _ in range(2):
        # gRPC may give up an attempt before it has heard of the refusal.
        assert sender.send(b"x").kind in {FailureKind.REFUSED, FailureKind.TIMEOUT}
    starter = threading.Timer(0.3, serve_grpc, args=(Receiver(),), kwargs={"port": free_port})
    starter.start()
    outcome = sender.send(b"x", timeout=5)
    starter.join()
    assert outcome.ok
    assert outcome.elapsed < 2


def test_a_name_that_does_not_resolve_is_told(transport: Any) -> None:
    outcome = transport(4317, host="no..such..host", timeout=0.3).send(b"x")
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


def test_http_to_a_grpc_server_is_told(serve_grpc: Any, http: Any) -> None:
    outcome = http(f"http://127.0.0.1:{serve_grpc(Receiver())}/v1/traces").send(b"x")
    assert outcome.kind is FailureKind.PROTOCOL
    assert outcome.reason == "the answer is HTTP/2, not HTTP/1.1; this may be a gRPC port"


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


@pytest.mark.parametrize(
    ("target", "options", "problem"),
    [
        ("", {}, "no host:port"),
        ("a b:1", {}, "no host:port"),
        ("http://localhost:4317", {}, "is a URL"),
        ("user:hidden@localhost:4317", {}, "takes no credentials"),
        ("localhost:1", {"timeout": 0}, "timeout"),
        ("localhost:1", {"compression": "deflate"}, "compression must be gzip or none"),
        ("localhost:1", {"headers": {"X-Key": "hidden\r\nb"}}, "'X-Key'"),
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


class TestTLS:
    def test_a_server_of_the_named_authority_is_trusted(
        self, serve_grpc: Any, transport: Any, certificates: Any
    ) -> None:
        port = serve_grpc(Receiver(), credentials=credentials(certificates))
        tls = TLSConfig(ca_file=certificates.ca_file)
        assert transport(port, host="localhost", tls=tls).send(b"x").ok

    def test_an_unknown_authority_is_not_trusted_and_not_retried(
        self, serve_grpc: Any, transport: Any, certificates: Any, other_certificates: Any
    ) -> None:
        port = serve_grpc(Receiver(), credentials=credentials(certificates))
        tls = TLSConfig(ca_file=other_certificates.ca_file)
        outcome = transport(port, host="localhost", tls=tls).send(b"x")
        assert outcome.kind is FailureKind.TLS
        assert outcome.reason.startswith("the server's certificate is not trusted")
        assert outcome.attempts == 1

    def test_an_expired_certificate_is_not_trusted(
        self, serve_grpc: Any, transport: Any, expired_certificates: Any
    ) -> None:
        port = serve_grpc(Receiver(), credentials=credentials(expired_certificates))
        tls = TLSConfig(ca_file=expired_certificates.ca_file)
        outcome = transport(port, host="localhost", tls=tls).send(b"x")
        assert (outcome.kind, outcome.attempts) == (FailureKind.TLS, 1)
        # Older cores do not tell.
        assert outcome.detail in {FailureDetail.CERTIFICATE_TIME, None}

    def test_a_certificate_for_another_host_is_not_trusted(
        self, serve_grpc: Any, transport: Any, certificates: Any
    ) -> None:
        port = serve_grpc(Receiver(), credentials=credentials(certificates))
        outcome = transport(port, tls=TLSConfig(ca_file=certificates.ca_file)).send(b"x")
        assert outcome.kind is FailureKind.TLS
        assert "not for the host of 127.0.0.1" in outcome.reason
        assert outcome.detail is FailureDetail.CERTIFICATE_NAME
        assert outcome.attempts == 1

    def test_a_client_certificate_is_shown(
        self, serve_grpc: Any, transport: Any, certificates: Any
    ) -> None:
        port = serve_grpc(Receiver(), credentials=credentials(certificates, ask_client=True))
        tls = TLSConfig(
            certificates.ca_file, certificates.client_cert_file, certificates.client_key_file
        )
        assert transport(port, host="localhost", tls=tls).send(b"x").ok
        without = TLSConfig(certificates.ca_file)
        outcome = transport(port, host="localhost", tls=without, timeout=0.3).send(b"x")
        assert not outcome.ok
        assert "client certificate" in outcome.reason

    def test_plaintext_and_tls_do_not_mix(
        self, serve_grpc: Any, transport: Any, certificates: Any
    ) -> None:
        secure = serve_grpc(Receiver(), credentials=credentials(certificates))
        outcome = transport(secure, timeout=0.3).send(b"x")
        assert outcome.kind is FailureKind.DISCONNECTED
        assert "it may expect TLS" in outcome.reason
        plain = serve_grpc(Receiver())
        outcome = transport(plain, tls=TLSConfig(ca_file=certificates.ca_file)).send(b"x")
        assert outcome.kind is FailureKind.TLS
        assert "does not speak TLS" in outcome.reason
        assert outcome.detail is FailureDetail.NO_TLS
        assert outcome.attempts == 1

    def test_a_file_that_has_gone_is_told(
        self, transport: Any, certificates: Any, tmp_path: Path
    ) -> None:
        ca_file = tmp_path / "ca.pem"
        ca_file.write_bytes(Path(certificates.ca_file).read_bytes())
        sender = transport(1, tls=TLSConfig(ca_file=ca_file))
        ca_file.unlink()
        outcome = sender.send(b"x")
        assert outcome.kind is FailureKind.TLS
        assert f"{ca_file} (ca_file): cannot be read" in outcome.reason

    def test_the_error_of_a_file_says_which_option_it_is(self) -> None:
        with pytest.raises(TLSFileError) as caught:
            GRPCTransport(
                "h:1", METHOD, timeout=1, user_agent="x", tls=TLSConfig(cert_file="/nowhere")
            )
        assert caught.value.option == "cert_file"


class TestClosing:
    def test_closing_before_the_first_send_and_twice_is_safe(self, transport: Any) -> None:
        sender = transport(1)
        sender.close()
        sender.close()
        outcome = sender.send(b"x")
        assert (outcome.kind, outcome.attempts) == (FailureKind.CLOSED, 0)

    def test_closing_cancels_a_call_under_way(self, serve_grpc: Any, transport: Any) -> None:
        sender = transport(serve_grpc(Receiver([5.0])), timeout=10)
        threading.Timer(0.1, sender.close).start()
        outcome = sender.send(b"x")
        assert outcome.kind is FailureKind.CLOSED
        assert outcome.elapsed < 1

    def test_closing_ends_the_wait_between_attempts(self, transport: Any, free_port: int) -> None:
        sender = transport(free_port, timeout=10, backoff=Backoff(first=8, jitter=0))
        threading.Timer(0.1, sender.close).start()
        outcome = sender.send(b"x")
        assert outcome.kind is FailureKind.CLOSED
        assert outcome.elapsed < 1


FORK = """
import os, sys, threading, time
from bentotrace.transport.grpc import GRPCTransport

transport = GRPCTransport(sys.argv[1], "/test.Receiver/Take", timeout=8, user_agent="x")
forks, busy = int(sys.argv[2]), len(sys.argv) > 3
sent = [transport.send(b"parent before").ok]
for turn in range(forks):
    if busy:
        thread = threading.Thread(target=lambda: sent.append(transport.send(b"under way").ok))
        thread.start()
        time.sleep(0.1)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if all(transport.send(b"child").ok for _ in range(2)) else 1)
    _, status = os.waitpid(pid, 0)
    if busy:
        thread.join()
    sent += [status == 0]
sent += [transport.send(b"parent after").ok]
transport.close()
print(sent)
"""


def fork(port: int, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", FORK, f"127.0.0.1:{port}", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
    )
    return f"{done.returncode} {done.stdout.strip()}"


def test_parent_and_child_both_send_after_a_fork(serve_grpc: Any) -> None:
    receiver = Receiver()
    assert fork(serve_grpc(receiver), "2") == "0 [True, True, True, True]"
    assert receiver.bodies == [b"parent before", *[b"child"] * 4, b"parent after"]


def test_a_fork_in_the_middle_of_a_call_hurts_neither_parent_nor_child(serve_grpc: Any) -> None:
    class Slow(Receiver):
        def take(self, body: bytes, call: Any) -> bytes:
            if body == b"under way" and self.bodies.count(body) % 2 == 0:
                self.replies.insert(0, 5.0)
            return super().take(body, call)

    receiver = Slow()
    assert fork(serve_grpc(receiver), "2", "busy") == f"0 {[True] * 6}"
    assert receiver.bodies.count(b"under way") == 4
    assert receiver.bodies.count(b"child") == 4
