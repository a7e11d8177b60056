"""``bentotrace schema``: print the JSON Schema with which editors complete and check a file."""

from __future__ import annotations

import contextlib
import gc
import json
import sys
from collections.abc import Iterator
from typing import Any

import click

from bentotrace.config.diagnostics import Report
from bentotrace.config.json_schema import json_schema

__all__ = ["schema"]


@click.command()
@click.argument("name", required=False)
def schema(name: str | None) -> None:
    """Print the JSON Schema of a configuration file, or of the section of the exporter NAME.

    Editors with yaml-language-server use it when the file starts with a line such as
    "# yaml-language-server: $schema=tracing.schema.json".
    """
    report = Report()
    # The output of a plugin's import is not part of the schema.
    with contextlib.redirect_stdout(sys.stderr), _without_collections():
        printed = json_schema(report, name)
    click.echo(_write(printed))
    for note in report.notes:
        click.echo(f"warning: {note}", err=True)


@contextlib.contextmanager
def _without_collections() -> Iterator[None]:
    """Turn garbage collection off: it takes a tenth of the time, and finds little to free."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


_MAPPINGS = {"properties", "$defs"}
_NESTED = {*_MAPPINGS, "then", "allOf"}


def _write(schema: Any, indent: str = "\n", *, is_mapping: bool = False) -> str:
    """Return a schema as JSON with a line for each option.

    ``json.dumps(indent=2)`` takes four times as long, which matters with hundreds of plugins.
    """
    inner = indent + "  "
    if isinstance(schema, list):
        parts = [_write(part, inner) for part in schema]
    elif isinstance(schema, dict) and (is_mapping or schema.keys() & _NESTED):
        parts = [
            f"{json.dumps(key)}: {_write(value, inner, is_mapping=key in _MAPPINGS)}"
            if is_mapping or key in _NESTED
            else f"{json.dumps(key)}: {json.dumps(value)}"
            for key, value in schema.items()
        ]
    else:
        parts = []
    if not parts:
        return json.dumps(schema)
    first, last = "[]" if isinstance(schema, list) else "{}"
    return f"{first}{inner}{f',{inner}'.join(parts)}{indent}{last}"
