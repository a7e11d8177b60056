r'''The hooks of an exporter plugin, for plugin authors.

A plugin is a module with one hook implementation, registered as an entry point whose name is the
exporter type. This is a complete one::

    # acme_tracing.py
    from attrs import frozen
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    from bentotrace.hookspecs import hookimpl
    from bentotrace.plugin import BuildContext, ExporterPlugin, Stability, option


    @frozen
    class AcmeOptions:
        """The section ``acme:``."""

        path: str = option(default="spans.txt", help="File that takes the spans.",
                           env=["ACME_TRACES_PATH"])


    class AcmeExporter(SpanExporter):
        def __init__(self, options: AcmeOptions, context: BuildContext) -> None:
            self._path = options.path

        def export(self, spans):
            with open(self._path, "a") as file:
                file.writelines(span.to_json(indent=None) + "\n" for span in spans)
            return SpanExportResult.SUCCESS


    @hookimpl
    def bentotrace_exporter() -> ExporterPlugin:
        return ExporterPlugin(
            name="acme",
            config=AcmeOptions,
            create=AcmeExporter,
            summary="Appends spans to a file",
            stability=Stability.BETA,
        )

and in its ``setup.cfg``::

    [options.entry_points]
    bentotrace.exporters =
        acme = acme_tracing

Only the plugin that the configuration selects is ever imported.

An extension is a module with the other hook, in the entry-point group ``bentotrace.extensions``. It
wraps every exporter of a configuration that lists it under ``extensions``, to redact spans, say.
'''

from __future__ import annotations

import pluggy
from opentelemetry.sdk.trace.export import SpanExporter

from bentotrace.plugin import BuildContext, ExporterPlugin

__all__ = [
    "EXPORTERS_GROUP",
    "EXTENSIONS_GROUP",
    "bentotrace_exporter",
    "bentotrace_wrap_exporter",
    "hookimpl",
    "hookspec",
]

EXPORTERS_GROUP = "bentotrace.exporters"
"""The entry-point group of exporter plugins."""

EXTENSIONS_GROUP = "bentotrace.extensions"
"""The entry-point group of extensions."""

hookspec = pluggy.HookspecMarker("bentotrace")
hookimpl = pluggy.HookimplMarker("bentotrace")


@hookspec
def bentotrace_exporter() -> ExporterPlugin:
    """Describe the exporter.

    Called once, when a configuration selects the exporter by the entry point's name. It must
    return an :class:`~bentotrace.plugin.ExporterPlugin` of that name, and do nothing else: what is
    expensive belongs into the descriptor's ``create``.
    """
    raise NotImplementedError


@hookspec
def bentotrace_wrap_exporter(exporter: SpanExporter, context: BuildContext) -> SpanExporter:
    """Give an exporter that stands before another one.

    Called once for each destination, when the pipeline is built; it must open nothing. What it
    returns passes on to ``exporter`` the batches that it is given, or others that it makes of them,
    its results, its ``shutdown`` and its ``force_flush``; it never changes a span. A span that it
    withholds is told with ``context.drop(1, "reason")``; what it raises while exporting counts the
    batch as failed.
    """
    raise NotImplementedError
