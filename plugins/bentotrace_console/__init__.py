"""The exporter ``console``: spans as JSON on standard output or standard error."""

from __future__ import annotations

import sys
from typing import Literal

from attrs import frozen
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter

from bentotrace.hookspecs import hookimpl
from bentotrace.plugin import BuildContext, ExporterPlugin, Stability, Target, option

__all__ = ["ConsoleOptions", "bentotrace_exporter"]


@frozen
class ConsoleOptions:
    """The section ``console``."""

    stream: Literal["stdout", "stderr"] = option(
        default="stdout", help="The stream that takes the spans."
    )
    indent: bool = option(
        default=True, help="Whether a span is spread over lines, or is one line of JSON."
    )


def _create(options: ConsoleOptions, context: BuildContext) -> SpanExporter:
    def one_line(span: ReadableSpan) -> str:
        return str(span.to_json(indent=None)) + "\n"

    def many_lines(span: ReadableSpan) -> str:
        return str(span.to_json()) + "\n"

    stream = sys.stdout if options.stream == "stdout" else sys.stderr
    return ConsoleSpanExporter(out=stream, formatter=many_lines if options.indent else one_line)


@hookimpl
def bentotrace_exporter() -> ExporterPlugin:
    """Describe the exporter."""
    return ExporterPlugin(
        name="console",
        config=ConsoleOptions,
        create=_create,
        summary="Spans as JSON on standard output or standard error",
        stability=Stability.STABLE,
        target=lambda options: Target("", options.stream),
    )
