"""Build: a typed configuration becomes a provider with its processors."""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import Literal

from opentelemetry import trace as trace_api
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter

from bentotrace import registry
from bentotrace.config.load import Config, ExporterConfig
from bentotrace.config.options import TracingOptions
from bentotrace.exceptions import PluginError, ProviderExistsError
from bentotrace.pipeline.guard import Guard, Reports
from bentotrace.pipeline.processor import BatchProcessor
from bentotrace.pipeline.resource import make_resource
from bentotrace.pipeline.sampler import make_sampler
from bentotrace.pipeline.tracing import Tracing
from bentotrace.plugin import BuildContext

__all__ = ["IfExists", "build_tracing", "install"]

IfExists = Literal["keep", "attach", "error"]
"""What to do when the process already has a global tracer provider."""

_logger = logging.getLogger("bentotrace")


def build_tracing(config: Config) -> Tracing:
    """Build the pipeline of a configuration; touches no global.

    Raises:
        PluginError: an exporter cannot be made.
    """
    resource = make_resource(config)
    processors = _processors(config, resource)
    provider = TracerProvider(
        sampler=make_sampler(config.options),
        resource=resource,
        # Tracing shuts the provider down at exit, within its own bound.
        shutdown_on_exit=False,
        span_limits=_limits(config.options),
    )
    for processor in processors:
        provider.add_span_processor(processor)
    _announce(config, resource)
    return Tracing(provider, processors, config)


def install(config: Config, if_exists: IfExists) -> Tracing:
    """Build the pipeline and make it the process's global.

    Raises:
        ProviderExistsError: there is a global provider, and ``if_exists`` is "error".
        PluginError: an exporter cannot be made.
    """
    existing = trace_api.get_tracer_provider()
    if isinstance(existing, trace_api.ProxyTracerProvider):
        tracing = build_tracing(config)
        trace_api.set_tracer_provider(tracing.provider)
        return tracing
    if if_exists == "error":
        raise ProviderExistsError(existing)
    if if_exists == "keep":
        _logger.warning(
            "a global tracer provider is installed already and kept; "
            "the configuration from %s is not used",
            config.source,
        )
        return Tracing(existing, (), config)
    if not isinstance(existing, TracerProvider):
        # Only the SDK's providers take span processors.
        raise ProviderExistsError(existing)
    processors = _processors(config, existing.resource)
    for processor in processors:
        existing.add_span_processor(processor)
    _announce(config, existing.resource)
    return Tracing(existing, processors, config)


def _processors(config: Config, resource: Resource) -> list[BatchProcessor]:
    made: list[BatchProcessor] = []
    try:
        for exporter in config.exporters:
            made.append(_processor(exporter, config.options, resource))
    except BaseException:
        for processor in made:
            processor.close(0)
        raise
    return made


def _processor(
    exporter: ExporterConfig, options: TracingOptions, resource: Resource
) -> BatchProcessor:
    reports = Reports()
    logger = _logger.getChild(exporter.plugin.name)
    context = BuildContext(
        timeout=exporter.timeout,
        max_tag_value_length=options.max_tag_value_length,
        resource=resource,
        service_name=str(resource.attributes.get(SERVICE_NAME, "")),
        logger=logger,
        user_agent=f"bentotrace/{version('bentotrace')}",
        report=reports.add,
    )
    guard = Guard(
        _create(exporter, context),
        reports,
        name=exporter.plugin.name,
        endpoint=exporter.target.endpoint if exporter.target is not None else "",
        logger=logger,
    )
    return BatchProcessor(guard, options.processor, logger)


def _create(exporter: ExporterConfig, context: BuildContext) -> SpanExporter:
    plugin = exporter.plugin
    try:
        return plugin.create(exporter.options, context)
    except ImportError as error:
        advice = registry.missing_dependency(error, plugin)
        if advice is None:
            raise
        raise advice from error
    except Exception as error:
        raise PluginError(
            f"exporter {plugin.name!r} cannot be made: {type(error).__name__}: {error}"
        ) from error


def _limits(options: TracingOptions) -> SpanLimits:
    length = options.max_tag_value_length
    if length is None:
        # The variables have been read; without this the SDK reads them again.
        length = SpanLimits.UNSET
    return SpanLimits(max_attribute_length=length, max_span_attribute_length=length)


def _announce(config: Config, resource: Resource) -> None:
    for note in config.notes:
        _logger.log(logging.WARNING if note.warning else logging.INFO, "%s", note)
    options = config.options
    rate = options.effective_rate
    for exporter in config.exporters:
        target = exporter.target
        _logger.info(
            "tracing to %s%s; sampler %s, rate %g; service %s",
            exporter.plugin.name,
            f" ({target.protocol}) at {target.endpoint}" if target is not None else "",
            options.sampler,
            rate,
            resource.attributes.get(SERVICE_NAME, ""),
        )
    if config.exporters and rate == 0:
        _logger.warning(
            "sample_rate is 0, so no trace is recorded; set sample_rate: 1.0 in %s, "
            "or OTEL_TRACES_SAMPLER_ARG=1.0, to record all",
            config.source,
        )
    elif not config.exporters and not options.disabled and not options.exporter_type:
        _logger.warning(
            "no exporter is selected, so spans go nowhere; set exporter_type in %s, "
            "or OTEL_TRACES_EXPORTER (exporter_type: none says it is meant)",
            config.source,
        )
