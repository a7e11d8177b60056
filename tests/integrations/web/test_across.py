"""One trace over services that are traced in three ways."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="the first service runs under uvicorn")

pytestmark = pytest.mark.few_pythons

for package in ("asgi", "wsgi", "grpc"):
    pytest.importorskip(
        f"opentelemetry.instrumentation.{package}",
        reason="the extras asgi, wsgi and grpc-instrumentation are not all installed",
    )

Start = Callable[..., Any]


def serve_and_ask(start: Start, path: str = "/", **rates: float) -> None:
    """Start C, B that asks C, and A that asks B; send A a request, and end all three."""
    third = start("grpc", sample_rate=rates["c"])
    second = start("wsgi", third.address, sample_rate=rates["b"])
    first = start("asgi", second.url, sample_rate=rates["a"])
    first.get(path)
    first.end(signal.SIGTERM)
    second.end()
    third.end()


def test_a_request_that_passes_asgi_wsgi_and_grpc_is_one_trace(start: Start, receiver: Any) -> None:
    serve_and_ask(start, a=1, b=0, c=0)

    spans = {span.span_id: span for span in receiver.spans}
    (last,) = [
        span for span in spans.values() if span.service_name == "grpc" and span.name == "work"
    ]
    way = []
    span = last
    while span is not None:
        way.append((span.service_name, span.kind))
        span = spans.get(span.parent_id)
    assert way[::-1] == [
        ("asgi", "server"),
        ("asgi", "internal"),
        ("asgi", "client"),
        ("wsgi", "server"),
        ("wsgi", "internal"),
        ("wsgi", "client"),
        ("grpc", "server"),
        ("grpc", "internal"),
    ]
    assert len({span.trace_id for span in spans.values()}) == 1


def test_a_decision_against_recording_is_kept_by_all(start: Start, receiver: Any) -> None:
    serve_and_ask(start, a=0, b=1, c=1)

    assert receiver.spans == []


def test_what_an_excluded_request_asks_others_for_is_not_recorded_there(
    start: Start, receiver: Any
) -> None:
    serve_and_ask(start, "/healthz", a=1, b=1, c=1)

    assert receiver.spans == []
