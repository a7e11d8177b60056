"""The exporter around an encoder and a transport, against a real server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from bentotrace.plugin import BuildContext
from bentotrace.transport import FailureKind, Outcome
from bentotrace.transport.exporter import RequestExporter, http_exporter
from bentotrace.transport.options import HTTPClientOptions

Reports = list[tuple[Outcome, int]]


def spans(*names: str, resource: Resource | None = None) -> list[ReadableSpan]:
    return [ReadableSpan(name, resource=resource) for name in names]


def encode(batch: Sequence[ReadableSpan]) -> bytes:
    return ",".join(span.name for span in batch).encode()


@pytest.fixture
def reports() -> Reports:
    return []


@pytest.fixture
def build(reports: Reports) -> Any:
    """A function that builds an exporter for a server."""
    made: list[RequestExporter] = []

    def build(server: Any, **options: Any) -> RequestExporter:
        context = BuildContext(
            timeout=3.0,
            resource=Resource({}),
            service_name="shop",
            report=lambda outcome, number: reports.append((outcome, number)),
        )
        made.append(
            http_exporter(
                encode,
                server.url,
                HTTPClientOptions(headers={"X-Tenant": "a"}),
                context,
                content_type="text/plain",
                **options,
            )
        )
        return made[-1]

    yield build
    for exporter in made:
        exporter.shutdown()


Build = Callable[..., RequestExporter]


def test_a_batch_is_one_request_with_the_headers_of_the_options(
    serve: Any, receiver: Any, build: Build, reports: Reports
) -> None:
    handler = receiver()
    exporter = build(serve(handler), headers={"X-Tenant": "b", "X-Other": "c"})

    assert exporter.export(spans("one", "two")) is SpanExportResult.SUCCESS

    (request,) = handler.requests
    assert request.body == b"one,two"
    assert (request.headers["x-tenant"], request.headers["x-other"]) == ("a", "c")
    assert [(outcome.ok, number) for outcome, number in reports] == [(True, 2)]


def test_outcomes_are_returned_in_order_and_not_reported(
    serve: Any, receiver: Any, reply: Any, build: Build, reports: Reports
) -> None:
    replies = [reply("413 Too Large"), reply("200 OK"), reply("400 Bad Request")]
    exporter = build(serve(receiver(replies)))

    outcomes = list(exporter.export_outcomes(spans("one", "two", "three")))

    assert [(outcome.ok, outcome.status, number) for outcome, number in outcomes] == [
        (True, "200", 1),
        (False, "400", 2),
    ]
    assert reports == []


def test_an_export_fails_when_one_of_its_requests_does(
    serve: Any, receiver: Any, reply: Any, build: Build, reports: Reports
) -> None:
    replies = [reply("413 Too Large"), reply("200 OK"), reply("400 Bad Request")]
    exporter = build(serve(receiver(replies)))

    assert exporter.export(spans("one", "two")) is SpanExportResult.FAILURE
    assert [(outcome.ok, number) for outcome, number in reports] == [(True, 1), (False, 1)]


def test_a_retry_is_reported_while_the_export_runs(
    serve: Any, receiver: Any, reply: Any, build: Build, reports: Reports
) -> None:
    exporter = build(serve(receiver([reply("503 Busy"), reply("200 OK")])))

    ((outcome, number),) = list(exporter.export_outcomes(spans("one")))

    assert (outcome.ok, outcome.attempts, number) == (True, 2, 1)
    assert [(outcome.status, number) for outcome, number in reports] == [("503", 0)]


def test_a_request_is_of_one_resource_where_the_format_needs_that(
    serve: Any, receiver: Any, build: Build
) -> None:
    handler = receiver()
    exporter = build(serve(handler), by_resource=True)
    first, second = Resource({"a": 1}), Resource({"a": 2})

    batch = [*spans("one", resource=first), *spans("two", "three", resource=second)]
    outcomes = list(exporter.export_outcomes(batch))

    assert [request.body for request in handler.requests] == [b"one", b"two,three"]
    assert [number for _, number in outcomes] == [1, 2]


def test_a_receiver_may_mean_something_else_by_its_response(
    serve: Any, receiver: Any, build: Build
) -> None:
    refused = Outcome(ok=False, endpoint="h", kind=FailureKind.PARTIAL, rejected=1)
    exporter = build(serve(receiver()), judge=lambda _: refused)

    assert list(exporter.export_outcomes(spans("one"))) == [(refused, 1)]


def test_the_size_and_the_name_of_a_span_too_large_alone_are_in_the_reason(
    serve: Any, receiver: Any, reply: Any, build: Build
) -> None:
    exporter = build(serve(receiver([reply("413 Too Large")])))

    ((outcome, _),) = list(exporter.export_outcomes(spans("one")))

    assert outcome.reason.startswith("span 'one' alone is too large (3 bytes): 413")


def test_after_shutdown_nothing_is_sent(serve: Any, receiver: Any, build: Build) -> None:
    exporter = build(serve(receiver()))
    assert exporter.force_flush()
    exporter.shutdown()
    exporter.shutdown()

    ((outcome, number),) = list(exporter.export_outcomes(spans("one")))

    assert (outcome.kind, number) == (FailureKind.CLOSED, 1)


def test_the_statuses_that_are_retried_are_those_of_the_plugin(
    serve: Any, receiver: Any, reply: Any, build: Build, reports: Reports
) -> None:
    server = serve(receiver([reply("409 Busy"), reply("200 OK", b"", "X-Request-Id: abc")]))
    assert build(server, retried_statuses=[409]).export(spans("a")) is SpanExportResult.SUCCESS
    assert reports[-1][0].headers["x-request-id"] == "abc"
