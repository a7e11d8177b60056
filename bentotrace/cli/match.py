"""``bentotrace match``: print whether a request with a URL is traced, and at which rate."""

from __future__ import annotations

import json
import os

import click
from attrs import evolve

from bentotrace.cli.common import (
    file_argument,
    format_note,
    format_option,
    read_config,
    service_option,
)
from bentotrace.config.candidates import Origin
from bentotrace.config.effect import sdk_is_disabled, why_nothing, why_unsampled
from bentotrace.config.load import Config
from bentotrace.discovery import registry
from bentotrace.exceptions import BentotraceError
from bentotrace.pipeline.urls import URLPatterns

__all__ = ["match"]


@click.command()
@click.argument("url")
@file_argument
@service_option
@format_option()
def match(url: str, file: str | None, service: str | None, form: str) -> int:
    """Print whether a request with a URL is traced, and which pattern or rate decides.

    The patterns are those of excluded_urls in FILE, or in the environment, and of sample_rates. URL
    is a complete URL or a path. FILE defaults to the file that BENTOTRACE_CONFIG or BENTOML_CONFIG
    names. The exit code is 0 when the URL is excluded, 1 when it is not, and 2 when the arguments
    or the configuration are invalid.
    """
    # Clients do not send the fragment.
    url = url.partition("#")[0]
    if not url.startswith("/") and "://" not in url:
        example = "http://localhost:3000/healthz, or a path such as /healthz"
        raise click.BadParameter(f"{url!r} is not a URL; write it as {example}", param_hint="URL")
    try:
        # The exporter is not needed, so its plugin is not loaded.
        config = read_config(file, service, exporter_type=registry.NONE)
    except BentotraceError as error:
        click.echo(str(error), err=True)
        return 2
    for note in config.notes:
        if note.warning:
            click.echo(format_note(note), err=True)
    excluded, rate, lines = _decide(config, url)
    if form == "json":
        found = {"url": url, "excluded": excluded, "sample_rate": rate, "reasons": lines}
        click.echo(json.dumps(found, indent=2))
    else:
        first, *rest = lines
        click.echo(click.style(first, fg="yellow" if excluded or not rate else "green"))
        for line in rest:
            click.echo(line)
    return 0 if excluded else 1


def _decide(config: Config, url: str) -> tuple[bool, float, list[str]]:
    """Return whether a URL is excluded, the share of its traces that is recorded, and why."""
    options = config.options
    request = {"url.path" if url.startswith("/") else "url.full": url}
    patterns = options.excluded_urls
    found = URLPatterns(patterns).find(request)
    if found is not None:
        return True, 0.0, [f"excluded by {patterns[found]}, {_source(config, 'excluded_urls')}"]
    plural = "" if len(patterns) == 1 else "s"
    none = f"none of {len(patterns)} pattern{plural} matches"
    off = _why_off(config)
    if off:
        return False, 0.0, [f"not traced: {off}", none]
    rate, why = options.effective_rate, why_unsampled(config)
    lines = []
    rates = options.effective_sample_rates
    if rates:
        found = URLPatterns([item.match for item in rates]).find(request)
        which, option = "sample_rate", "sample_rate"
        if found is not None:
            rate, option = rates[found].rate, "sample_rates"
            which = f"sample_rates[{found}], {rates[found].match}"
            why = f"the rate of {which} is 0, {_source(config, option)}"
        lines = [f"sample rate {rate:g} from {which}, {_source(config, option)}"]
    if rate == 0:
        unless = ", unless a caller samples" if options.sampler.startswith("parentbased") else ""
        return False, rate, [f"not traced{unless}: {why}", none]
    return False, rate, [f"traced: {none}", *(lines or _rate_lines(config))]


def _rate_lines(config: Config) -> list[str]:
    options = config.options
    if options.takes_rate:
        return [f"sample rate {options.sample_rate:g}, {_source(config, 'sample_rate')}"]
    return [f"sampler {options.sampler}, {_source(config, 'sampler')}"]


def _why_off(config: Config) -> str:
    """Return which setting turns tracing off; "" if none does."""
    setting = config.setting("exporter_type")
    # The first candidate is the one that read_config passed.
    candidates = [item for item in setting.candidates if item.origin is not Origin.OVERRIDE]
    if not candidates:
        return ""
    chosen = setting._replace(candidates=tuple(candidates))
    others = [item for item in config.settings if item.path != setting.path]
    types = chosen.value or ()
    real = evolve(
        config, settings=(*others, chosen), options=evolve(config.options, exporter_type=types)
    )
    if config.options.disabled or not set(types) - {registry.NONE}:
        return why_nothing(real)
    return why_nothing(real) if sdk_is_disabled(os.environ) else ""


def _source(config: Config, option: str) -> str:
    """Return where the value of a common option comes from."""
    effective = config.setting(option).effective
    assert effective is not None
    return effective.source
