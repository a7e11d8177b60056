"""``bentotrace schema``: what an editor completes and checks a configuration with."""

from __future__ import annotations

import contextlib
import json
import sys

import click

from bentotrace.config.json_schema import json_schema
from bentotrace.config.report import Report

__all__ = ["schema"]


@click.command()
@click.argument("name", required=False)
def schema(name: str | None) -> None:
    """Print the JSON Schema of a configuration file, or of the section of the exporter NAME.

    Editors with yaml-language-server use it when the file starts with a line such as
    "# yaml-language-server: $schema=tracing.schema.json".
    """
    report = Report()
    # What a plugin prints when it is imported is no part of the schema.
    with contextlib.redirect_stdout(sys.stderr):
        made = json_schema(report, name)
    click.echo(json.dumps(made, indent=2))
    for note in report.notes:
        click.echo(f"warning: {note}", err=True)
