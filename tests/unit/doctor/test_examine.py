"""Every verdict, of a real exporter and a real server."""

from __future__ import annotations

import importlib
import logging
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from attrs import frozen
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from bentotrace.config.load import ExporterConfig, load_config
from bentotrace.doctor.examination import Diagnosis, State
from bentotrace.doctor.examine import examine
from bentotrace.doctor.probe import Connection, Handshake, LookUp, Probes, probe
from bentotrace.doctor.verdict import StepName, Verdict
from bentotrace.plugin import ExporterPlugin, Target, option
from bentotrace.transport import FailureKind, Outcome, TLSConfig
from bentotrace.transport.retry import Attempt

Diagnose = Callable[..., Diagnosis]

# What is tried again takes its whole timeout to fail.
_AFTER_RETRIES = 1.5

REQUEST_STEPS = [
    StepName.CONFIGURATION,
    StepName.RESOLUTION,
    StepName.CONNECTION,
    StepName.TLS,
    StepName.PROTOCOL,
    StepName.AUTHENTICATION,
    StepName.PATH,
    StepName.ANSWER,
]


def http(url: str, **options: Any) -> dict[str, Any]:
    return {"protocol": "http", "endpoint": url, "http": options}


def states(diagnosis: Diagnosis) -> list[State]:
    return [step.state for step in diagnosis.steps]


def told(diagnosis: Diagnosis, name: StepName) -> str:
    (step,) = [step for step in diagnosis.steps if step.name is name]
    return step.told


def failed(diagnosis: Diagnosis) -> StepName:
    (step,) = [step for step in diagnosis.steps if step.state is State.FAILED]
    return step.name


