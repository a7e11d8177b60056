"""``bentotrace validate``: is this configuration good?"""

from __future__ import annotations

import click

import bentotrace
from bentotrace.exceptions import ConfigError

__all__ = ["validate"]


@click.command()
@click.argument("file", type=click.Path())
def validate(file: str) -> int:
    """Check FILE and the environment, and print every problem with its place."""
    try:
        config = bentotrace.load_config(file)
    except ConfigError as error:
        click.echo(str(error), err=True)
        count = len(error.problems)
        click.echo(f"{count} problem{'s' if count > 1 else ''}", err=True)
        return 1
    for note in config.notes:
        click.echo(f"{'warning' if note.warning else 'note'}: {note}")
    names = ", ".join(exporter.plugin.name for exporter in config.exporters) or "no exporter"
    click.echo(f"{file}: good; {names}")
    return 0
