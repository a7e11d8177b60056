"""The exporter ``jaeger``: to an agent over UDP, or to a collector over HTTP or gRPC.

The module holds only the descriptor; encoders and transports are imported when an exporter is
made.
"""

from __future__ import annotations

from opentelemetry.sdk.trace.export import SpanExporter

from bentotrace.hookspecs import hookimpl
from bentotrace.plugin import BuildContext, ExporterPlugin, Stability, Target
from bentotrace.transport import TLSConfig
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
    grpc = options.protocol == "grpc"
    section = options.grpc if grpc else options.thrift
    named = options.username is not None or endpoint != destination.address
    credentials = ("Authorization",) if named and not grpc else ()
    return Target(
        "grpc" if grpc else "thrift over HTTP",
        endpoint,
        warnings,
        notes,
        tls=TLSConfig(ca_file=section.certificate_file) if destination.tls else None,
        headers=(*section.headers, *credentials),
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