class TestHTTP:
    def test_a_span_that_is_taken_makes_every_step_good(
        self, serve: Any, receiver: Any, diagnose: Diagnose
    ) -> None:
        handler = receiver()
        server = serve(handler)

        found = diagnose("otlp", http(server.url, headers={"x-tenant": "blue"}))

        assert found.verdict is Verdict.GOOD
        assert [step.name for step in found.steps] == REQUEST_STEPS
        assert set(states(found)) == {State.GOOD}
        assert told(found, StepName.CONFIGURATION) == "good; service iris; timeout 5 s"
        assert told(found, StepName.CONNECTION) == f"127.0.0.1:{server.port} takes it"
        assert told(found, StepName.AUTHENTICATION) == "accepted: the header x-tenant"
        assert told(found, StepName.PATH) == "/v1/traces is served"
        (request,) = handler.requests
        assert bytes.fromhex(found.trace_id) in request.body
        assert found.trace_id in found.fix

    @pytest.mark.parametrize(
        ("status", "verdict", "step"),
        [
            ("401 Unauthorized", Verdict.UNAUTHENTICATED, StepName.AUTHENTICATION),
            ("403 Forbidden", Verdict.FORBIDDEN, StepName.AUTHENTICATION),
            ("404 Not Found", Verdict.NOT_FOUND, StepName.PATH),
            ("405 Method Not Allowed", Verdict.NOT_FOUND, StepName.PATH),
            ("413 Content Too Large", Verdict.TOO_LARGE, StepName.ANSWER),
            ("429 Too Many Requests", Verdict.RATE_LIMITED, StepName.ANSWER),
            ("500 Internal Server Error", Verdict.SERVER_ERROR, StepName.ANSWER),
            ("503 Service Unavailable", Verdict.SERVER_ERROR, StepName.ANSWER),
            ("301 Moved Permanently", Verdict.REJECTED, StepName.ANSWER),
            ("400 Bad Request", Verdict.REJECTED, StepName.ANSWER),
        ],
    )
    def test_an_answer_that_is_no_success_fails_its_step(
        self,
        serve: Any,
        receiver: Any,
        reply: Any,
        diagnose: Diagnose,
        status: str,
        verdict: Verdict,
        step: StepName,
    ) -> None:
        timeout = _AFTER_RETRIES if status[:3] in {"429", "503"} else 5.0
        found = diagnose("otlp", http(serve(receiver([reply(status)])).url), timeout=timeout)

        assert found.verdict is verdict
        assert failed(found) is step
        assert status in told(found, step)
        at = REQUEST_STEPS.index(step)
        assert states(found)[:at] == [State.GOOD] * at
        assert states(found)[at + 1 :] == [State.NOT_REACHED] * (len(REQUEST_STEPS) - at - 1)
        assert found.fix

    def test_missing_credentials_name_the_option(
        self, serve: Any, receiver: Any, reply: Any, diagnose: Diagnose
    ) -> None:
        found = diagnose("otlp", http(serve(receiver([reply("401 Unauthorized")])).url))

        assert "No credentials are sent" in found.fix
        assert "otlp.http.headers" in found.fix

    def test_wrong_credentials_name_the_header_and_never_its_value(
        self, serve: Any, receiver: Any, reply: Any, diagnose: Diagnose
    ) -> None:
        server = serve(
            receiver([reply("401 Unauthorized", b"no s3cr3t-marker", "Content-Type: text/plain")])
        )

        found = diagnose("otlp", http(server.url, headers={"Authorization": "s3cr3t-marker"}))

        assert "Sent was the header Authorization" in found.fix
        assert found.reason == "401 Unauthorized: no ***"
        assert "s3cr3t" not in str(found)

    def test_credentials_in_the_endpoint_show_nowhere(
        self, serve: Any, receiver: Any, reply: Any, diagnose: Diagnose
    ) -> None:
        server = serve(receiver([reply("403 Forbidden", b"no dXNlcjpzM2NyM3QtbWFya2Vy")]))

        found = diagnose("zipkin", {"endpoint": f"http://user:s3cr3t-marker@{server.netloc}"})

        assert found.verdict is Verdict.FORBIDDEN
        assert "the header Authorization" in found.fix
        assert "s3cr3t" not in str(found)
        assert "dXNlcj" not in str(found)

    def test_an_unknown_path_gets_the_one_that_the_server_has(
        self, serve: Any, reply: Any, read_head: Any, diagnose: Diagnose
    ) -> None:
        server = serve(serving({"/otlp/v1/traces"}, reply, read_head))

        found = diagnose("otlp", http(f"{server.url}/otlp"))

        assert found.verdict is Verdict.NOT_FOUND
        assert f"write {server.url}/otlp/v1/traces in otlp.endpoint" in found.fix

    def test_a_server_of_another_format_is_recognised(
        self, serve: Any, reply: Any, read_head: Any, diagnose: Diagnose
    ) -> None:
        server = serve(serving({"/api/v2/spans"}, reply, read_head))

        found = diagnose("otlp", http(server.url))

        assert "write exporter_type: zipkin" in found.fix

    def test_a_server_of_no_known_path_is_said_to_be_another_s(
        self, serve: Any, reply: Any, read_head: Any, diagnose: Diagnose
    ) -> None:
        url = serve(serving(set(), reply, read_head)).url
        usual = diagnose("otlp", http(url))
        other = diagnose("otlp", http(f"{url}/collect"))

        assert usual.fix.startswith("/v1/traces is the usual path, and no path of a well-known")
        assert other.fix.startswith("Correct the path in otlp.endpoint")
        assert "usually /v1/traces; no path of a well-known receiver is served" in other.fix

    def test_a_web_page_is_no_receiver(
        self, serve: Any, receiver: Any, reply: Any, diagnose: Diagnose
    ) -> None:
        found = diagnose("otlp", http(serve(receiver([reply("200 OK", b"<html>hello")])).url))

        assert found.verdict is Verdict.PROTOCOL
        assert failed(found) is StepName.PROTOCOL

    def test_a_partial_success_is_told(
        self, serve: Any, receiver: Any, reply: Any, diagnose: Diagnose
    ) -> None:
        rejected = b"\x0a\x08\x08\x01\x12\x04full"
        found = diagnose("otlp", http(serve(receiver([reply("200 OK", rejected)])).url))

        assert found.verdict is Verdict.PARTIAL
        assert "full" in found.reason

    def test_every_exporter_over_http_is_examined(
        self, serve: Any, receiver: Any, diagnose: Diagnose
    ) -> None:
        handler = receiver()
        server = serve(handler)

        found = [
            diagnose(
                "jaeger", {"collector_endpoint": server.url, "username": "u", "password": "p"}
            ),
            diagnose("zipkin", {"endpoint": server.url}),
        ]

        assert [each.verdict for each in found] == [Verdict.GOOD] * 2
        assert told(found[0], StepName.AUTHENTICATION) == "accepted: the header Authorization"
        paths = [request.line.split()[1] for request in handler.requests]
        assert paths == ["/api/traces", "/api/v2/spans"]


