"""The verdicts on a receiver that is not reached, directly or through a proxy."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import attrs
import pytest

from bentotrace.doctor.probe import Probe, Probes, probe
from bentotrace.doctor.report import State
from bentotrace.doctor.verdict import StepName, Verdict
from bentotrace.transport import FailureKind, Outcome
from bentotrace.transport.retry import Attempt

from .diagnoses import (
    AFTER_RETRIES,
    Diagnose,
    examine_over,
    failed,
    http,
    states,
    told,
)


class TestReaching:
    @pytest.mark.parametrize("protocol", ["http", "grpc"])
    def test_a_name_that_does_not_resolve(self, diagnose: Diagnose, protocol: str) -> None:
        found = examine_over(protocol, diagnose, "http://no..such..host:4000")

        assert found.verdict is Verdict.NAME
        assert failed(found) is StepName.RESOLUTION
        assert "cannot resolve the host name no..such..host" in found.reason
        assert "otlp.endpoint" in found.fix

    @pytest.mark.parametrize("protocol", ["http", "grpc"])
    def test_a_closed_port(self, diagnose: Diagnose, free_port: int, protocol: str) -> None:
        found = examine_over(protocol, diagnose, f"http://127.0.0.1:{free_port}")

        assert found.verdict is Verdict.CLOSED_PORT
        assert failed(found) is StepName.CONNECTION
        assert f"nothing listens on 127.0.0.1:{free_port}" in found.reason
        assert f"Start the receiver on 127.0.0.1:{free_port}" in found.fix
        assert "Within a container" in found.fix

    @pytest.mark.skipif(sys.platform != "linux", reason="how a full queue is filled is Linux's own")
    @pytest.mark.parametrize("protocol", ["http", "grpc"])
    def test_a_black_hole(self, diagnose: Diagnose, black_hole: int, protocol: str) -> None:
        found = examine_over(protocol, diagnose, f"http://127.0.0.1:{black_hole}", timeout=1)

        assert found.verdict is Verdict.NO_CONNECTION
        assert failed(found) is StepName.CONNECTION
        assert "firewall" in found.fix

    @pytest.mark.parametrize("protocol", ["http", "grpc"])
    def test_a_server_that_takes_the_connection_and_hangs(
        self, serve: Any, hang: Any, diagnose: Diagnose, protocol: str
    ) -> None:
        found = examine_over(protocol, diagnose, serve(hang).url, timeout=1)

        assert found.verdict is Verdict.NO_RESPONSE
        assert failed(found) is StepName.RESPONSE
        assert states(found)[4:7] == [State.UNKNOWN] * 3

    @pytest.mark.parametrize("protocol", ["http", "grpc"])
    def test_a_server_that_hangs_in_the_handshake(
        self, serve: Any, hang: Any, diagnose: Diagnose, protocol: str
    ) -> None:
        url = serve(hang).url.replace("http:", "https:")
        found = examine_over(protocol, diagnose, url, timeout=1)

        assert found.verdict is Verdict.NO_RESPONSE
        assert failed(found) is StepName.TLS

    @pytest.mark.parametrize("protocol", ["http", "grpc"])
    def test_a_server_that_hangs_up(self, serve: Any, diagnose: Diagnose, protocol: str) -> None:
        url = serve(lambda connection: None).url
        found = examine_over(protocol, diagnose, url, timeout=AFTER_RETRIES)

        assert found.verdict is Verdict.DISCONNECTED
        assert failed(found) is StepName.RESPONSE

    @pytest.mark.parametrize("protocol", ["http", "grpc"])
    def test_a_server_that_hangs_up_in_the_handshake(
        self, serve: Any, diagnose: Diagnose, protocol: str
    ) -> None:
        url = serve(lambda connection: None).url.replace("http:", "https:")
        found = examine_over(protocol, diagnose, url, timeout=AFTER_RETRIES)

        assert found.verdict is Verdict.DISCONNECTED
        assert failed(found) is StepName.TLS
        assert "during the TLS handshake" in told(found, StepName.TLS)

    @pytest.mark.parametrize("protocol", ["http", "grpc"])
    def test_a_proxy_that_is_away(
        self,
        diagnose: Diagnose,
        free_port: int,
        monkeypatch: pytest.MonkeyPatch,
        protocol: str,
    ) -> None:
        monkeypatch.setenv("http_proxy", f"http://user:s3cr3t-marker@127.0.0.1:{free_port}")

        found = examine_over(protocol, diagnose, "http://collector.test:4318")

        assert found.verdict is Verdict.PROXY
        assert failed(found) is StepName.CONNECTION
        assert "the proxy 127.0.0.1 is an address" in told(found, StepName.RESOLUTION)
        assert "name collector.test in no_proxy" in found.fix
        assert "s3cr3t" not in str(found)

    @pytest.mark.parametrize("protocol", ["http", "grpc"])
    def test_a_proxy_whose_name_does_not_resolve(
        self, diagnose: Diagnose, monkeypatch: pytest.MonkeyPatch, protocol: str
    ) -> None:
        monkeypatch.setenv("http_proxy", "http://no..such..host:3128")

        found = examine_over(protocol, diagnose, "http://collector.test:4318")

        assert found.verdict is Verdict.PROXY
        assert failed(found) is StepName.RESOLUTION
        assert "no..such..host" in found.reason

    @pytest.mark.parametrize("protocol", ["http", "grpc"])
    def test_a_proxy_that_refuses(
        self,
        serve: Any,
        receiver: Any,
        reply: Any,
        diagnose: Diagnose,
        monkeypatch: pytest.MonkeyPatch,
        protocol: str,
    ) -> None:
        proxy = serve(receiver([reply("407 Proxy Authentication Required")], keep_alive=False))
        monkeypatch.setenv("http_proxy", proxy.url)

        found = examine_over(protocol, diagnose, "http://collector.test:4318")

        assert found.verdict is Verdict.PROXY
        assert failed(found) is StepName.CONNECTION
        assert "407" in found.reason

    @pytest.mark.skipif(sys.platform != "linux", reason="how a full queue is filled is Linux's own")
    def test_a_proxy_that_is_a_black_hole(
        self, diagnose: Diagnose, black_hole: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{black_hole}")

        found = diagnose("otlp", http("http://collector.test:4318"), timeout=1)

        assert found.verdict is Verdict.NO_CONNECTION
        assert "correct host and port in http_proxy or https_proxy" in found.fix

    def test_an_error_may_be_the_proxy_s(
        self,
        serve: Any,
        receiver: Any,
        reply: Any,
        diagnose: Diagnose,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        proxy = serve(receiver([reply("500 Internal Server Error")]))
        monkeypatch.setenv("http_proxy", proxy.url)

        found = diagnose("otlp", http("http://collector.test:4318"))

        assert found.verdict is Verdict.SERVER_ERROR
        assert f"and that of the proxy 127.0.0.1:{proxy.port}" in found.fix

    def test_a_proxy_that_passes_on_is_told(
        self, serve: Any, receiver: Any, diagnose: Diagnose, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        proxy = serve(receiver())
        monkeypatch.setenv("http_proxy", proxy.url)

        found = diagnose("otlp", http("http://collector.test:4318"))

        assert found.verdict is Verdict.GOOD
        told_of = told(found, StepName.CONNECTION)
        assert told_of == f"connected to the proxy at 127.0.0.1:{proxy.port}"

    def test_a_proxy_that_cannot_be_used(
        self, diagnose: Diagnose, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("http_proxy", "socks5://user:s3cr3t-marker@proxy:1080")

        found = diagnose("otlp", http("http://collector.test:4318"))

        assert found.verdict is Verdict.PROXY
        assert [step.name for step in found.steps] == [StepName.CONFIGURATION, StepName.EXPORT]
        assert "s3cr3t" not in str(found)

    def test_the_export_wins_over_a_probe(
        self, serve: Any, receiver: Any, diagnose: Diagnose, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refused = Attempt(ok=False, kind=FailureKind.REFUSED, reason="not with me")
        probes = Probes(Probe("", None, 0.1), Probe("", refused, 0.1))
        module = importlib.import_module("bentotrace.doctor.examine")
        monkeypatch.setattr(module, "probe", lambda target, timeout, redaction: probes)

        found = diagnose("otlp", http(serve(receiver()).url))

        assert found.verdict is Verdict.GOOD
        assert set(states(found)) == {State.GOOD}
        assert told(found, StepName.CONNECTION) == (
            "the exporter succeeded, although a probe failed: not with me"
        )

    @pytest.mark.parametrize("kind", [None, FailureKind.UNEXPECTED])
    def test_a_probe_explains_the_failure_of_an_exporter_that_does_not_know_why(
        self, kind: FailureKind | None, diagnose: Diagnose, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = importlib.import_module("bentotrace.doctor.examine")
        unknown = Outcome(False, "", kind, reason="ConnectError()")
        real = module.export_span

        def export_span(*args: Any, **kwargs: Any) -> Any:
            return attrs.evolve(real(*args, **kwargs), outcome=unknown)

        monkeypatch.setattr(module, "export_span", export_span)

        found = diagnose("otlp", http("http://127.0.0.1:9"))

        assert found.verdict is Verdict.CLOSED_PORT
        assert told(found, StepName.CONNECTION).endswith("(ConnectError())")

    def test_the_export_wins_over_a_probe_that_trusts_otherwise(
        self,
        serve: Any,
        receiver: Any,
        certificates: Any,
        diagnose: Diagnose,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        server = serve(receiver(), context=certificates.server_context())
        files = {"certificate_file": certificates.ca_file}
        distrust = Attempt(ok=False, kind=FailureKind.TLS, reason="not with me")
        module = importlib.import_module("bentotrace.doctor.examine")

        def probe_and_distrust(target: Any, timeout: float, redaction: Any) -> Probes:
            handshake = Probe("", distrust, 0.1)
            return attrs.evolve(probe(target, timeout, redaction), handshake=handshake)

        monkeypatch.setattr(module, "probe", probe_and_distrust)

        found = diagnose("otlp", http(f"https://localhost:{server.port}", **files))

        assert found.verdict is Verdict.GOOD
        assert told(found, StepName.TLS) == (
            "the exporter succeeded, although a probe failed: not with me"
        )
