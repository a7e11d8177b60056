from __future__ import annotations

import logging
from typing import Any

import attrs
import pytest
from attrs import frozen
from opentelemetry.sdk.trace.export import SpanExporter

from bentotrace.config.load import ExporterConfig, load_config
from bentotrace.exceptions import PluginError
from bentotrace.pipeline.build import build_tracing
from bentotrace.plugin import HEADERS, ExporterPlugin, option

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


def build(when: str) -> Any:
    plugin = ExporterPlugin(
        name="quoting", config=QuotingOptions, create=QuotingExporter, summary="Quotes"
    )
    exporter = ExporterConfig(plugin, QuotingOptions(when=when), 5.0, None, ())
    config = load_config({"exporter_type": "none", "sample_rate": 1}, environ={})
    return build_tracing(attrs.evolve(config, exporters=(exporter,)))


def test_what_an_exporter_raises_when_it_is_made_is_told_without_its_secrets() -> None:
    with pytest.raises(PluginError) as raised:
        build("made")

    assert str(raised.value) == (
        "exporter 'quoting' cannot be made: ValueError: *** and *** are not valid"
    )


def test_what_an_exporter_raises_later_is_told_without_its_secrets(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    tracing = build("later")
    tracing.provider.get_tracer("test").start_span("a").end()
    tracing.shutdown()

    (destination,) = tracing.status().destinations
    assert destination.last_error is not None
    assert "ValueError: *** and *** are not valid" in destination.last_error.reason
    assert "was shut down, but it raised ValueError: ***" in caplog.text
    assert SECRET not in caplog.text