def serving(paths: set[str], reply: Any, read_head: Any) -> Any:
    """A handler that answers 200 at these paths and 404 at others."""

    def handle(connection: socket.socket) -> None:
        head, rest, _ = read_head(connection)
        line, *fields = head.decode().split("\r\n")
        length = next(int(f[15:]) for f in fields if f.lower().startswith("content-length:"))
        while len(rest) < length:
            rest += connection.recv(1 << 16)
        served = line.split()[1] in paths
        connection.sendall(reply("200 OK" if served else "404 Not Found", b"", "Connection: close"))

    return handle


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
        found = examine_over(protocol, diagnose, f"http://127.0.0.1:{black_hole}", timeout=0.5)

        assert found.verdict is Verdict.NO_CONNECTION
        assert failed(found) is StepName.CONNECTION
        assert "firewall" in found.fix

    @pytest.mark.parametrize("protocol", ["http", "grpc"])
    def test_a_server_that_takes_the_connection_and_hangs(
        self, serve: Any, hang: Any, diagnose: Diagnose, protocol: str
    ) -> None:
        found = examine_over(protocol, diagnose, serve(hang).url, timeout=0.5)

        assert found.verdict is Verdict.NO_ANSWER
        assert failed(found) is StepName.ANSWER
        assert states(found)[4:7] == [State.UNKNOWN] * 3

    @pytest.mark.parametrize("protocol", ["http", "grpc"])
    def test_a_server_that_hangs_in_the_handshake(
        self, serve: Any, hang: Any, diagnose: Diagnose, protocol: str
    ) -> None:
        url = serve(hang).url.replace("http:", "https:")
        found = examine_over(protocol, diagnose, url, timeout=0.5)

        assert found.verdict is Verdict.NO_ANSWER
        assert failed(found) is StepName.TLS

    @pytest.mark.parametrize("protocol", ["http", "grpc"])
    def test_a_server_that_hangs_up(self, serve: Any, diagnose: Diagnose, protocol: str) -> None:
        url = serve(lambda connection: None).url
        found = examine_over(protocol, diagnose, url, timeout=_AFTER_RETRIES)

        assert found.verdict is Verdict.DISCONNECTED
        assert failed(found) is StepName.ANSWER

    @pytest.mark.parametrize("protocol", ["http", "grpc"])
    def test_a_server_that_hangs_up_in_the_handshake(
        self, serve: Any, diagnose: Diagnose, protocol: str
    ) -> None:
        url = serve(lambda connection: None).url.replace("http:", "https:")
        found = examine_over(protocol, diagnose, url, timeout=_AFTER_RETRIES)

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

        found = diagnose("otlp", http("http://collector.test:4318"), timeout=0.5)

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
        assert f"and at that of the proxy 127.0.0.1:{proxy.port}" in found.fix

    def test_a_proxy_that_passes_on_is_told(
        self, serve: Any, receiver: Any, diagnose: Diagnose, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        proxy = serve(receiver())
        monkeypatch.setenv("http_proxy", proxy.url)

        found = diagnose("otlp", http("http://collector.test:4318"))

        assert found.verdict is Verdict.GOOD
        told_of = told(found, StepName.CONNECTION)
        assert told_of == f"the proxy at 127.0.0.1:{proxy.port} takes it"

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
        resolution = LookUp((), None, 0.1)
        probes = Probes(resolution, Connection(None, (), refused, 0.1))
        module = importlib.import_module("bentotrace.doctor.examine")
        monkeypatch.setattr(module, "probe", lambda place, timeout: probes)

        found = diagnose("otlp", http(serve(receiver()).url))

        assert found.verdict is Verdict.GOOD
        assert set(states(found)) == {State.GOOD}
        assert told(found, StepName.CONNECTION) == (
            "the exporter connects, although an attempt failed: not with me"
        )

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

        def probe_and_distrust(place: Any, timeout: float) -> Probes:
            handshake = Handshake(None, None, distrust, 0.1)
            return attrs.evolve(probe(place, timeout), handshake=handshake)

        monkeypatch.setattr(module, "probe", probe_and_distrust)

        found = diagnose("otlp", http(f"https://localhost:{server.port}", **files))

        assert found.verdict is Verdict.GOOD
        assert told(found, StepName.TLS) == (
            "the exporter agrees, although an attempt failed: not with me"
        )


def examine_over(protocol: str, diagnose: Diagnose, url: str, **options: Any) -> Diagnosis:
    if protocol == "grpc":
        pytest.importorskip("grpc", reason="grpcio is not installed (extra: grpc)")
    section = {
        "protocol": protocol,
        "endpoint": url,
        protocol: options.pop("section", {}),
    }
    return diagnose("otlp", section, **options)


@pytest.mark.parametrize("protocol", ["http", "grpc"])
class TestTLS:
    @pytest.fixture
    def secure(self, serve: Any, receiver: Any, protocol: str, request: Any) -> Any:
        """Serves the protocol with certificates; gives the port."""

        def start(certificates: Any) -> int:
            if protocol == "http":
                return int(serve(receiver(), context=certificates.server_context()).port)
            return int(request.getfixturevalue("serve_grpc")(certificates))

        return start

    def test_a_trusted_certificate_is_described(
        self, secure: Any, certificates: Any, diagnose: Diagnose, protocol: str
    ) -> None:
        url = f"https://localhost:{secure(certificates)}"
        section = {"certificate_file": certificates.ca_file}

        found = examine_over(protocol, diagnose, url, section=section)

        assert found.verdict is Verdict.GOOD
        assert "certificate for localhost from trustme" in told(found, StepName.TLS)
        assert "valid until " in told(found, StepName.TLS)

    def test_an_unknown_authority(
        self,
        secure: Any,
        certificates: Any,
        other_certificates: Any,
        diagnose: Diagnose,
        protocol: str,
    ) -> None:
        url = f"https://localhost:{secure(certificates)}"
        section = {"certificate_file": other_certificates.ca_file}

        wrong = examine_over(protocol, diagnose, url, section=section)
        missing = examine_over(protocol, diagnose, url)

        assert wrong.verdict is missing.verdict is Verdict.CERTIFICATE_AUTHORITY
        assert failed(wrong) is StepName.TLS
        assert f"The file in otlp.{protocol}.certificate_file" in wrong.fix
        assert "(issuer: trustme" in wrong.fix
        assert missing.fix.endswith(f"in otlp.{protocol}.certificate_file.")

    def test_an_expired_certificate(
        self, secure: Any, expired_certificates: Any, diagnose: Diagnose, protocol: str
    ) -> None:
        url = f"https://localhost:{secure(expired_certificates)}"
        section = {"certificate_file": expired_certificates.ca_file}

        found = examine_over(protocol, diagnose, url, section=section)

        assert found.verdict is Verdict.CERTIFICATE_TIME
        assert found.fix.startswith("It ended on ")

    def test_a_certificate_for_another_host(
        self, secure: Any, certificates: Any, diagnose: Diagnose, protocol: str
    ) -> None:
        url = f"https://127.0.0.1:{secure(certificates)}"
        section = {"certificate_file": certificates.ca_file}

        found = examine_over(protocol, diagnose, url, section=section)

        assert found.verdict is Verdict.CERTIFICATE_NAME
        assert found.fix.startswith("It is for localhost: write that host in otlp.endpoint")

    def test_plaintext_to_a_tls_port(
        self, secure: Any, certificates: Any, diagnose: Diagnose, protocol: str
    ) -> None:
        url = f"http://localhost:{secure(certificates)}"
        found = examine_over(protocol, diagnose, url, timeout=_AFTER_RETRIES)

        assert found.verdict is Verdict.PLAINTEXT_TO_TLS
        assert failed(found) is StepName.TLS
        assert "Write https:// in otlp.endpoint" in found.fix

    def test_tls_to_a_plaintext_port(
        self, serve: Any, receiver: Any, diagnose: Diagnose, protocol: str, request: Any
    ) -> None:
        if protocol == "http":
            port = serve(receiver()).port
        else:
            port = request.getfixturevalue("serve_grpc")(None)

        # A server that waits for the end of a line hangs instead of refusing.
        url = f"https://localhost:{port}"
        found = examine_over(protocol, diagnose, url, timeout=_AFTER_RETRIES)

        assert found.verdict is Verdict.TLS_TO_PLAINTEXT
        assert failed(found) is StepName.TLS
        assert "Write http:// in otlp.endpoint" in found.fix


def test_a_server_that_asks_for_a_client_certificate(
    serve: Any, receiver: Any, certificates: Any, diagnose: Diagnose
) -> None:
    port = serve(receiver(), context=certificates.server_context(ask_client=True)).port
    files = {"certificate_file": certificates.ca_file}

    over_otlp = diagnose("otlp", http(f"https://localhost:{port}", **files))
    over_zipkin = diagnose("zipkin", {"endpoint": f"https://localhost:{port}", **files})

    assert over_otlp.verdict is over_zipkin.verdict is Verdict.CLIENT_CERTIFICATE
    assert "otlp.http.client_certificate_file and otlp.http.client_key_file" in over_otlp.fix
    assert "The exporter zipkin shows none" in over_zipkin.fix


def test_a_server_that_does_not_trust_the_client_certificate(
    serve: Any, receiver: Any, certificates: Any, other_certificates: Any, diagnose: Diagnose
) -> None:
    context = certificates.server_context(ask_client=True)
    # Within TLS 1.3 the client is told only after its request, and a reset may come before that.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    port = serve(receiver(), context=context).port
    files = {
        "certificate_file": certificates.ca_file,
        "client_certificate_file": other_certificates.client_cert_file,
        "client_key_file": other_certificates.client_key_file,
    }

    found = diagnose("otlp", http(f"https://localhost:{port}", **files))

    assert found.verdict is Verdict.TLS
    assert "trusts the client certificate in otlp.http.client_certificate_file (" in found.fix


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
            ("RESOURCE_EXHAUSTED", Verdict.RATE_LIMITED, StepName.ANSWER),
            ("UNAVAILABLE", Verdict.SERVER_ERROR, StepName.ANSWER),
            ("INTERNAL", Verdict.SERVER_ERROR, StepName.ANSWER),
            ("INVALID_ARGUMENT", Verdict.REJECTED, StepName.ANSWER),
        ],
    )
    def test_a_code_that_is_no_success_fails_its_step(
        self, section: Any, diagnose: Diagnose, code: str, verdict: Verdict, step: StepName
    ) -> None:
        timeout = _AFTER_RETRIES if code == "UNAVAILABLE" else 5.0
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
        found = diagnose("otlp", {"protocol": "grpc", "endpoint": endpoint}, timeout=_AFTER_RETRIES)

        assert found.verdict is Verdict.CLOSED_PORT
        assert found.fix.startswith(f"Start the receiver on {endpoint}, or correct host and port")


