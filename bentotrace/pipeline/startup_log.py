"""The startup log: one line for each destination, and warnings about likely mistakes."""

from __future__ import annotations

import logging
import os

from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace.sampling import Sampler

from bentotrace.config.candidates import Origin
from bentotrace.config.effect import (
    describe_destination,
    sdk_is_disabled,
    warn_unsampled,
    why_nothing,
)
from bentotrace.config.load import Config
from bentotrace.delivery.health import pluralize
from bentotrace.delivery.status import DestinationStatus

__all__ = ["log_attached", "log_attached_to_disabled", "log_kept", "log_start", "log_twice"]

_logger = logging.getLogger("bentotrace")
# Options that an attached pipeline cannot apply to the existing provider.
_PROVIDER_OPTIONS = frozenset(
    (
        "sample_rate",
        "sample_rates",
        "sampler",
        "excluded_urls",
        "propagators",
        "max_tag_value_length",
        "resource",
        "limits",
    )
)


def log_start(config: Config, resource: Resource) -> None:
    """Log the destinations of a new pipeline."""
    options = config.options
    sampler: str = options.sampler
    if options.takes_rate:
        sampler += f", sample_rate {options.sample_rate:g}"
    if options.effective_sample_rates:
        sampler += f", {pluralize(len(options.effective_sample_rates), 'rule')} in sample_rates"
    _log_destinations(config, f"sampler {sampler}", resource)
    if not config.exporters:
        return
    if sdk_is_disabled(os.environ):
        _logger.warning(
            "nothing is traced: OTEL_SDK_DISABLED=true disables OpenTelemetry's SDK; unset it"
        )
    elif options.records_nothing:
        _logger.warning("%s", warn_unsampled(config))


def log_attached(config: Config, sampler: Sampler | None, resource: Resource) -> None:
    """Log the destinations that were added to an existing provider."""
    kept = f" {sampler.get_description()}" if sampler is not None else ""
    _log_destinations(config, f"attached to the existing provider and its sampler{kept}", resource)
    unused = [
        ".".join(setting.path)
        for setting in config.settings
        if setting.path[0] in _PROVIDER_OPTIONS
        and setting.effective is not None
        and setting.effective.origin is not Origin.DEFAULT
    ]
    if unused and config.exporters:
        _logger.warning(
            "the existing provider keeps its own settings; these options in %s are not used: %s",
            config.source,
            ", ".join(unused),
        )


def log_attached_to_disabled() -> None:
    """Warn that the existing provider creates no spans."""
    _logger.warning(
        "nothing is traced: the existing provider was configured with disabled: true; pass "
        'if_exists="replace"'
    )


def log_kept(config: Config) -> None:
    """Log that the configuration is not used."""
    _logger.warning(
        "this process already has a global tracer provider, which is kept; the configuration "
        'from %s is not used; pass if_exists="attach" to add its exporters',
        config.source,
    )


def log_twice(destination: DestinationStatus) -> None:
    """Warn that another pipeline of the provider sends to the same endpoint."""
    _logger.warning(
        "the provider already sends to %s at %s, so every span arrives twice; attach once, or pass "
        'if_exists="keep"',
        destination.exporter,
        destination.endpoint,
    )


def _log_destinations(config: Config, sampling: str, resource: Resource) -> None:
    """Log the notes of the configuration, and each destination or why there is none."""
    for note in config.notes:
        _logger.log(logging.WARNING if note.warning else logging.INFO, "%s", note)
    for exporter in config.exporters:
        service = resource.attributes.get(SERVICE_NAME, "not named")
        _logger.info(
            "tracing to %s; %s; service %s", describe_destination(exporter), sampling, service
        )
    if config.exporters:
        return
    # Without any exporter_type, a note of the configuration is logged.
    if config.options.disabled or config.options.exporter_type:
        _logger.info("nothing is sent: %s", why_nothing(config))
