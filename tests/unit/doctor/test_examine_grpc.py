"""The verdicts on what a receiver over gRPC answers."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from bentotrace.doctor.report import State
from bentotrace.doctor.verdict import StepName, Verdict

from .diagnoses import (
    AFTER_RETRIES,
    REQUEST_STEPS,
    Diagnose,
    examine_over,
    failed,
    states,
)


class TestGRPC:
    @pytest.fixture(autouse=True)
    def _needs_grpc(self) -> None:
        pytest.importorskip("grpc", reason="grpcio is not installed (extra: grpc)")

    @pytest.fixture
    def section(self, serve_grpc: Any) -> Callable[..., dict[str, Any]]:
        def section(**answer: Any) -> dict[str, Any]:
            return {
                "protocol": "grpc",
                "endpoint": f"http://localhost:{serve_grpc(None, **answer)}",
            }

        return section

    def test_a_span_that_is_taken_makes_every_step_good(
        self, section: Any, diagnose: Diagnose
    ) -> None:
        found = diagnose("otlp", section())

        assert found.verdict is Verdict.GOOD
        assert [step.name for step in found.steps] == REQUEST_STEPS
        assert set(states(found)) == {State.GOOD}

    @pytest.mark.parametrize(
        ("code", "verdict", "step"),
        [
            ("UNAUTHENTICATED", Verdict.UNAUTHENTICATED, StepName.AUTHENTICATION),
            ("PERMISSION_DENIED", Verdict.FORBIDDEN, StepName.AUTHENTICATION),
            ("UNIMPLEMENTED", Verdict.NOT_FOUND, StepName.PATH),
            ("RESOURCE_EXHAUSTED", Verdict.RATE_LIMITED, StepName.RESPONSE),
            ("UNAVAILABLE", Verdict.SERVER_ERROR, StepName.RESPONSE),
            ("INTERNAL", Verdict.SERVER_ERROR, StepName.RESPONSE),
            ("INVALID_ARGUMENT", Verdict.REJECTED, StepName.RESPONSE),
        ],
    )
    def test_a_code_that_is_no_success_fails_its_step(
        self, section: Any, diagnose: Diagnose, code: str, verdict: Verdict, step: StepName
    ) -> None:
        timeout = AFTER_RETRIES if code == "UNAVAILABLE" else 5.0
        found = diagnose("otlp", section(code=code), timeout=timeout)

        assert found.verdict is verdict
        assert failed(found) is step
        assert code in found.reason

    def test_http_to_a_grpc_port(self, section: Any, diagnose: Diagnose) -> None:
        found = diagnose("otlp", {**section(), "protocol": "http"})

        assert found.verdict is Verdict.HTTP_TO_GRPC
        assert failed(found) is StepName.PROTOCOL
        assert found.fix.startswith("Write otlp.protocol: grpc, or send to the receiver's HTTP")

    def test_an_exporter_without_grpc_is_told_its_port(
        self, section: Any, diagnose: Diagnose
    ) -> None:
        found = diagnose("zipkin", {"endpoint": section()["endpoint"]})

        assert found.verdict is Verdict.HTTP_TO_GRPC
        assert "port 9411" in found.fix

    def test_grpc_to_an_http_port(self, serve: Any, read_head: Any, diagnose: Diagnose) -> None:
        def refuse(connection: socket.socket) -> None:
            read_head(connection)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

        found = diagnose("otlp", {"protocol": "grpc", "endpoint": serve(refuse).url})

        assert found.verdict is Verdict.GRPC_TO_HTTP
        assert failed(found) is StepName.PROTOCOL
        assert found.fix.startswith("Write otlp.protocol: http, or send to the receiver's gRPC")

    def test_http_and_grpc_are_told_apart_within_tls(
        self, serve: Any, receiver: Any, serve_grpc: Any, certificates: Any, diagnose: Diagnose
    ) -> None:
        files = {"certificate_file": certificates.ca_file}
        https = serve(receiver(), context=certificates.server_context()).port
        grpcs = serve_grpc(certificates)

        to_https = examine_over(
            "grpc", diagnose, f"https://localhost:{https}", section=files, timeout=5
        )
        to_grpcs = examine_over("http", diagnose, f"https://localhost:{grpcs}", section=files)

        assert to_https.verdict is Verdict.GRPC_TO_HTTP
        assert to_grpcs.verdict is Verdict.HTTP_TO_GRPC

    def test_a_target_of_grpc_s_own_is_left_to_it(self, section: Any, diagnose: Diagnose) -> None:
        port = section()["endpoint"].rpartition(":")[2]
        endpoint = f"dns:///localhost:{port}"

        found = diagnose(
            "otlp",
            {"protocol": "grpc", "endpoint": endpoint, "grpc": {"insecure": True}},
        )

        assert found.verdict is Verdict.GOOD
        assert [step.name for step in found.steps] == [StepName.CONFIGURATION, StepName.EXPORT]

    def test_a_target_of_grpc_s_own_that_is_closed_is_named(
        self, diagnose: Diagnose, free_port: int
    ) -> None:
        endpoint = f"ipv4:127.0.0.1:{free_port}"
        found = diagnose("otlp", {"protocol": "grpc", "endpoint": endpoint}, timeout=AFTER_RETRIES)

        assert found.verdict is Verdict.CLOSED_PORT
        assert found.fix.startswith(f"Start the receiver on {endpoint}, or correct host and port")
