"""A table in Markdown of the options in a section."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Iterator
from typing import Any

from bentotrace.plugin import Variable, exporter_timeout
from bentotrace.schema.kinds import DURATION, milliseconds
from bentotrace.schema.tree import Leaf, Section

__all__ = ["HEADINGS", "READ_AS", "format_variable", "option_rows", "write_row"]

HEADINGS = ("option", "default", "meaning", "variables that override it")

READ_AS: dict[Any, str] = {
    milliseconds: "whole milliseconds",
    exporter_timeout: "seconds, from 100 on milliseconds",
}
"""How a variable is read that is not read as the option."""


def option_rows(section: Section) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Yield each option's path, and its row: name, default, meaning and variables."""
    for path, leaf in section.leaves():
        variables = "<br>".join(map(format_variable, leaf.record.env))
        yield path, [f"`{'.'.join(path)}`", _default(leaf), _help(leaf), variables or "none"]


def write_row(cells: Iterable[str]) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(cells)} |"


def format_variable(variable: Variable) -> str:
    """Return a variable with its unit."""
    how = None if variable.parse is None else READ_AS.get(variable.parse)
    return f"`{variable.name}`" + (f" ({how})" if how else "")


def _help(leaf: Leaf) -> str:
    text = leaf.record.help.replace("|", "\\|")
    if typing.get_origin(leaf.attribute.type) is typing.Literal:
        choices = typing.get_args(leaf.attribute.type)
        text += f" One of {', '.join(f'`{choice}`' for choice in choices)}."
    text += " Secret." if leaf.record.secret else ""
    return text + (f" Deprecated; {leaf.record.deprecated}." if leaf.record.deprecated else "")


def _default(leaf: Leaf) -> str:
    value: Any = leaf.default
    if leaf.required:
        return "required"
    if value is None or value in ((), {}, []):
        return ""
    unit = "s" if leaf.kind is DURATION else leaf.record.unit
    text = str(value).lower() if isinstance(value, bool) else f"{value:g}" if unit == "s" else value
    return f"`{text}`" + (f" {unit}" if unit else "")
