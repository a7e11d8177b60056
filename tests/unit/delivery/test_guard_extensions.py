"""What an extension does to the list of spans that it gets is in the account."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

import bentotrace
from bentotrace.hookspecs import hookimpl
from bentotrace.plugin import BuildContext

pytest.importorskip("opentelemetry.proto", reason="the extra testing reads what arrives")

from bentotrace.testing import OTLPHTTPReceiver

SPANS = 10


class Changing(SpanExporter):
    """Passes on what a function returns for a batch."""

    def __init__(self, exporter: SpanExporter, context: BuildContext, change: Any) -> None:
        self._exporter, self._context, self._change = exporter, context, change

    def export(self, spans: Any) -> SpanExportResult:
        return self._exporter.export(self._change(spans, self._context))

    def shutdown(self) -> None:
        self._exporter.shutdown()


def extension(change: Any) -> ModuleType:
    module = ModuleType("changing")

    @hookimpl
    def bentotrace_wrap_exporter(exporter: SpanExporter, context: BuildContext) -> SpanExporter:
        return Changing(exporter, context, change)

    vars(module).update(bentotrace_wrap_exporter=bentotrace_wrap_exporter)
    return module


def every_other(spans: list[Any], _: BuildContext) -> list[Any]:
    del spans[::2]
    return spans


def none(spans: list[Any], _: BuildContext) -> list[Any]:
    spans.clear()
    return spans


def twice(spans: list[Any], _: BuildContext) -> list[Any]:
    spans.extend(list(spans))
    return spans


def halves_reported(spans: list[Any], context: BuildContext) -> list[Any]:
    del spans[::2]
    context.drop(2, "secret")
    return spans


def the_same(spans: list[Any], _: BuildContext) -> list[Any]:
    return spans


@pytest.fixture
def receiver() -> Iterator[OTLPHTTPReceiver]:
    with OTLPHTTPReceiver() as receiver:
        yield receiver


@pytest.mark.parametrize(
    ("change", "exported", "dropped"),
    [
        (the_same, 10, {}),
        (every_other, 5, {"extension": 5}),
        (none, 0, {"extension": 10}),
        (twice, 10, {}),
        (halves_reported, 5, {"secret": 2, "extension": 3}),
    ],
)
def test_the_account_has_what_an_extension_withholds(
    receiver: OTLPHTTPReceiver,
    caplog: pytest.LogCaptureFixture,
    change: Callable[..., Any],
    exported: int,
    dropped: dict[str, int],
) -> None:
    caplog.set_level(logging.CRITICAL, "bentotrace")
    tracing = bentotrace.build(
        exporter_type="otlp",
        sample_rate=1.0,
        extensions=["changing"],
        otlp={"protocol": "http", "endpoint": receiver.endpoint},
        plugins=[extension(change)],
    )
    with tracing:
        for _ in range(SPANS):
            tracing.provider.get_tracer("test").start_span("span").end()
        tracing.flush(30)

        (status,) = tracing.status().destinations
    assert (status.ended, status.failed, status.pending) == (SPANS, 0, 0)
    assert (status.exported, dict(status.dropped_by_reason)) == (exported, dropped)
    assert min(len(receiver.spans), SPANS) == exported
