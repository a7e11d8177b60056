"""One destination's exporter, made from its configuration and put behind a guard."""

from __future__ import annotations

import logging

from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace.export import SpanExporter

from bentotrace import __version__, registry
from bentotrace.config.load import ExporterConfig
from bentotrace.config.options import TracingOptions
from bentotrace.exceptions import PluginError
from bentotrace.pipeline.guard import Guard, OnExportError
from bentotrace.pipeline.reports import Reports
from bentotrace.plugin import BuildContext
from bentotrace.redaction import Redaction, without_credentials

__all__ = ["make_guarded"]


def make_guarded(
    exporter: ExporterConfig,
    options: TracingOptions,
    resource: Resource,
    *,
    reports: Reports,
    logger: logging.Logger,
    on_export_error: OnExportError | None = None,
    redaction: Redaction | None = None,
) -> Guard:
    """Make the exporter of a destination; nothing is opened.

    Args:
        exporter: the destination.
        options: the common options.
        resource: the resource of the spans.
        reports: takes what the exporter reports.
        logger: where exporter and guard log.
        on_export_error: called with each failed export, in the exporting thread.
        redaction: masks the secrets of the whole configuration; those of the destination are
            masked without it.

    Raises:
        PluginError: the exporter cannot be made, or an extension cannot wrap it.
    """
    own = exporter.redaction
    redaction = own if redaction is None else own | redaction
    context = BuildContext(
        timeout=exporter.timeout,
        max_tag_value_length=options.max_tag_value_length,
        resource=resource,
        service_name=str(resource.attributes.get(SERVICE_NAME, "")),
        logger=logger,
        user_agent=f"bentotrace/{__version__}",
        report=reports.add,
        drop=reports.drop,
        redaction=redaction,
    )
    made = _create(exporter, context)
    # The spans come through the extensions in the order in which they are listed.
    for extension in reversed(exporter.extensions):
        wrapped = extension.wrap(made, context)
        made = _checked(wrapped, f"extension {extension.claim} cannot wrap the exporter: its hook")
    endpoint = exporter.target.endpoint if exporter.target is not None else ""
    return Guard(
        made,
        reports,
        name=exporter.plugin.name,
        endpoint=redaction.redact(without_credentials(endpoint)),
        logger=logger,
        on_error=on_export_error,
        redaction=redaction,
    )


def _create(exporter: ExporterConfig, context: BuildContext) -> SpanExporter:
    plugin = exporter.plugin
    try:
        made: object = plugin.create(exporter.options, context)
    except (Exception, SystemExit) as error:
        advice = None
        if isinstance(error, ImportError):
            advice = registry.missing_dependency(error, plugin)
        redaction = context.redaction
        told = redaction.redact(f"{type(error).__name__}: {error}")
        found = advice or PluginError(f"exporter {plugin.name!r} cannot be made: {told}")
        raise found from redaction.cause(error)
    return _checked(made, f"exporter {plugin.name!r} cannot be made: its create()")


def _checked(made: object, whose: str) -> SpanExporter:
    if not isinstance(made, SpanExporter) and not callable(getattr(made, "export", None)):
        raise PluginError(f"{whose} returned {type(made).__name__}, not a SpanExporter")
    return made  # type: ignore[return-value]
