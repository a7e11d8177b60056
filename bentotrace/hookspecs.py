r'''The hooks of an exporter plugin, for plugin authors.

A plugin is a module with one hook implementation, registered as an entry point whose name is the
exporter type. A complete example::

    # acme_tracing.py
    from attrs import frozen
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    from bentotrace.hookspecs import hookimpl
    from bentotrace.plugin import BuildContext, ExporterPlugin, Stability, option


    @frozen
    class AcmeOptions:
        """The section ``acme:``."""

        path: str = option(default="spans.txt", help="File for the spans.",
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
            api_version=1,
        )

and in its ``setup.cfg``::

    [options.entry_points]
    bentotrace.exporters =
        acme = acme_tracing

Only the selected plugin is imported.

An extension is a module with the hook ``bentotrace_extension``, in the entry-point group
``bentotrace.extensions``. It wraps every exporter of a configuration that lists it under
``extensions``, for example to redact spans; its options are in a section of its name::

    # acme_filter.py
    from attrs import frozen
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    from bentotrace.hookspecs import hookimpl
    from bentotrace.plugin import NAMES, BuildContext, ExtensionPlugin, option


    @frozen
    class FilterOptions:
        """The section ``acme_filter:``."""

        names: tuple[str, ...] = option(default=(), kind=NAMES, help="Spans to withhold.")


    class Filter(SpanExporter):
        def __init__(self, options, exporter: SpanExporter, context: BuildContext) -> None:
            self._names, self._exporter, self._context = options.names, exporter, context

        def export(self, spans):
            kept = [span for span in spans if span.name not in self._names]
            self._context.drop(len(spans) - len(kept), "filtered")
            return self._exporter.export(kept) if kept else SpanExportResult.SUCCESS

        def shutdown(self):
            self._exporter.shutdown()

        def force_flush(self, timeout_millis=30000):
            return self._exporter.force_flush(timeout_millis)


    @hookimpl
    def bentotrace_extension() -> ExtensionPlugin:
        return ExtensionPlugin(
            name="acme_filter",
            wrap=Filter,
            summary="Withholds spans by name",
            config=FilterOptions,
            api_version=1,
        )
'''

from __future__ import annotations

import pluggy
from opentelemetry.sdk.trace.export import SpanExporter

from bentotrace.plugin import BuildContext, ExporterPlugin, ExtensionPlugin

__all__ = [
    "EXPORTERS_GROUP",
    "EXTENSIONS_GROUP",
    "MARKER_VERSION",
    "bentotrace_exporter",
    "bentotrace_extension",
    "bentotrace_wrap_exporter",
    "hookimpl",
    "hookspec",
]

EXPORTERS_GROUP = "bentotrace.exporters"
"""The entry-point group of exporter plugins."""

EXTENSIONS_GROUP = "bentotrace.extensions"
"""The entry-point group of extensions."""

MARKER_VERSION = 1
"""The version of the contract that :data:`hookimpl` marks, and never another one.

A plugin without an ``api_version`` is for this version. A later version has a marker of its own.
"""

hookspec = pluggy.HookspecMarker("bentotrace")
"""Marks the specifications of the hooks, in this module."""

hookimpl = pluggy.HookimplMarker("bentotrace")
"""Marks a function of a plugin as the implementation of the hook of its name."""


@hookspec
def bentotrace_exporter() -> ExporterPlugin:
    """Describe the exporter.

    Called once, when a configuration selects the exporter by the entry point's name. Return an
    :class:`~bentotrace.plugin.ExporterPlugin` with that name and do nothing else; expensive work
    belongs in the descriptor's ``create``.
    """
    raise NotImplementedError


@hookspec
def bentotrace_extension() -> ExtensionPlugin:
    """Describe the extension.

    Called once, when a configuration lists the extension by the entry point's name. Return an
    :class:`~bentotrace.plugin.ExtensionPlugin` with that name and do nothing else.
    """
    raise NotImplementedError


@hookspec
def bentotrace_wrap_exporter(exporter: SpanExporter, context: BuildContext) -> SpanExporter:
    """Return an exporter that wraps another one. Deprecated: use :func:`bentotrace_extension`.

    Called once for each destination, when the pipeline is built; do not open anything. The wrapper
    passes batches, or new ones that it creates from them, ``shutdown`` and ``force_flush`` to
    ``exporter``, and returns its results. It never changes a span. It reports a span that it
    withholds by ``context.drop(1, "reason")``, else the span is counted as dropped by "extension".
    If its ``export`` raises, the batch is counted as failed.
    """
    raise NotImplementedError
