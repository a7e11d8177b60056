"""``bentotrace explain``: why is a value what it is?"""

from __future__ import annotations

import json
from typing import Any

import attrs
import click

from bentotrace.cli.reading import read_config
from bentotrace.config.explain import ExplainedOption, Explanation, Given
from bentotrace.config.explain import explain as explain_config

__all__ = ["explain"]


@click.command()
@click.argument("file", type=click.Path(), required=False)
@click.option("--service", help="The service of a BentoML file whose block is meant.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def explain(file: str | None, service: str | None, form: str) -> None:
    """Show every option's value, where it comes from, and what it overrode.

    FILE is the one that BENTOTRACE_CONFIG names, or BENTOML_CONFIG, when it is left out. Secrets
    are shown as ***.
    """
    explanation = explain_config(read_config(file, service))
    if form == "json":
        click.echo(json.dumps(attrs.asdict(explanation), indent=2))
    else:
        _show(explanation)


def _show(explanation: Explanation) -> None:
    click.echo(f"configuration from {explanation.source}\n")
    _show_options(explanation.options)
    for destination in explanation.destinations:
        where = f" to {destination.endpoint}" if destination.endpoint else ""
        protocol = f" ({destination.protocol})" if destination.protocol else ""
        click.echo(f"\nexporter {destination.exporter}{protocol}{where}\n")
        _show_options(destination.options)
    if not explanation.destinations:
        click.echo("\nno exporter: spans go nowhere")
    if explanation.notes:
        click.echo()
    for note in explanation.notes:
        click.echo(f"{'warning' if note.warning else 'note'}: {note}")


def _show_options(options: tuple[ExplainedOption, ...]) -> None:
    rows = [(option.path, _value(option), option) for option in options]
    name = max(len(path) for path, _, _ in rows)
    value = min(max(len(text) for _, text, _ in rows), 32)
    for path, text, option in rows:
        click.echo(f"  {path:<{name}}  {text:<{value}}  {_source(option)}")
        for other in option.overrode:
            over = f"over {_text(other.value)}"
            click.echo(f"  {'':<{name}}  {over:<{value}}  {_source(other)}")


def _source(given: ExplainedOption | Given) -> str:
    return f"{given.source}, read as {given.read_as}" if given.read_as else given.source


def _value(option: ExplainedOption) -> str:
    text = _text(option.value)
    return f"{text} {option.unit}" if option.unit and option.value is not None else text


def _text(value: Any) -> str:
    """Write a value as YAML would have it."""
    if value is None or value in ((), [], {}):
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
