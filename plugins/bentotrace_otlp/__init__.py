"""The exporter ``otlp``: OpenTelemetry's own protocol, over HTTP or gRPC.

The module holds only the descriptor; encoder and transports are imported when an exporter is made.
"""

from __future__ import annotations

from opentelemetry.sdk.trace.export import SpanExporter

from bentotrace.hookspecs import hookimpl
from bentotrace.plugin import BuildContext, ExporterPlugin, Stability, Target
from bentotrace.redaction import without_credentials
from bentotrace_otlp.config import OTLPOptions, tls_of
from bentotrace_otlp.endpoint import resolve_endpoint

__all__ = ["bentotrace_exporter"]


def _create(options: OTLPOptions, context: BuildContext) -> SpanExporter:
    from bentotrace_otlp.exporter import create

    return create(options, context)


def _target(options: OTLPOptions) -> Target:
    resolved = resolve_endpoint(options.endpoint, options.protocol, options.grpc.insecure)
    section = options.grpc if options.protocol == "grpc" else options.http
    endpoint = without_credentials(resolved.address)
    credentials = ("Authorization",) if endpoint != resolved.address else ()
    return Target(
        options.protocol,
        endpoint,
        resolved.warnings,
        tls=tls_of(section) if resolved.tls else None,
        headers=(*section.headers, *credentials),
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
