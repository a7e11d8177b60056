"""``bentotrace explain``: print where the value of every option comes from."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from typing import Any

import attrs
import click

from bentotrace.cli.common import (
    file_argument,
    format_note,
    format_option,
    read_config,
    service_option,
    style_effect,
)
from bentotrace.config.candidates import Origin
from bentotrace.config.effect import advise_sampling, describe_setting, summarize
from bentotrace.config.explain import ExplainedOption, Explanation, Given
from bentotrace.config.explain import explain as explain_config

__all__ = ["explain"]

_DEFAULT = Origin.DEFAULT.value
_NAME_WIDTH = 40
_VALUE_WIDTH = 32


@click.command()
@file_argument
@service_option
@click.option("--all", "everything", is_flag=True, help="Also show options with their default.")
@format_option()
def explain(file: str | None, service: str | None, everything: bool, form: str) -> None:
    """Show what differs from the defaults: each value, where it comes from, what it overrides.

    FILE defaults to the file that BENTOTRACE_CONFIG or BENTOML_CONFIG names. Secrets are shown as
    ***. JSON has all options. Of a configuration with problems, only these are shown.
    """
    from bentotrace.pipeline.build import check_exporters
    from bentotrace.pipeline.provider import choose_spans

    config = read_config(file, service)
    # A plugin's output is not part of the command's.
    with contextlib.redirect_stdout(sys.stderr):
        check_exporters(config)
        spans = choose_spans(config.options.spans)
    if spans == "sdk":
        spans = f"sdk: {describe_setting(config, 'spans', 'sdk')}"
    explanation, effect = explain_config(config), summarize(config)
    if form == "json":
        shown = {"effect": effect, "spans": spans, **attrs.asdict(explanation)}
        click.echo(json.dumps(shown, indent=2))
        return
    click.echo(f"{click.style(explanation.source, bold=True)}: {style_effect(effect)}")
    if config.exporters and config.options.records_nothing:
        click.echo(f"  {advise_sampling(config)}")
    if config.exporters and spans != "lean":
        click.echo(f"  creates the SDK's own spans, which cost more: {spans.removeprefix('sdk: ')}")
    _show(explanation, everything)


def _show(explanation: Explanation, everything: bool) -> None:
    hidden = _show_options("options", explanation.options, everything)
    for destination in explanation.destinations:
        where = f" to {destination.endpoint}" if destination.endpoint else ""
        protocol = f" ({destination.protocol})" if destination.protocol else ""
        title = f"exporter {destination.exporter}{protocol}{where}"
        hidden += _show_options(title, destination.options, everything)
    if hidden:
        plural = "s have their defaults" if hidden > 1 else " has its default"
        click.echo(f"\n{hidden} more option{plural}; --all shows them")
    if explanation.notes:
        click.echo()
    for note in explanation.notes:
        click.echo(format_note(note))


def _show_options(title: str, options: Sequence[ExplainedOption], everything: bool) -> int:
    """Print a table, and return the number of options that are left out."""
    shown = [option for option in options if everything or option.source != _DEFAULT]
    click.echo(f"\n{click.style(title, bold=True)}")
    if not shown:
        click.echo("  all have their defaults")
    rows = [(option.path, _value(option), option) for option in shown]
    name = min(max((len(path) for path, _, _ in rows), default=0), _NAME_WIDTH)
    overridden = [f"overrides {_text(item.value)}" for o in shown for item in o.overrode]
    widths = [len(text) for text in (*(text for _, text, _ in rows), *overridden)]
    value = min(max(widths, default=0), _VALUE_WIDTH)
    for path, text, option in rows:
        source = click.style(_source(option), dim=option.source == _DEFAULT or None)
        click.echo(f"  {path:<{name}}  {text:<{value}}  {source}")
        for other in option.overrode:
            over = f"overrides {_text(other.value)}"
            click.echo(click.style(f"  {'':<{name}}  {over:<{value}}  {_source(other)}", dim=True))
    return len(options) - len(shown)


def _source(value: ExplainedOption | Given) -> str:
    read_as = f", read as {value.read_as}" if value.read_as else ""
    deprecated = ", deprecated" if getattr(value, "deprecated", "") else ""
    return f"{value.source}{read_as}{deprecated}"


def _value(option: ExplainedOption) -> str:
    text = _text(option.value)
    return f"{text} {option.unit}" if option.unit and option.value is not None else text


def _text(value: Any) -> str:
    """Return a value as YAML, in one line and with quotes where its end is not clear."""
    if value is None or value in ((), [], {}):
        return "-"
    plain = isinstance(value, str) and value.isprintable() and value == " ".join(value.split())
    return value if plain and value else json.dumps(value, ensure_ascii=False)
