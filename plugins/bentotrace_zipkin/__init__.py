"""The exporter ``zipkin``: Zipkin v2 JSON over HTTP.

Encoder and transport are imported when an exporter is created.
"""

from __future__ import annotations

from opentelemetry.sdk.trace.export import SpanExporter

from bentotrace.hookspecs import hookimpl
from bentotrace.plugin import BuildContext, ExporterPlugin, Stability, Target
from bentotrace_zipkin.config import ZipkinOptions

__all__ = ["bentotrace_exporter"]


def _create(options: ZipkinOptions, context: BuildContext) -> SpanExporter:
    from bentotrace.transport.exporter import http_exporter
    from bentotrace_zipkin.encoder import JSONEncoder

    return http_exporter(
        JSONEncoder(options.local_endpoint()).encode,
        options.resolved().address,
        options,
        context,
        content_type="application/json",
        compression=options.compression,
    )


def _target(options: ZipkinOptions) -> Target:
    resolved = options.resolved()
    endpoint = str(resolved)
    credentials = ("Authorization",) if endpoint != resolved.address else ()
    return Target(
        "",
        endpoint,
        resolved.warnings,
        () if resolved.tls else options.unused_files("zipkin"),
        tls=options.tls() if resolved.tls else None,
        headers=(*options.header_names(), *credentials),
    )


@hookimpl
def bentotrace_exporter() -> ExporterPlugin:
    """Describe the exporter."""
    return ExporterPlugin(
        name="zipkin",
        config=ZipkinOptions,
        create=_create,
        summary="Zipkin v2 JSON over HTTP",
        stability=Stability.STABLE,
        extra="bentotrace[zipkin]",
        timeout_env=["OTEL_EXPORTER_ZIPKIN_TIMEOUT"],
        target=_target,
    )
