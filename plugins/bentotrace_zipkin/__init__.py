"""The exporter ``zipkin``: Zipkin v2 JSON over HTTP.

The module holds only the descriptor; encoder and transport are imported when an exporter is made.
"""

from __future__ import annotations

from opentelemetry.sdk.trace.export import SpanExporter

from bentotrace.hookspecs import hookimpl
from bentotrace.plugin import BuildContext, ExporterPlugin, Stability, Target
from bentotrace.redaction import without_credentials
from bentotrace_zipkin.config import ZipkinOptions

__all__ = ["bentotrace_exporter"]


def _create(options: ZipkinOptions, context: BuildContext) -> SpanExporter:
    from bentotrace_zipkin.exporter import create

    return create(options, context)


def _target(options: ZipkinOptions) -> Target:
    url = options.url()
    endpoint = without_credentials(url)
    credentials = ("Authorization",) if endpoint != url else ()
    return Target(
        "",
        endpoint,
        options.warnings(),
        tls=options.tls() if url.startswith("https:") else None,
        headers=(*options.headers, *credentials),
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