class TestUDP:
    def section(self, port: int, host: str = "127.0.0.1") -> dict[str, Any]:
        return {"thrift": {"agent_host_name": host, "agent_port": port}}

    def test_a_datagram_that_leaves_is_sent_and_no_more_is_claimed(
        self, diagnose: Diagnose
    ) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as agent:
            agent.bind(("127.0.0.1", 0))
            found = diagnose("jaeger", self.section(agent.getsockname()[1]))
            agent.settimeout(10)
            datagrams = [agent.recv(65_536), agent.recv(65_536)]

        assert found.verdict is Verdict.SENT
        assert found.verdict.good
        assert [step.name for step in found.steps] == [
            StepName.CONFIGURATION,
            StepName.RESOLUTION,
            StepName.CONNECTION,
            StepName.ANSWER,
        ]
        assert "does not tell that a span arrived" in found.fix
        assert found.trace_id in found.fix
        # The second hears of it when nobody listened to the first.
        assert all(b"bentotrace doctor" in datagram for datagram in datagrams)

    def test_a_closed_port_is_told_where_icmp_tells_it(
        self, diagnose: Diagnose, free_port: int
    ) -> None:
        found = diagnose("jaeger", self.section(free_port))

        assert found.verdict is Verdict.CLOSED_PORT
        assert failed(found) is StepName.CONNECTION
        assert "jaeger.thrift.agent_host_name" in found.fix

    def test_a_name_that_does_not_resolve(self, diagnose: Diagnose) -> None:
        found = diagnose("jaeger", self.section(6831, "no..such..host"))

        assert found.verdict is Verdict.NAME


