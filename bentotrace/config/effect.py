"""What a configuration will do: where spans are sent and how many, or why none is."""

from __future__ import annotations

import os
from collections.abc import Mapping

from bentotrace.config.candidates import Origin
from bentotrace.config.document import ENVIRONMENT
from bentotrace.config.load import Config, ExporterConfig
from bentotrace.redaction import without_credentials

__all__ = [
    "advise_sampling",
    "describe_destination",
    "describe_setting",
    "sdk_is_disabled",
    "summarize",
    "warn_unsampled",
    "why_nothing",
    "why_unsampled",
]


def summarize(config: Config, environ: Mapping[str, str] | None = None) -> str:
    """Return one line: the destinations and the sampling, or that nothing is sent and why."""
    reason = why_nothing(config, environ)
    if reason:
        return f"nothing is sent: {reason}"
    if config.options.records_nothing:
        parent = config.options.sampler.startswith("parentbased")
        unless = ", unless a caller samples" if parent else ""
        return f"nothing is sent{unless}: {why_unsampled(config)}"
    destinations = " and ".join(map(describe_destination, config.exporters))
    return f"sends to {destinations}; {_sampling(config)}"


def describe_destination(exporter: ExporterConfig) -> str:
    """Return an exporter's name, protocol and endpoint, as in "otlp (grpc) at localhost:4317"."""
    target, where = exporter.target, ""
    if target is not None:
        where += f" ({target.protocol})" if target.protocol else ""
        endpoint = exporter.redaction.redact(without_credentials(target.endpoint))
        where += f" at {endpoint}" if endpoint else ""
    return exporter.plugin.name + where


def _sampling(config: Config) -> str:
    options = config.options
    if not options.takes_rate:
        return f"sampler {options.sampler}, {_source(config, 'sampler')}"
    text = f"sample_rate {options.sample_rate:g}, {_source(config, 'sample_rate')}"
    count = len(options.effective_sample_rates)
    return f"{text}, and {count} in sample_rates" if count else text


def why_nothing(config: Config, environ: Mapping[str, str] | None = None) -> str:
    """Return which setting turns tracing off; "" if none does."""
    environ = os.environ if environ is None else environ
    if config.options.disabled:
        return describe_setting(config, "disabled", "true")
    if sdk_is_disabled(environ):
        return "OTEL_SDK_DISABLED=true disables OpenTelemetry's SDK; unset it"
    if config.exporters:
        return ""
    if config.options.exporter_type:
        return describe_setting(config, "exporter_type", "none")
    source = _source(config, "exporter_type")
    return "no exporter is selected" if source == "default" else f"exporter_type is null, {source}"


def warn_unsampled(config: Config) -> str:
    """Return why no trace is recorded, and what to set instead; for the log."""
    parent = config.options.sampler.startswith("parentbased")
    effect = "no trace starts here" if parent else "nothing is traced"
    return f"{why_unsampled(config)}, so {effect}; {advise_sampling(config)}"


def why_unsampled(config: Config) -> str:
    """Return which setting keeps every trace from being recorded."""
    options = config.options
    option, value = ("sample_rate", "0") if options.takes_rate else ("sampler", options.sampler)
    return describe_setting(config, option, value)


def advise_sampling(config: Config) -> str:
    """Return what to set when no trace is recorded."""
    option = "sample_rate" if config.options.takes_rate else "sampler"
    if config.options.takes_rate:
        where, variable = "sample_rate: 1.0", "OTEL_TRACES_SAMPLER_ARG=1.0"
        argument = "sample_rate=1.0"
    else:
        where = "sampler: parentbased_traceidratio and sample_rate: 1.0"
        variable = "OTEL_TRACES_SAMPLER=parentbased_always_on"
        argument = 'sampler="parentbased_always_on"'
    deciding = config.setting(option).effective
    if deciding is not None and deciding.origin is Origin.OVERRIDE:
        return f"to trace everything, pass {argument}"
    if config.source == ENVIRONMENT:
        return f"to trace everything, set {variable}"
    if deciding is not None and deciding.origin is Origin.VARIABLE:
        return f"to trace everything, set {variable}; it overrides {config.source}"
    return f"to trace everything, set {where} in {config.source}, or {variable}"


def sdk_is_disabled(environ: Mapping[str, str]) -> bool:
    """Return whether OpenTelemetry's SDK disables itself."""
    return environ.get("OTEL_SDK_DISABLED", "").strip().casefold() == "true"


def describe_setting(config: Config, option: str, value: str) -> str:
    """Return an option's value and its source, such as ``OTEL_TRACES_EXPORTER=none``."""
    candidate = config.setting(option).effective
    if candidate is None or candidate.origin is Origin.DEFAULT:
        return f"{option} is {value} by default"
    if candidate.origin is Origin.VARIABLE:
        return f"{candidate.source}={candidate.text}"
    return f"{option} is {value}, {candidate.source}"


def _source(config: Config, option: str) -> str:
    candidate = config.setting(option).effective
    return "default" if candidate is None else candidate.source
