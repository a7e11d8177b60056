"""``bentotrace plugins``: list the installed exporters, or the options of one."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import click

from bentotrace.cli.common import format_option
from bentotrace.cli.options_table import HEADINGS, option_rows, write_row
from bentotrace.discovery.finder import Listing, list_plugins, obstacles
from bentotrace.discovery.registry import NONE, extension_names, load, load_extension, names
from bentotrace.redaction import one_line
from bentotrace.schema.tree import section_of

__all__ = ["plugins"]


_AT_A_TIME = 4
_WIDEST = 10_000
_SECONDS = 30.0
# A plugin may end the process, or print anything.
_LOAD = """
import sys
from bentotrace.discovery import registry
from bentotrace.exceptions import PluginError
try:
    getattr(registry, sys.argv[1])(sys.argv[2])
except PluginError as error:
    sys.exit(" ".join(str(error).split()))
"""


@click.command()
@click.argument("name", required=False)
@format_option(
    "markdown", text="Text for people, JSON for programs, or a table for a README (with NAME)."
)
@click.option("--json", "as_json", is_flag=True, hidden=True)
@click.option("--check", is_flag=True, help="Load each, and print what is wrong; exit code 1.")
@click.pass_context
def plugins(ctx: click.Context, name: str | None, form: str, as_json: bool, check: bool) -> None:
    """List the installed exporters and extensions, importing none, or the options of NAME."""
    if check:
        ctx.exit(_check(name))
    if name is not None:
        _show_options(name, form)
        return
    if form == "markdown":
        raise click.UsageError("--format markdown needs the NAME of an exporter")
    listings = list_plugins()
    for obstacle in obstacles():
        click.echo(f"warning: {obstacle}", err=True)
    # --json is the former name of --format json.
    if as_json or form == "json":
        click.echo(json.dumps([listing._asdict() for listing in listings], indent=2))
        return
    rows = []
    for listing in listings:
        name = f"{listing.name} (extension)" if listing.kind == "extension" else listing.name
        name += " (claimed twice)" if listing.duplicate else ""
        rows.append(
            (name, listing.distribution, listing.version, listing.stability, listing.summary)
        )
    _print_table(("exporter_type", "distribution", "version", "stability", "summary"), rows)


def _check(name: str | None) -> int:
    """Load plugins, each in a process of its own, and print what is wrong."""
    found = [each for each in list_plugins() if name in (None, each.name)]
    if not found:
        click.echo(f"no plugin is named {name}", err=True)
        return 1
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        reasons = list(pool.map(_load_alone, found))
    for listing, reason in zip(found, reasons, strict=True):
        click.echo(f"{listing.kind} {listing.name}: {reason or 'loaded'}")
    return 1 if any(reasons) else 0


def _load_alone(listing: Listing) -> str:
    """Return why a plugin cannot be loaded; "" if it can be."""
    load = "load_extension" if listing.kind == "extension" else "load"
    command = [sys.executable, "-c", _LOAD, load, listing.name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        return f"did not load within {_SECONDS:g} s"
    if done.returncode == 0:
        return ""
    lines = done.stderr.strip().splitlines() or [f"its process ended with {done.returncode}"]
    return one_line(lines[-1])


def _show_options(name: str, form: str) -> None:
    if name == NONE:
        raise click.ClickException(f"the exporter {NONE} exports nothing and has no options")
    with contextlib.redirect_stdout(sys.stderr):
        extends = name in extension_names() and name not in names()
        plugin = load_extension(name).plugin if extends else load(name)
        section = section_of(plugin.config)
    rows = [cells for _, cells in option_rows(section)]
    if form == "json":
        keys = ("name", "default", "help", "variables")
        plain = [[cell.replace("`", "") for cell in cells] for cells in rows]
        found = [dict(zip(keys, cells, strict=True)) for cells in plain]
        click.echo(json.dumps(found, indent=2))
    elif form == "markdown":
        for cells in (HEADINGS, ["---"] * len(HEADINGS), *rows):
            click.echo(write_row(cells))
    else:
        plain = [[cell.replace("<br>", "\n").replace("`", "") for cell in cells] for cells in rows]
        _print_table(HEADINGS, plain)


def _print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    # With NO_COLOR, rich alone would still print bold text.
    console = Console(color_system=None if os.environ.get("NO_COLOR") else "auto")
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        # A program that searches the lines must find whole names.
        console.width = console.measure(
            table, options=console.options.update(width=_WIDEST)
        ).maximum
    console.print(table)
