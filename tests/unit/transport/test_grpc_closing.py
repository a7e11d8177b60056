"""What closing a transport over gRPC ends, and what a fork leaves whole."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import pytest

from bentotrace.transport.outcome import FailureKind
from bentotrace.transport.retry import Backoff

from .grpc_receiver import Receiver

pytest.importorskip("grpc", reason="grpcio is not installed (extra: grpc)")


class TestClosing:
    def test_closing_before_the_first_send_and_twice_is_safe(self, transport: Any) -> None:
        sender = transport(1)
        sender.close()
        sender.close()
        outcome = sender.send(b"x")
        assert (outcome.kind, outcome.attempts) == (FailureKind.CLOSED, 0)

    def test_closing_cancels_a_call_under_way(self, serve_grpc: Any, transport: Any) -> None:
        sender = transport(serve_grpc(Receiver([60.0])), timeout=60)
        threading.Timer(0.1, sender.close).start()
        outcome = sender.send(b"x")
        assert outcome.kind is FailureKind.CLOSED
        assert outcome.elapsed < 20

    def test_closing_ends_the_wait_between_attempts(self, transport: Any, free_port: int) -> None:
        sender = transport(
            free_port,
            timeout=90,
            backoff=Backoff(first=60, longest=60, jitter=0),
            on_retry=lambda _: threading.Timer(0.1, sender.close).start(),
        )
        outcome = sender.send(b"x")
        assert outcome.kind is FailureKind.CLOSED
        assert outcome.elapsed < 20


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
