"""``bentotrace plugins``: which exporters are installed."""

from __future__ import annotations

import json

import attrs
import click

from bentotrace.listing import list_plugins

__all__ = ["plugins"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def plugins(as_json: bool) -> None:
    """List the installed exporters, importing none of them."""
    listings = list_plugins()
    if as_json:
        click.echo(json.dumps([attrs.asdict(listing) for listing in listings], indent=2))
        return
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("exporter_type", "distribution", "version", "stability", "summary"):
        table.add_column(heading, overflow="fold")
    for listing in listings:
        name = f"{listing.name} (claimed twice)" if listing.duplicate else listing.name
        row = (name, listing.distribution, listing.version, listing.stability, listing.summary)
        table.add_row(*map(escape, row))
    Console().print(table)
