from __future__ import annotations

import base64
import gzip
import time
from typing import Any

import pytest
from opentelemetry import context

import bentotrace.transport._http_connection as connection_module
from bentotrace.transport.http import HTTPTransport
from bentotrace.transport.outcome import FailureKind
from bentotrace.transport.retry import Backoff

from ...golden import Golden
from ...messages import length_delimited

BODY = b"\x0a\x03abc"


def test_a_message_is_posted_and_the_answer_returned(
    serve: Any, receiver: Any, reply: Any, http: Any
) -> None:
    handler = receiver([reply("200 OK", b"answer", "Content-Type: application/x-protobuf")])
    server = serve(handler)
    outcome = http(f"{server.url}/v1/traces?x=1").send(BODY)
    assert outcome.ok
    assert outcome.kind is None
    assert outcome.endpoint == f"{server.url}/v1/traces?x=1"
    assert (outcome.status, outcome.attempts, outcome.body) == ("200", 1, b"answer")
    assert 0 < outcome.elapsed < 3
    (request,) = handler.requests
    assert request.line == "POST /v1/traces?x=1 HTTP/1.1"
    assert request.body == BODY
    assert request.headers == {
        "host": server.netloc,
        "accept-encoding": "identity",
        "user-agent": "bentotrace-tests",
        "content-type": "application/x-protobuf",
        "content-length": str(len(BODY)),
    }


@pytest.mark.parametrize("status", ["200 OK", "202 Accepted", "204 No Content"])
def test_every_2xx_is_a_success(
    serve: Any, receiver: Any, reply: Any, http: Any, status: str
) -> None:
    outcome = http(serve(receiver([reply(status)])).url).send(BODY)
    assert outcome.ok
    assert outcome.reason == status


def test_an_empty_body_is_sent(serve: Any, receiver: Any, http: Any) -> None:
    handler = receiver()
    assert http(serve(handler).url).send(b"").ok
    assert handler.requests[0].headers["content-length"] == "0"


def test_headers_are_sent_and_win_over_the_transport_s_own(
    serve: Any, receiver: Any, http: Any
) -> None:
    handler = receiver()
    headers = {"X-Tenant": "blé", "user-agent": "mine", "Host": "virtual.example"}
    assert http(serve(handler).url, headers=headers).send(BODY).ok
    sent = handler.requests[0].headers
    assert sent["x-tenant"] == "blé"
    assert sent["user-agent"] == "mine"
    assert sent["host"] == "virtual.example"


def test_gzip_compresses_the_body_reproducibly(serve: Any, receiver: Any, http: Any) -> None:
    handler = receiver()
    transport = http(serve(handler).url, compression="gzip")
    body = b"span" * 10_000
    assert transport.send(body).ok
    (first,) = handler.requests
    assert first.headers["content-encoding"] == "gzip"
    assert len(first.body) < len(body) / 10
    assert gzip.decompress(first.body) == body
    assert first.body[4:8] == bytes(4)  # the time of compression


def test_credentials_in_the_url_become_a_header_and_show_nowhere(
    serve: Any, receiver: Any, reply: Any, http: Any
) -> None:
    handler = receiver(
        [reply("401 Unauthorized", b"bad: Basic dXNlcjpwQHNz", "Content-Type: text/plain")]
    )
    server = serve(handler)
    transport = http(f"http://user:p%40ss@{server.netloc}/v1")
    outcome = transport.send(BODY)
    expected = "Basic " + base64.b64encode(b"user:p@ss").decode()
    assert handler.requests[0].headers["authorization"] == expected
    assert transport.endpoint == outcome.endpoint == f"{server.url}/v1"
    shown = repr(transport) + repr(outcome) + str(outcome)
    assert "p%40ss" not in shown
    assert expected.split()[1] not in shown
    assert outcome.reason == "401 Unauthorized: bad: ***"
    assert outcome.kind is FailureKind.UNAUTHORIZED


def test_a_header_s_value_shows_nowhere(serve: Any, receiver: Any, reply: Any, http: Any) -> None:
    told = reply("403 Forbidden", b"token abcdef123456 is not known", "Content-Type: text/plain")
    transport = http(serve(receiver([told])).url, headers={"Authorization": "Bearer abcdef123456"})
    outcome = transport.send(BODY)
    assert outcome.reason == "403 Forbidden: token *** is not known"
    assert "abcdef" not in repr(outcome) + str(outcome) + repr(transport)


