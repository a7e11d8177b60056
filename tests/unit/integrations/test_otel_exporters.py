"""Bentotrace's exporters in a pipeline of OpenTelemetry's own SDK."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import SpanContext

from bentotrace.integrations.otel_exporters import JaegerExporter


def span(number: int, service: str) -> ReadableSpan:
    context = SpanContext(number, number, is_remote=False)
    resource = Resource({"service.name": service})
    return ReadableSpan("work", context, resource=resource, start_time=1, end_time=2)


def test_threads_that_export_at_once_have_their_own_results(
    serve: Callable[..., Any], receiver: Callable[..., Any]
) -> None:
    """SimpleSpanProcessor exports in every thread that ends a span."""
    accept = receiver()
    arrived, answered = threading.Event(), threading.Event()

    def handle(connection: socket.socket) -> None:
        accept(Paused(connection))

    class Paused:
        """A connection on which the answer to the second request waits."""

        def __init__(self, connection: socket.socket) -> None:
            self.recv = connection.recv
            self._connection = connection

        def sendall(self, answer: bytes) -> None:
            if len(accept.requests) == 2:
                arrived.set()
                answered.wait(30)
            self._connection.sendall(answer)

    exporter = JaegerExporter(collector_endpoint=serve(handle).url)
    results: dict[str, SpanExportResult] = {}

    def export(name: str, *spans: ReadableSpan) -> threading.Thread:
        thread = threading.Thread(target=lambda: results.update({name: exporter.export(spans)}))
        thread.start()
        return thread

    # A request for each resource.
    first = export("first", span(1, "a"), span(2, "b"))
    assert arrived.wait(30)
    second = export("second", span(3, "a"))
    # Time to disturb the first; without a fault, it waits.
    second.join(0.3)
    answered.set()
    first.join(30)
    second.join(30)
    exporter.shutdown()
    assert results == {"first": SpanExportResult.SUCCESS, "second": SpanExportResult.SUCCESS}
    assert len(accept.requests) == 3
