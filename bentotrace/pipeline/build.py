"""Build: a typed configuration becomes a provider with its processors."""

from __future__ import annotations

import logging
from typing import Any, Literal, get_args

from attrs import evolve
from opentelemetry import trace as trace_api
from opentelemetry.sdk.resources import Resource

from bentotrace.config.load import Config, ExporterConfig
from bentotrace.config.options import SpoolOptions, TracingOptions
from bentotrace.exceptions import ProviderExistsError
from bentotrace.pipeline.announce import announce, announce_attached, announce_kept
from bentotrace.pipeline.exporter import make_guarded
from bentotrace.pipeline.guard import OnExportError
from bentotrace.pipeline.limits import make_limits, quiet_cuts
from bentotrace.pipeline.processor import BatchProcessor
from bentotrace.pipeline.propagators import install_propagators, make_propagators
from bentotrace.pipeline.provider import DisabledProvider, ProcessProvider
from bentotrace.pipeline.reports import Reports
from bentotrace.pipeline.resource import make_resource
from bentotrace.pipeline.sampler import make_sampler
from bentotrace.pipeline.signals import flush_on_signals
from bentotrace.pipeline.tracing import Tracing
from bentotrace.redaction import Redaction

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
    make_provider = DisabledProvider if options.disabled else ProcessProvider
    provider = make_provider(
        options.resource.attributes,
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


def _processors(
    config: Config, resource: Resource, on_export_error: OnExportError | None
) -> list[BatchProcessor]:
    made: list[BatchProcessor] = []
    redaction = config.redaction
    try:
        for exporter in config.exporters:
            made.append(_processor(exporter, config.options, resource, redaction, on_export_error))
    except BaseException:
        for processor in made:
            processor.shutdown()
        raise
    return made


def _processor(
    exporter: ExporterConfig,
    options: TracingOptions,
    resource: Resource,
    redaction: Redaction,
    on_export_error: OnExportError | None,
) -> BatchProcessor:
    logger = _logger.getChild(exporter.plugin.name)
    make_store = _find_store(options.spool, exporter)
    guard = make_guarded(
        exporter,
        options,
        resource,
        reports=Reports(),
        logger=logger,
        on_export_error=on_export_error,
        redaction=redaction,
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
