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
'''

from __future__ import annotations

import pluggy

from bentotrace.plugin import ExporterPlugin

__all__ = ["EXPORTERS_GROUP", "bentotrace_exporter", "hookimpl", "hookspec"]

EXPORTERS_GROUP = "bentotrace.exporters"
"""The entry-point group of exporter plugins."""

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
