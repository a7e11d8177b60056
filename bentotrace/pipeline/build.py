"""Build: a typed configuration becomes a provider with its processors."""

from __future__ import annotations

import logging
from typing import Any, Literal, get_args

from attrs import evolve
from opentelemetry import trace as trace_api
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter

from bentotrace import __version__, registry
from bentotrace.config.load import Config, ExporterConfig
from bentotrace.config.options import SpoolOptions, TracingOptions
from bentotrace.exceptions import PluginError, ProviderExistsError
from bentotrace.pipeline.announce import announce, announce_attached, announce_kept
from bentotrace.pipeline.guard import Guard, OnExportError, Reports
from bentotrace.pipeline.limits import make_limits, quiet_cuts
from bentotrace.pipeline.processor import BatchProcessor
from bentotrace.pipeline.propagators import install_propagators, make_propagators
from bentotrace.pipeline.resource import make_resource
from bentotrace.pipeline.sampler import make_sampler
from bentotrace.pipeline.signals import flush_on_signals
from bentotrace.pipeline.tracing import Tracing
from bentotrace.plugin import BuildContext
from bentotrace.transport.outcome import without_credentials

__all__ = ["IfExists", "build_disabled", "build_tracing", "check_exporters", "install"]

IfExists = Literal["keep", "attach", "error"]
"""What to do when the process already has a global tracer provider."""

_logger = logging.getLogger("bentotrace")


def build_tracing(config: Config, on_export_error: OnExportError | None = None) -> Tracing:
    """Build the pipeline of a configuration; touches no global.

    Args:
        config: the configuration.
        on_export_error: called with each failed export, in the exporting thread.

    Raises:
        PluginError: an exporter cannot be made.
    """
    tracing, resource = _build(config, on_export_error)
    announce(config, resource)
    return tracing


def build_disabled() -> Tracing:
    """Build a pipeline that traces nothing, and says nothing."""
    return _build(Config(TracingOptions(disabled=True), (), "", ()))[0]


def check_exporters(config: Config) -> None:
    """Make the exporters and close them again: what cannot be made is told before it is needed.

    Raises:
        PluginError: an exporter cannot be made.
    """
    for processor in _processors(config, make_resource(config.options), None):
        processor.shutdown()


def install(
    config: Config, if_exists: IfExists, on_export_error: OnExportError | None = None
) -> Tracing:
    """Build the pipeline and make it the process's global.

    Takes what :func:`build_tracing` does.

    Raises:
        ProviderExistsError: there is a global provider, and ``if_exists`` is "error", or it takes
            no span processors.
        PluginError: an exporter cannot be made.
        ValueError: there is no such ``if_exists``.
    """
    if if_exists not in get_args(IfExists):
        raise ValueError(f'if_exists is "error", "attach" or "keep", not {if_exists!r}')
    tracing = _install(config, if_exists, on_export_error)
    if config.exporters:
        flush_on_signals(config.options.flush_on_signals)
    return tracing


def _install(config: Config, if_exists: IfExists, on_export_error: OnExportError | None) -> Tracing:
    existing = trace_api.get_tracer_provider()
    if not isinstance(existing, trace_api.ProxyTracerProvider):
        return _join(config, existing, if_exists, on_export_error)
    propagators = make_propagators(config.options.propagators)
    tracing, resource = _build(config, on_export_error)
    trace_api.set_tracer_provider(tracing.provider)
    existing = trace_api.get_tracer_provider()
    if existing is not tracing.provider:
        # Another thread was faster; OpenTelemetry only logs it.
        tracing.shutdown()
        return _join(config, existing, if_exists, on_export_error)
    install_propagators(propagators)
    announce(config, resource)
    return tracing


def _build(
    config: Config, on_export_error: OnExportError | None = None
) -> tuple[Tracing, Resource]:
    options = config.options
    resource = make_resource(options)
    limits = make_limits(options)
    sampler = make_sampler(options)
    make_provider = _DisabledProvider if options.disabled else TracerProvider
    provider = make_provider(
        sampler=sampler,
        resource=resource,
        # Tracing does that, within its bound; but without processors nothing keeps it alive.
        shutdown_on_exit=not config.exporters,
        span_limits=limits,
    )
    processors = _processors(config, resource, on_export_error)
    for processor in processors:
        provider.add_span_processor(processor)
    tracing = Tracing(
        provider,
        processors,
        config,
        owned=provider,
        sampler=sampler,
        release=quiet_cuts(limits),
    )
    return tracing, resource


