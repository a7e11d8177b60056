"""The exporter ``otlp``: OpenTelemetry's own protocol, over HTTP or gRPC.

Encoder and transports are imported when an exporter is created.
"""

from __future__ import annotations

from opentelemetry.sdk.trace.export import SpanExporter

from bentotrace.hookspecs import hookimpl
from bentotrace.plugin import BuildContext, ExporterPlugin, Stability, Target
from bentotrace_otlp.config import OTLPOptions

__all__ = ["bentotrace_exporter"]


def _create(options: OTLPOptions, context: BuildContext) -> SpanExporter:
    from bentotrace_otlp.exporter import create

    return create(options, context)


def _target(options: OTLPOptions) -> Target:
    resolved = options.resolved()
    endpoint = str(resolved)
    credentials = ("Authorization",) if endpoint != resolved.address else ()
    return Target(
        options.protocol,
        endpoint,
        resolved.warnings,
        options.notes(),
        tls=options.section.tls() if resolved.tls else None,
        headers=(*options.section.header_names(), *credentials),
    )


@hookimpl
def bentotrace_exporter() -> ExporterPlugin:
    """Describe the exporter."""
    return ExporterPlugin(
        name="otlp",
        config=OTLPOptions,
        create=_create,
        summary="OpenTelemetry protocol over gRPC or HTTP, to a Collector, Jaeger, or a vendor",
        stability=Stability.STABLE,
        extra="bentotrace[otlp]",
        timeout_env=["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"],
        target=_target,
    )
