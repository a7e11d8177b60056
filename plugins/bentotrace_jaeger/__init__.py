"""The exporter ``jaeger``: to an agent over UDP, or to a collector over HTTP or gRPC.

Encoders and transports are imported when an exporter is created.
"""

from __future__ import annotations

from opentelemetry.sdk.trace.export import SpanExporter

from bentotrace.hookspecs import hookimpl
from bentotrace.plugin import BuildContext, ExporterPlugin, Stability, Target
from bentotrace_jaeger.config import JaegerOptions
from bentotrace_jaeger.destination import Agent

__all__ = ["bentotrace_exporter"]


def _create(options: JaegerOptions, context: BuildContext) -> SpanExporter:
    from bentotrace_jaeger.exporter import create

    return create(options, context)


def _target(options: JaegerOptions) -> Target:
    destination = options.destination()
    endpoint, warnings, notes = str(destination), tuple(destination.warnings), options.notes()
    if isinstance(destination, Agent):
        return Target("thrift over UDP", endpoint, warnings, notes)
    over_http = not options.over_grpc
    named = over_http and options.username is not None
    credentials = ("Authorization",) if named or endpoint != destination.address else ()
    return Target(
        "thrift over HTTP" if over_http else "grpc",
        endpoint,
        warnings,
        notes,
        tls=options.section.tls() if destination.tls else None,
        headers=(*options.section.header_names(), *credentials),
    )


@hookimpl
def bentotrace_exporter() -> ExporterPlugin:
    """Describe the exporter."""
    return ExporterPlugin(
        name="jaeger",
        config=JaegerOptions,
        create=_create,
        summary="Jaeger's own formats: Thrift over UDP or HTTP, protobuf over gRPC",
        stability=Stability.STABLE,
        extra="bentotrace[jaeger]",
        timeout_env=["OTEL_EXPORTER_JAEGER_TIMEOUT"],
        target=_target,
    )