def _join(
    config: Config,
    existing: trace_api.TracerProvider,
    if_exists: IfExists,
    on_export_error: OnExportError | None,
) -> Tracing:
    """Do with a provider that was there before what ``if_exists`` says."""
    if if_exists == "keep":
        announce_kept(config)
        return Tracing(existing, (), config)
    # The SDK's provider takes processors, and so do those that wrap one.
    add = getattr(existing, "add_span_processor", None)
    if if_exists == "error" or add is None:
        raise ProviderExistsError(existing)
    resource = getattr(existing, "resource", None) or Resource.get_empty()
    # The limits of the spans are the provider's.
    uncut = evolve(config, options=evolve(config.options, max_tag_value_length=None))
    processors = _processors(uncut, resource, on_export_error)
    for processor in processors:
        add(processor)
    announce_attached(config, getattr(existing, "sampler", None), resource)
    return Tracing(existing, processors, config)


class _DisabledProvider(TracerProvider):
    """Makes spans that cost nothing and pass on the context of their parent.

    The SDK's own does that for ``OTEL_SDK_DISABLED``, and for that only.
    """

    def get_tracer(self, *_args: Any, **_kwargs: Any) -> trace_api.Tracer:
        return trace_api.NoOpTracer()


def _processors(
    config: Config, resource: Resource, on_export_error: OnExportError | None
) -> list[BatchProcessor]:
    made: list[BatchProcessor] = []
    try:
        for exporter in config.exporters:
            made.append(_processor(exporter, config.options, resource, on_export_error))
    except BaseException:
        for processor in made:
            processor.shutdown()
        raise
    return made


def _processor(
    exporter: ExporterConfig,
    options: TracingOptions,
    resource: Resource,
    on_export_error: OnExportError | None,
) -> BatchProcessor:
    reports = Reports()
    logger = _logger.getChild(exporter.plugin.name)
    context = BuildContext(
        timeout=exporter.timeout,
        max_tag_value_length=options.max_tag_value_length,
        resource=resource,
        service_name=str(resource.attributes.get(SERVICE_NAME, "")),
        logger=logger,
        user_agent=f"bentotrace/{__version__}",
        report=reports.add,
    )
    endpoint = exporter.target.endpoint if exporter.target is not None else ""
    make_store = _find_store(options.spool, exporter)
    guard = Guard(
        _create(exporter, context),
        reports,
        name=exporter.plugin.name,
        endpoint=without_credentials(endpoint),
        logger=logger,
        on_error=on_export_error,
    )
    spool = None
    if make_store is not None:
        from bentotrace.pipeline.spool.spool import Spool

        spool = Spool(guard, make_store, logger)
    return BatchProcessor(guard, options.processor, logger, spool=spool)


def _find_store(options: SpoolOptions, exporter: ExporterConfig) -> Any:
    """Find where spans are kept on disk; None when they are not, and SQLite is not imported."""
    if options.path is None:
        return None
    from bentotrace.pipeline.spool.place import find_store

    return find_store(options.path, options, exporter)


def _create(exporter: ExporterConfig, context: BuildContext) -> SpanExporter:
    plugin = exporter.plugin
    try:
        made: object = plugin.create(exporter.options, context)
    except (Exception, SystemExit) as error:
        advice = None
        if isinstance(error, ImportError):
            advice = registry.missing_dependency(error, plugin)
        raise advice or PluginError(
            f"exporter {plugin.name!r} cannot be made: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(made, SpanExporter) and not callable(getattr(made, "export", None)):
        raise PluginError(
            f"exporter {plugin.name!r} cannot be made: its create() returned "
            f"{type(made).__name__}, not a SpanExporter"
        )
    return made  # type: ignore[return-value]
