"""The verdicts on what a receiver over HTTP answers, of real exporters and servers."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from bentotrace.doctor.report import State
from bentotrace.doctor.verdict import StepName, Verdict

from .diagnoses import (
    AFTER_RETRIES,
    REQUEST_STEPS,
    Diagnose,
    failed,
    http,
    states,
    told,
)


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
        assert told(found, StepName.CONNECTION) == f"connected to 127.0.0.1:{server.port}"
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
            ("413 Content Too Large", Verdict.TOO_LARGE, StepName.RESPONSE),
            ("429 Too Many Requests", Verdict.RATE_LIMITED, StepName.RESPONSE),
            ("500 Internal Server Error", Verdict.SERVER_ERROR, StepName.RESPONSE),
            ("503 Service Unavailable", Verdict.SERVER_ERROR, StepName.RESPONSE),
            ("301 Moved Permanently", Verdict.REJECTED, StepName.RESPONSE),
            ("400 Bad Request", Verdict.REJECTED, StepName.RESPONSE),
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
        timeout = AFTER_RETRIES if status[:3] in {"429", "503"} else 5.0
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

        assert "No credentials were sent" in found.fix
        assert "otlp.http.headers" in found.fix

    def test_wrong_credentials_name_the_header_and_never_its_value(
        self, serve: Any, receiver: Any, reply: Any, diagnose: Diagnose
    ) -> None:
        server = serve(
            receiver([reply("401 Unauthorized", b"no s3cr3t-marker", "Content-Type: text/plain")])
        )

        found = diagnose("otlp", http(server.url, headers={"Authorization": "s3cr3t-marker"}))

        assert "Sent: the header Authorization" in found.fix
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

        serves_none = f"{url.removeprefix('http://')} serves no path of a well-known receiver"
        assert usual.fix.startswith(f"/v1/traces is the usual path, but {serves_none}")
        assert other.fix.startswith("Correct the path in otlp.endpoint")
        assert f"usually /v1/traces; {serves_none}" in other.fix

    def test_a_web_page_is_no_receiver(
        self, serve: Any, receiver: Any, reply: Any, diagnose: Diagnose
    ) -> None:
        url = serve(receiver([reply("200 OK", b"<html>hello")])).url

        for exporter, options in (
            ("otlp", http(url)),
            ("zipkin", {"endpoint": url}),
            ("jaeger", {"collector_endpoint": url}),
        ):
            found = diagnose(exporter, options)
            assert found.verdict is Verdict.PROTOCOL
            assert failed(found) is StepName.PROTOCOL
            assert "the response is a web page" in found.reason

    def test_a_path_that_is_served_as_a_web_page_is_not_suggested(
        self, serve: Any, receiver: Any, reply: Any, diagnose: Diagnose
    ) -> None:
        pages = [reply("404 Not Found"), reply("200 OK", b"<html>hello")]
        found = diagnose("otlp", http(f"{serve(receiver(pages)).url}/collect"))

        assert found.verdict is Verdict.NOT_FOUND
        assert "serves no path of a well-known receiver" in found.fix

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
