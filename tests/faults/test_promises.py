"""What every transport promises, tried on each of them; docs/transports.md lists these tests."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from bentotrace.redaction import basic_credentials

from .promises import fail, url
from .relay import http_proxy
from .transports import Transport


class TestTime:
    def test_an_export_ends_within_its_timeout(
        self, transport: Transport, service: Any, relay: Any
    ) -> None:
        with transport.receive() as receiver:
            silent = relay(receiver.port)
            silent.silence(forever=True)
            sender = service(url(silent.port), timeout=1.0)
            started = time.monotonic()
            assert not sender.send()
            assert time.monotonic() - started < 5
            assert sender.kind == "timeout"

    def test_a_wait_that_the_receiver_requests_is_kept(
        self, transport: Transport, service: Any
    ) -> None:
        with transport.receive() as receiver:
            fail(receiver, transport, 503, "UNAVAILABLE", wait=1)
            started = time.monotonic()
            assert service(url(receiver.port)).send()
            assert time.monotonic() - started >= 1

    def test_a_wait_longer_than_the_timeout_ends_the_export(
        self, transport: Transport, service: Any
    ) -> None:
        with transport.receive() as receiver:
            fail(receiver, transport, 503, "UNAVAILABLE", wait=300)
            sender = service(url(receiver.port))
            assert not sender.send()
            assert "the requested wait of 300 s exceeds" in sender.status.last_error.reason


class TestRetry:
    @pytest.mark.parametrize(
        ("status", "code"), [(429, "RESOURCE_EXHAUSTED"), (503, "UNAVAILABLE")]
    )
    def test_a_busy_receiver_is_tried_again(
        self, transport: Transport, service: Any, status: int, code: str
    ) -> None:
        with transport.receive() as receiver:
            fail(receiver, transport, status, code, wait=1)
            assert service(url(receiver.port)).send()
            assert len(receiver.requests) == 2

    @pytest.mark.parametrize(
        ("status", "code"), [(400, "INVALID_ARGUMENT"), (401, "UNAUTHENTICATED"), (500, "INTERNAL")]
    )
    def test_a_rejection_is_not_tried_again(
        self, transport: Transport, service: Any, status: int, code: str
    ) -> None:
        with transport.receive() as receiver:
            fail(receiver, transport, status, code)
            assert not service(url(receiver.port)).send()
            assert len(receiver.requests) == 1

    def test_the_next_attempt_uses_another_connection(
        self, transport: Transport, service: Any, relay: Any
    ) -> None:
        with transport.receive() as sick, transport.receive() as healthy:
            fail(sick, transport, 503, "UNAVAILABLE", times=100)
            balancer = relay(sick.port, healthy.port)
            assert service(url(balancer.port)).send()
            assert balancer.connections == 2
            assert (len(sick.requests), len(healthy.requests)) == (1, 1)

    def test_the_next_attempt_uses_another_address(
        self, transport: Transport, service: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        addresses = [(socket.AF_INET, f"127.0.0.{last}") for last in (1, 2)]
        with transport.receive() as sick, transport.receive(sick.port, host="127.0.0.2") as healthy:
            fail(sick, transport, 503, "UNAVAILABLE", times=100)
            real = socket.getaddrinfo

            def resolve(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
                if host != "localhost":
                    return real(host, port, *arguments, **options)
                kind = socket.SOCK_STREAM
                return [(family, kind, 6, "", (address, port)) for family, address in addresses]

            monkeypatch.setattr(socket, "getaddrinfo", resolve)
            assert service(url(sick.port, host="localhost")).send()
            assert len(healthy.requests) == 1


class TestConnections:
    def test_one_connection_carries_all_requests(
        self, transport: Transport, service: Any, relay: Any
    ) -> None:
        with transport.receive() as receiver:
            between = relay(receiver.port)
            sender = service(url(between.port))
            assert [sender.send() for _ in range(3)] == [True] * 3
            assert between.connections == 1

    def test_a_silent_connection_loses_one_batch_at_most(
        self, transport: Transport, service: Any, relay: Any
    ) -> None:
        with transport.receive() as receiver:
            between = relay(receiver.port)
            sender = service(url(between.port), timeout=1.0)
            assert sender.send()
            between.silence()
            sender.send()
            assert sender.send()
            assert between.connections == 2

    def test_a_connection_that_ended_loses_nothing(
        self, transport: Transport, service: Any, relay: Any
    ) -> None:
        with transport.receive() as receiver:
            between = relay(receiver.port)
            sender = service(url(between.port))
            assert sender.send()
            between.hang_up()
            assert sender.send()
            assert sender.status.failed == 0

    def test_a_receiver_that_starts_later_is_found(
        self, transport: Transport, service: Any
    ) -> None:
        with transport.receive() as receiver:
            port = receiver.port
        sender = service(url(port), timeout=2.0)
        assert not sender.send()
        assert sender.kind == "refused"
        with transport.receive(port) as receiver:
            assert sender.send()

    def test_a_unix_socket_is_reached(self, transport: Transport, service: Any, relay: Any) -> None:
        # pytest's own directories are too long for the path of a socket.
        with transport.receive() as receiver, tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "otel.sock")
            sender = service(f"unix://{path}", timeout=2.0)
            assert not sender.send()
            assert sender.kind == "refused"
            assert f"nothing listens on unix:{path}" in sender.status.last_error.reason
            relay(receiver.port, path=path)
            assert sender.send()

    def test_the_proxy_of_the_environment_is_used(
        self, transport: Transport, service: Any, relay: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with transport.receive() as receiver:
            proxy = relay(greet=http_proxy(receiver.port))
            monkeypatch.setenv("http_proxy", url(proxy.port))
            monkeypatch.setenv("https_proxy", url(1))
            assert service("http://collector.example:4318").send()
            assert proxy.connections == 1
            monkeypatch.setenv("no_proxy", "127.0.0.0/8")
            assert service(url(receiver.port)).send()
            assert proxy.connections == 1

    def test_a_proxy_that_is_away_is_named(
        self, transport: Transport, service: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with transport.receive() as receiver:
            port = receiver.port
        monkeypatch.setenv("HTTPS_PROXY", url(port))
        sender = service("https://collector.example:4318", timeout=2.0)
        assert not sender.send()
        assert sender.kind == "proxy"
        reason = f"proxy {url(port)}: connection refused: nothing listens on "
        assert sender.status.last_error.reason.startswith(reason)

    def test_a_forked_child_opens_its_own_connection(
        self, transport: Transport, service: Any, relay: Any
    ) -> None:
        program = (
            "import os, sys, bentotrace\n"
            "tracing = bentotrace.build(eval(sys.argv[1]), timeout=5.0)\n"
            "tracer = tracing.provider.get_tracer('x')\n"
            "tracer.start_span('parent').end()\n"
            "assert tracing.flush(10)\n"
            "pid = os.fork()\n"
            "tracer.start_span('after').end()\n"
            "assert tracing.flush(10)\n"
            "if not pid: os._exit(0)\n"
            "sys.exit(os.waitpid(pid, 0)[1])\n"
        )
        with transport.receive() as receiver:
            between = relay(receiver.port)
            block = transport.block("127.0.0.1", between.port)
            subprocess.run([sys.executable, "-c", program, repr(block)], check=True, timeout=60)
            assert len(receiver.wait(3)) == 3
            assert between.connections == 2


class TestMessages:
    def test_headers_and_credentials_of_the_endpoint_are_sent(
        self, transport: Transport, service: Any
    ) -> None:
        with transport.receive() as receiver:
            endpoint = f"http://user:s3cr3t@127.0.0.1:{receiver.port}"
            sender = service(endpoint, headers={"x-tenant": "iris"})
            assert sender.send()
            (request,) = receiver.requests
        assert request.headers["x-tenant"] == "iris"
        assert request.headers["authorization"] == basic_credentials("user", "s3cr3t")
        assert request.headers["user-agent"].startswith("bentotrace")
        assert "s3cr3t" not in str(sender.status)

    @pytest.mark.parametrize(
        ("status", "code", "kind"),
        [
            (401, "UNAUTHENTICATED", "unauthorized"),
            (403, "PERMISSION_DENIED", "unauthorized"),
            (404, "UNIMPLEMENTED", "not_served"),
            (500, "INTERNAL", "status"),
        ],
    )
    def test_failures_have_the_same_kinds(
        self, transport: Transport, service: Any, status: int, code: str, kind: str
    ) -> None:
        with transport.receive() as receiver:
            fail(receiver, transport, status, code)
            sender = service(url(receiver.port))
            assert not sender.send()
            assert sender.kind == kind


class TestSpans:
    def test_a_batch_that_is_too_large_is_halved(self, transport: Transport, service: Any) -> None:
        with transport.receive(max_request_size=2_000) as receiver:
            sender = service(url(receiver.port))
            tracer = sender.tracing.provider.get_tracer("service")
            for number in range(8):
                with tracer.start_as_current_span(f"work {number}") as span:
                    span.set_attribute("text", f"{number}" * 700)
            assert sender.tracing.flush(30)
            assert len(receiver.spans) == 8
            assert (sender.status.exported, sender.status.failed) == (8, 0)

    def test_every_span_is_counted_once(self, transport: Transport, service: Any) -> None:
        with transport.receive() as receiver:
            fail(receiver, transport, 400, "INVALID_ARGUMENT")
            sender = service(url(receiver.port))
            assert [sender.send() for _ in range(3)] == [False, True, True]
            status = sender.status
        assert (status.ended, status.exported, status.failed, status.pending) == (3, 2, 1, 0)

    def test_closing_ends_an_export(self, transport: Transport, service: Any, relay: Any) -> None:
        with transport.receive() as receiver:
            silent = relay(receiver.port)
            silent.silence(forever=True)
            sender = service(url(silent.port), timeout=60.0)
            sender.tracing.provider.get_tracer("service").start_span("work").end()
            started = time.monotonic()
            sender.tracing.shutdown(1)
            assert time.monotonic() - started < 10
            assert sender.status.pending == 0