def test_an_ipv6_literal_works(serve: Any, receiver: Any, http: Any) -> None:
    handler = receiver()
    server = serve(handler, host="::1")
    outcome = http(f"{server.url}/v1").send(BODY)
    assert outcome.ok
    assert outcome.endpoint == f"http://[::1]:{server.port}/v1"
    assert handler.requests[0].headers["host"] == f"[::1]:{server.port}"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("400 Bad Request", FailureKind.STATUS),
        ("403 Forbidden", FailureKind.UNAUTHORIZED),
        ("404 Not Found", FailureKind.NOT_SERVED),
        ("405 Method Not Allowed", FailureKind.NOT_SERVED),
        ("413 Content Too Large", FailureKind.TOO_LARGE),
        ("415 Unsupported Media Type", FailureKind.STATUS),
        ("500 Internal Server Error", FailureKind.STATUS),
    ],
)
def test_other_statuses_are_failures_and_not_retried(
    serve: Any, receiver: Any, reply: Any, http: Any, status: str, kind: FailureKind
) -> None:
    handler = receiver([reply(status, b"because", "Content-Type: text/plain; charset=utf-8")])
    outcome = http(serve(handler).url).send(BODY)
    assert (outcome.ok, outcome.kind, outcome.attempts) == (False, kind, 1)
    assert outcome.status == status[:3]
    assert outcome.reason == f"{status}: because"
    assert outcome.body == b"because"
    assert len(handler.requests) == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_busy_statuses_are_retried(
    serve: Any, receiver: Any, reply: Any, http: Any, status: int
) -> None:
    handler = receiver([reply(f"{status} Busy"), reply(f"{status} Busy"), reply("200 OK")])
    outcome = http(serve(handler).url).send(BODY)
    assert outcome.ok
    assert outcome.attempts == 3
    assert [request.body for request in handler.requests] == [BODY] * 3


def test_the_plugin_says_which_statuses_are_retried(
    serve: Any, receiver: Any, reply: Any, http: Any, once: Any
) -> None:
    handler = receiver([reply("409 Busy"), reply("425 Early"), reply("200 OK")])
    outcome = http(serve(handler).url, retried_statuses=[409, 425]).send(BODY)
    assert (outcome.ok, outcome.attempts, outcome.retryable) == (True, 3, False)

    handler = receiver([reply("503 Busy"), reply("200 OK")])
    outcome = http(serve(handler).url, retried_statuses=[409]).send(BODY)
    assert (outcome.status, outcome.attempts, outcome.retryable) == ("503", 1, False)

    url = serve(receiver([reply("409 Busy")])).url
    outcome = http(url, retried_statuses=[409], **once).send(BODY)
    assert (outcome.status, outcome.attempts, outcome.retryable) == ("409", 1, True)


@pytest.mark.parametrize("status", [200, 1000, "429", True])
def test_a_status_that_cannot_be_retried_is_refused(http: Any, status: object) -> None:
    with pytest.raises(ValueError, match=r"retried_statuses has .*, not a status from 300 to 999"):
        http("http://localhost", retried_statuses=[status])


def test_the_headers_of_a_response_are_in_the_outcome(
    serve: Any, receiver: Any, reply: Any, http: Any
) -> None:
    retries: list[Any] = []
    replies = [
        reply("503 Busy", b"", "X-RateLimit-Remaining: 0", "X-Quoted: s3cr3t-marker"),
        reply("200 OK", b"", "X-Request-Id: abc", "Set-Cookie: id=s3cr3t"),
    ]
    sender = http(
        serve(receiver(replies)).url,
        headers={"X-Token": "s3cr3t-marker"},
        on_retry=retries.append,
    )
    outcome = sender.send(BODY)
    assert outcome.headers["X-Request-ID"] == "abc"
    assert "set-cookie" not in outcome.headers
    assert retries[0].headers["x-ratelimit-remaining"] == "0"
    assert retries[0].headers["x-quoted"] == "***"
    assert "s3cr3t" not in f"{retries!r} {retries[0].headers!r} {dict(retries[0].headers)}"


def test_retry_after_in_seconds_is_waited_for(
    serve: Any, receiver: Any, reply: Any, http: Any
) -> None:
    handler = receiver([reply("503 Busy", b"", "Retry-After: 1"), reply("200 OK")])
    assert http(serve(handler).url).send(BODY).ok
    first, second = handler.requests
    # Without it, the waits of these tests are 0.05 s at most.
    assert second.at - first.at >= 1


def test_a_retry_after_past_the_timeout_ends_the_call_at_once(
    serve: Any, receiver: Any, reply: Any, http: Any, golden: Golden
) -> None:
    handler = receiver([reply("503 Service Unavailable", b"", "Retry-After: 60")])
    outcome = http(serve(handler).url, timeout=10).send(BODY)
    assert outcome.attempts == len(handler.requests) == 1
    assert outcome.kind is FailureKind.STATUS
    golden(outcome.reason)


