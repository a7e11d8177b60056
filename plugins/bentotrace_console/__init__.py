"""The exporter ``console``: spans as JSON on standard output or standard error."""

from __future__ import annotations

import sys
from typing import Literal

from attrs import frozen
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter

from bentotrace.encoding import Repairs
from bentotrace.hookspecs import hookimpl
from bentotrace.plugin import BuildContext, ExporterPlugin, Stability, Target, option

__all__ = ["ConsoleOptions", "bentotrace_exporter"]


@frozen
class ConsoleOptions:
    """The section ``console``."""

    stream: Literal["stdout", "stderr"] = option(
        default="stdout", help="The stream that spans are written to."
    )
    indent: bool = option(
        default=True, help="Whether a span's JSON is indented, over several lines."
    )


def _create(options: ConsoleOptions, context: BuildContext) -> SpanExporter:
    indent = 4 if options.indent else None
    # JSON has no bytes.
    repairs = Repairs(context.logger, bytes_as_text=True)

    def to_json(span: ReadableSpan) -> str:
        try:
            return f"{span.to_json(indent=indent)}\n"
        except Exception:
            # An invalid field of one span must not lose the others.
            repaired = repairs.repair([span])
            if repaired.lost:
                context.drop(repaired.lost, "invalid span")
            return "".join(f"{each.to_json(indent=indent)}\n" for each in repaired.spans)

    stream = sys.stdout if options.stream == "stdout" else sys.stderr
    return ConsoleSpanExporter(out=stream, formatter=to_json)


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