class TestOtherExporters:
    def test_the_console_takes_the_span_and_prints_nothing(
        self, diagnose: Diagnose, capsys: pytest.CaptureFixture[str]
    ) -> None:
        found = diagnose("console")

        assert found.verdict is Verdict.GOOD
        assert capsys.readouterr().out == ""

    def test_none_and_disabled_send_nothing_as_configured(self) -> None:
        for block in ({"exporter_type": "none"}, {"exporter_type": "otlp", "disabled": True}):
            assert examine(load_config(block, environ={})).verdict is Verdict.NOTHING

    def test_no_exporter_at_all_is_a_mistake(self) -> None:
        found = examine(load_config({"sample_rate": 1}, environ={}))

        assert found.verdict is Verdict.NO_EXPORTER
        assert found.notes[-1].message.startswith("no exporter is selected")

    def test_a_rate_of_zero_is_noted_and_hinders_nothing(self) -> None:
        found = examine(load_config({"exporter_type": "console"}, environ={}))

        assert found.verdict is Verdict.GOOD
        assert found.notes[-1].message.startswith("sample_rate is 0, so no trace begins here")

    def test_the_first_verdict_that_is_not_good_is_that_of_all(self, free_port: int) -> None:
        block = {
            "exporter_type": ["console", "zipkin"],
            "timeout": 0.5,
            "zipkin": {"endpoint": f"http://127.0.0.1:{free_port}"},
        }
        found = examine(load_config(block, environ={}))

        assert [each.verdict for each in found.diagnoses] == [Verdict.GOOD, Verdict.CLOSED_PORT]
        assert found.verdict is Verdict.CLOSED_PORT

    @pytest.mark.parametrize(
        ("behaviour", "reason"),
        [
            ("fail", "it reported a failure without a reason"),
            ("raise", "it raised RuntimeError: no http://here/ for ***"),
        ],
    )
    def test_an_exporter_that_reports_nothing_is_judged_by_its_result(
        self, behaviour: str, reason: str
    ) -> None:
        found = foreign(behaviour)

        assert found.verdict is Verdict.EXPORTER
        assert found.reason.startswith(reason)
        assert failed(found) is StepName.EXPORT

    def test_what_an_exporter_logs_meanwhile_is_told_without_secrets(self) -> None:
        found = foreign("log")

        assert found.fix == "It logged: acme: http://here/ answered 418 to ***"
        assert "s3cr" not in foreign("log much").fix

    def test_a_log_call_that_is_wrong_is_no_failure_of_the_export(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # pytest's own handler raises.
        monkeypatch.setattr(logging.getLogger(), "handlers", [])

        assert "raised" not in foreign("log wrong").reason

    def test_an_exporter_that_does_not_return_is_left(self) -> None:
        found = foreign("hang", timeout=0.2)

        assert found.verdict is Verdict.EXPORTER_HANGS
        assert found.reason == "it does not return, long after its timeout"
        assert failed(found) is StepName.EXPORT

    def test_an_exporter_that_does_not_close_is_left(self) -> None:
        found = foreign("stay open", timeout=0.2)

        assert found.verdict is Verdict.EXPORTER_HANGS
        assert "it is not made and closed" in found.reason
        assert failed(found) is StepName.CONFIGURATION

    def test_an_exporter_that_reports_outcomes_gets_their_verdict(self) -> None:
        found = foreign("report", outcome=failure(FailureKind.STATUS, "502"))

        assert found.verdict is Verdict.SERVER_ERROR
        assert (failed(found), found.reason) == (StepName.EXPORT, "so it says")

    def test_a_probe_says_what_an_export_had_no_time_for(self, free_port: int) -> None:
        target = Target("http", f"http://127.0.0.1:{free_port}/")
        found = foreign("report", target=target, outcome=failure(FailureKind.TIMEOUT))

        assert found.verdict is Verdict.CLOSED_PORT
        assert "nothing listens on" in found.reason

    def test_a_port_that_is_open_is_not_called_closed(self, serve: Any) -> None:
        server = serve(lambda connection: None)
        target = Target("grpc", server.netloc)
        found = foreign("report", target=target, outcome=failure(FailureKind.REFUSED))

        assert found.verdict is Verdict.DISCONNECTED
        assert found.reason == f"{server.netloc} takes the connection and closes it; so it says"

    def test_a_refusal_of_another_address_does_not_hide_a_failure_of_tls(
        self, serve: Any, receiver: Any, expired_certificates: Any
    ) -> None:
        port = serve(receiver(), context=expired_certificates.server_context()).port
        files = TLSConfig(ca_file=expired_certificates.ca_file)
        target = Target("grpc", f"localhost:{port}", tls=files)
        found = foreign("report", target=target, outcome=failure(FailureKind.REFUSED))

        assert found.verdict is Verdict.CERTIFICATE_TIME

    def test_an_exporter_that_cannot_be_made_is_a_mistake_of_the_configuration(self) -> None:
        found = foreign("absent")

        assert found.verdict is Verdict.CONFIGURATION
        assert found.reason == "exporter 'acme' cannot be made: ValueError: not today"
        assert len(found.steps) == 1


NOWHERE = Target("ink", "somewhere")


def failure(kind: FailureKind, status: str | None = None) -> Outcome:
    return Outcome(ok=False, endpoint="x", kind=kind, status=status, reason="so it says")


@frozen
class AcmeOptions:
    behaviour: str = option(help="What it does.")
    token: str = option(default="s3cr3t-marker", secret=True, help="Who it is.")
    outcome: Outcome | None = None


class AcmeExporter(SpanExporter):
    def __init__(self, options: AcmeOptions, context: Any) -> None:
        if options.behaviour == "absent":
            raise ValueError("not today")
        self._options = options
        self._context = context

    def export(self, spans: Any) -> SpanExportResult:
        behaviour, token = self._options.behaviour, self._options.token
        if behaviour == "hang":
            threading.Event().wait(30)
            # A failure would be logged, in the midst of another test.
            return SpanExportResult.SUCCESS
        if behaviour == "raise":
            raise RuntimeError(f"no http://user:{token}@here/ for {token}")
        if behaviour == "log":
            logging.getLogger("acme").warning("http://u:p@here/ answered 418 to %s", token)
        if behaviour == "log much":
            logging.getLogger("acme").warning("%s%s", "x" * 285, token)
        if behaviour == "log wrong":
            logging.getLogger("acme").warning("%d spans", "some")
        if behaviour == "report":
            self._context.report(self._options.outcome, len(spans))
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        if self._options.behaviour == "stay open":
            threading.Event().wait(30)


def foreign(
    behaviour: str,
    timeout: float = 5.0,
    *,
    target: Target = NOWHERE,
    outcome: Outcome | None = None,
) -> Diagnosis:
    plugin = ExporterPlugin(name="acme", config=AcmeOptions, create=AcmeExporter, summary="Acme")
    options = AcmeOptions(behaviour=behaviour, outcome=outcome)
    config = load_config({"exporter_type": "none"}, environ={})
    exporter = ExporterConfig(plugin, options, timeout, target, ())
    (found,) = examine(attrs.evolve(config, exporters=(exporter,))).diagnoses
    return found