def test_a_redirect_is_a_failure_that_names_the_new_place(
    serve: Any, receiver: Any, reply: Any, http: Any
) -> None:
    location = "Location: https://user:pass@elsewhere/v1/traces"
    handler = receiver([reply("308 Permanent Redirect", b"", location)])
    outcome = http(serve(handler).url).send(BODY)
    assert outcome.status == "308"
    assert outcome.reason.endswith("the endpoint moved to https://elsewhere/v1/traces")
    assert len(handler.requests) == 1


def test_the_server_s_own_message_is_quoted_in_one_short_line(
    serve: Any, receiver: Any, reply: Any, http: Any
) -> None:
    status = b"\x08\x03" + length_delimited(2, b"bad\nspan id " + b"x" * 1000)
    handler = receiver([reply("400 Bad Request", status, "Content-Type: application/x-protobuf")])
    reason = http(serve(handler).url).send(BODY).reason
    assert reason.startswith("400 Bad Request: bad span id xxx")
    assert len(reason) < 230


def test_a_refused_connection_is_retried_until_the_time_is_over(http: Any, free_port: int) -> None:
    # The third wait would end after the timeout.
    backoff = Backoff(first=0.02, longest=60, factor=25, jitter=0)
    outcome = http(f"http://127.0.0.1:{free_port}/", timeout=10, backoff=backoff).send(BODY)
    assert outcome.kind is FailureKind.REFUSED
    assert outcome.attempts == 3
    assert outcome.elapsed < 10
    assert f"nothing listens on 127.0.0.1:{free_port}; no time for another" in outcome.reason


def test_a_server_that_comes_up_meanwhile_is_found(
    serve: Any, receiver: Any, http: Any, free_port: int
) -> None:
    outcome = http(
        f"http://127.0.0.1:{free_port}/",
        timeout=30,
        on_retry=lambda _: serve(receiver(), port=free_port),
    ).send(BODY)
    assert outcome.ok
    assert outcome.attempts == 2


def test_a_timeout_can_be_given_per_call(serve: Any, hang: Any, http: Any, golden: Golden) -> None:
    outcome = http(serve(hang).url, timeout=30).send(BODY, timeout=1)
    assert outcome.kind is FailureKind.TIMEOUT
    golden(outcome.reason)
    assert 1 <= outcome.elapsed < 10


def test_a_timeout_of_zero_is_refused(http: Any) -> None:
    with pytest.raises(ValueError, match="timeout"):
        http("http://localhost/").send(BODY, timeout=0)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"timeout": 0}, "timeout"),
        ({"compression": "br"}, "compression must be gzip or none, not 'br'"),
        ({"headers": {"X-Key": "a\r\nb"}}, "header X-Key: "),
        ({"user_agent": "a\nb"}, "header User-Agent: "),
        ({"endpoint": "localhost:4318"}, "endpoint"),
    ],
)
def test_wrong_options_are_refused_at_construction(options: dict[str, Any], problem: str) -> None:
    given: dict[str, Any] = {
        "endpoint": "http://localhost/",
        "timeout": 1,
        "content_type": "a/b",
        "user_agent": "x",
    }
    with pytest.raises(ValueError, match=problem):
        HTTPTransport(**{**given, **options})


def test_nothing_is_opened_in_the_constructor(serve: Any, receiver: Any, http: Any) -> None:
    server = serve(receiver())
    http(server.url)
    time.sleep(0.05)
    assert server.connections == 0


def test_instrumentation_is_suppressed_during_a_send(
    serve: Any, receiver: Any, http: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    exchange = connection_module.Connection.exchange

    def spy(*args: Any) -> Any:
        seen.append(context.get_value("suppress_instrumentation"))
        return exchange(*args)

    monkeypatch.setattr(connection_module.Connection, "exchange", spy)
    assert http(serve(receiver()).url).send(BODY).ok
    assert seen == [True]
    assert context.get_value("suppress_instrumentation") is None


def test_an_unexpected_error_is_an_outcome_too(
    serve: Any, receiver: Any, http: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("what is this")

    monkeypatch.setattr(connection_module.Connection, "exchange", broken)
    outcome = http(serve(receiver()).url).send(BODY)
    assert outcome.kind is FailureKind.UNEXPECTED
    assert outcome.reason == "RuntimeError: what is this"


def test_the_default_backoff_starts_at_a_quarter_of_a_second(
    serve: Any, receiver: Any, reply: Any, http: Any
) -> None:
    handler = receiver([reply("503 Busy"), reply("200 OK")])
    assert http(serve(handler).url, backoff=Backoff()).send(BODY).ok
    first, second = handler.requests
    assert second.at - first.at >= 0.2
    assert 0.2 <= Backoff().wait_after(1) <= 0.3
