"""What is said at the start: where spans go, and what is likely a mistake."""

from __future__ import annotations

import logging
import os

from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace.sampling import Sampler

from bentotrace.config.load import Config
from bentotrace.config.options import TracingOptions
from bentotrace.config.resolve import Origin
from bentotrace.redaction import without_credentials

__all__ = ["announce", "announce_attached", "announce_kept", "no_trace"]

_logger = logging.getLogger("bentotrace")


def announce(config: Config, resource: Resource) -> None:
    """Say where a new pipeline sends spans: one line for each destination."""
    _repeat_notes(config)
    options = config.options
    if not config.exporters:
        _say_nowhere(config)
        return
    sampler: str = options.sampler
    if options.takes_rate:
        sampler += f", sample_rate {options.sample_rate:g}"
    if options.effective_sample_rates:
        sampler += f", {len(options.effective_sample_rates)} of sample_rates"
    _say_where(config, f"sampler {sampler}", resource)
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().casefold() == "true":
        _logger.warning(
            "OTEL_SDK_DISABLED is true, which turns OpenTelemetry's SDK itself off whatever is "
            "configured: nothing is traced; unset it"
        )
    else:
        nothing = no_trace(options, config.source)
        if nothing is not None:
            _logger.warning("%s", nothing)


def announce_attached(config: Config, sampler: Sampler | None, resource: Resource) -> None:
    """Say where the spans of a provider that was there before are sent too."""
    _repeat_notes(config)
    if not config.exporters:
        _say_nowhere(config)
        return
    kept = sampler.get_description() if sampler is not None else "its own"
    _say_where(
        config, f"attached to the provider that was there, with its sampler {kept}", resource
    )
    unused = ", ".join(_given_for_a_provider(config))
    if unused:
        _logger.warning(
            "the provider that was there before keeps its own settings, so these of %s are not "
            "used: %s",
            config.source,
            unused,
        )


def announce_kept(config: Config) -> None:
    """Say that the configuration is not used."""
    _logger.warning(
        "this process has a global tracer provider already, which is kept, so the configuration "
        'from %s is not used; if_exists="attach" would add its exporters',
        config.source,
    )


def _repeat_notes(config: Config) -> None:
    for note in config.notes:
        _logger.log(logging.WARNING if note.warning else logging.INFO, "%s", note)


def _say_where(config: Config, how: str, resource: Resource) -> None:
    for exporter in config.exporters:
        target = exporter.target
        where = ""
        if target is not None:
            where += f" ({target.protocol})" if target.protocol else ""
            endpoint = exporter.redaction.redact(without_credentials(target.endpoint))
            where += f" at {endpoint}" if endpoint else ""
        _logger.info(
            "tracing to %s%s; %s; service %s",
            exporter.plugin.name,
            where,
            how,
            resource.attributes.get(SERVICE_NAME, "without a name"),
        )


def _say_nowhere(config: Config) -> None:
    if config.options.disabled:
        _logger.info("tracing is disabled (option disabled, or OTEL_SDK_DISABLED)")
        return
    # Without any exporter_type, a note has said it.
    if config.options.exporter_type:
        _logger.info("spans are made and go nowhere, as exporter_type: none says")


def no_trace(options: TracingOptions, source: str) -> str | None:
    """Say why nothing is traced, and how to turn it on; None when something is."""
    if options.effective_rate > 0 or any(item.rate for item in options.effective_sample_rates):
        return None
    begun = "no trace begins here" if options.sampler.startswith("parent") else "nothing is traced"
    if options.sampler.endswith("always_off"):
        return (
            f"sampler is {options.sampler}, so {begun}; set sampler: parentbased_traceidratio and "
            f"sample_rate: 1.0 in {source}, or OTEL_TRACES_SAMPLER=parentbased_always_on, to "
            f"trace everything"
        )
    return (
        f"sample_rate is 0, so {begun}; set sample_rate: 1.0 in {source}, or "
        f"OTEL_TRACES_SAMPLER_ARG=1.0, to trace everything"
    )


def _given_for_a_provider(config: Config) -> list[str]:
    """List the options that are given and make a provider, which an attached pipeline has not."""
    made = {
        "sample_rate",
        "sample_rates",
        "sampler",
        "excluded_urls",
        "propagators",
        "max_tag_value_length",
        "resource",
        "limits",
    }
    return [
        ".".join(setting.path)
        for setting in config.settings
        if setting.path[0] in made
        and setting.effective is not None
        and setting.effective.origin is not Origin.DEFAULT
    ]
