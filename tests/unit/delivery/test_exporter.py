from __future__ import annotations

import logging
import traceback
from typing import Any

import attrs
import pytest
from attrs import frozen
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from bentotrace.config.load import ExporterConfig, load_config
from bentotrace.delivery.status import ErrorStatus
from bentotrace.discovery.extension import Extension
from bentotrace.exceptions import PluginError
from bentotrace.pipeline.build import build_tracing
from bentotrace.plugin import HEADERS, BuildContext, ExporterPlugin, ExtensionPlugin, option
from bentotrace.transport import Outcome

from ...golden import Golden

SECRET = "s3cr3t-marker"


@frozen
class QuotingOptions:
    when: str = option(default="made", help="When it raises.")
    token: str = option(default=SECRET, secret=True, help="Who it is.")
    headers: dict[str, str] = option(
        factory=lambda: {"x-key": f"{SECRET}-2"}, secret=True, kind=HEADERS, help="Who it is."
    )


class QuotingExporter(SpanExporter):
    """Raises what quotes its secrets, as the header that is not valid."""

    def __init__(self, options: QuotingOptions, context: Any) -> None:
        self._told = f"{options.token} and {options.headers['x-key']} are not valid"
        if options.when == "made":
            raise ValueError(self._told)

    def export(self, spans: Any) -> Any:
        raise ValueError(self._told)

    def shutdown(self) -> None:
        raise ValueError(self._told)


def build(
    when: str,
    create: Any = QuotingExporter,
    extensions: tuple[Extension, ...] = (),
    on_export_error: Any = None,
) -> Any:
    plugin = ExporterPlugin(name="quoting", config=QuotingOptions, create=create, summary="Quotes")
    exporter = ExporterConfig(plugin, QuotingOptions(when=when), 5.0, None, (), extensions)
    config = load_config({"exporter_type": "none", "sample_rate": 1}, environ={})
    return build_tracing(attrs.evolve(config, exporters=(exporter,)), on_export_error)


def test_what_an_exporter_raises_when_it_is_made_is_told_without_its_secrets(
    golden: Golden,
) -> None:
    with pytest.raises(PluginError) as raised:
        build("made")

    golden(str(raised.value))
    # An error that nobody catches is printed with its cause.
    assert SECRET not in "".join(traceback.format_exception(raised.value))


def test_a_cause_without_secrets_is_kept() -> None:
    def create(options: Any, context: Any) -> SpanExporter:
        raise ValueError("no such thing")

    with pytest.raises(PluginError) as raised:
        build("never", create=create)

    assert isinstance(raised.value.__cause__, ValueError)


def test_what_an_exporter_reports_itself_is_told_without_its_secrets(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Reporting(SpanExporter):
        def __init__(self, options: QuotingOptions, context: BuildContext) -> None:
            self._token, self._context = options.token, context

        def export(self, spans: Any) -> SpanExportResult:
            reason = f"the receiver says: bad {self._token[:10]}…"
            outcome = Outcome(ok=False, endpoint=f"host/{self._token}", reason=reason)
            self._context.drop(1, f"not for {self._token}")
            self._context.drop(1, f"not for {self._token}-2")
            self._context.report(outcome, len(spans) - 2)
            return SpanExportResult.FAILURE

    caplog.set_level(logging.DEBUG)
    errors: list[ErrorStatus] = []
    tracing = build("never", create=Reporting, on_export_error=errors.append)
    for name in "abc":
        tracing.provider.get_tracer("test").start_span(name).end()
    tracing.shutdown()

    assert {error.reason for error in errors} == {"the receiver says: bad ***…"}
    assert {error.endpoint for error in errors} == {"host/***"}
    (destination,) = tracing.status().destinations
    assert dict(destination.dropped_by_reason) == {"not for ***": 2}
    shown = f"{tracing.status().as_json()} {tracing!r} {errors!r} {caplog.text}"
    assert SECRET[:10] not in shown


def test_an_outcome_without_a_reason_is_no_obstacle() -> None:
    class Reporting(SpanExporter):
        def __init__(self, options: QuotingOptions, context: BuildContext) -> None:
            self._context = context

        def export(self, spans: Any) -> SpanExportResult:
            outcome = Outcome(ok=False, endpoint="host", reason=None)  # type: ignore[arg-type]
            self._context.report(outcome, len(spans))
            return SpanExportResult.FAILURE

    tracing = build("never", create=Reporting)
    tracing.provider.get_tracer("test").start_span("a").end()
    tracing.shutdown()

    (destination,) = tracing.status().destinations
    assert destination.last_error is not None
    assert destination.last_error.reason == "no reason was reported"


def test_what_an_extension_raises_is_told_without_secrets(golden: Golden) -> None:
    def wrap(options: Any, exporter: Any, context: Any) -> Any:
        raise ValueError(f"no {SECRET}")

    plugin = ExtensionPlugin(name="x", wrap=wrap, summary="Raises")

    with pytest.raises(PluginError) as raised:
        build("never", extensions=(Extension("x of y", plugin),))

    golden(str(raised.value))
    assert SECRET not in "".join(traceback.format_exception(raised.value))


def test_what_an_exporter_raises_later_is_told_without_its_secrets(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    tracing = build("later")
    tracing.provider.get_tracer("test").start_span("a").end()
    tracing.shutdown()

    (destination,) = tracing.status().destinations
    assert destination.last_error is not None
    assert "ValueError: *** and *** are not valid" in destination.last_error.reason
    assert "did not shut down cleanly: it raised ValueError: ***" in caplog.text
    assert "Traceback (most recent call last)" in caplog.text
    assert SECRET not in caplog.text
