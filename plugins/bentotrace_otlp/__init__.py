"""The exporter ``otlp``: OpenTelemetry's own protocol, over HTTP or gRPC.

The module holds only the descriptor; encoder and transports are imported when an exporter is made.
"""

from __future__ import annotations

from opentelemetry.sdk.trace.export import SpanExporter

from bentotrace.hookspecs import hookimpl
from bentotrace.plugin import BuildContext, ExporterPlugin, Stability, Target
from bentotrace.transport.outcome import without_credentials
from bentotrace_otlp.config import OTLPOptions
from bentotrace_otlp.endpoint import resolve_endpoint

__all__ = ["bentotrace_exporter"]


def _create(options: OTLPOptions, context: BuildContext) -> SpanExporter:
    from bentotrace_otlp.exporter import create

    return create(options, context)


def _target(options: OTLPOptions) -> Target:
    resolved = resolve_endpoint(options.endpoint, options.protocol, options.grpc.insecure)
    return Target(options.protocol, without_credentials(resolved.address), resolved.warnings)


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
