"""Writes the tables of ``configuration.md`` from the code that reads the options.

``python docs/tables.py`` rewrites what stands between ``<!-- options: NAME -->`` and
``<!-- end -->``; a test fails while the page is not what this would write.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bentotrace import registry
from bentotrace.config.kinds import DURATION, milliseconds
from bentotrace.config.options import TracingOptions
from bentotrace.config.schema import Leaf, section_of
from bentotrace.plugin import Variable, exporter_timeout

PAGE = Path(__file__).with_name("configuration.md")
COMMON = "common"

_TABLE = re.compile(r"(<!-- options: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_READ_AS = {
    milliseconds: "whole milliseconds",
    exporter_timeout: "seconds, from 100 on milliseconds",
}


def page_of(text: str) -> str:
    """Give the page with every table as it must be."""
    return _TABLE.sub(lambda found: found[1] + "\n".join(_rows(found[2])) + f"\n{found[3]}", text)


def _rows(name: str) -> Iterator[str]:
    yield "| option | default | what it says | variables that win over it |"
    yield "| --- | --- | --- | --- |"
    section = section_of(TracingOptions if name == COMMON else registry.load(name).config)
    for path, leaf in section.leaves():
        variables = "<br>".join(_variable(variable, leaf) for variable in leaf.record.env)
        if name == COMMON and path == ("timeout",):
            variables = "<br>".join(_timeouts())
        cells = (f"`{'.'.join(path)}`", _default(leaf), _help(leaf), variables or "none")
        yield f"| {' | '.join(cells)} |"


def _timeouts() -> Iterator[str]:
    for name in registry.names():
        if name != registry.NONE:
            for variable in registry.load(name).timeout_env:
                yield f"`{variable.name}` ({_READ_AS[variable.parse]}), for `{name}`"


def _variable(variable: Variable, leaf: Leaf) -> str:
    how = _READ_AS.get(variable.parse)
    return f"`{variable.name}`" + (f" ({how})" if how else "")


def _help(leaf: Leaf) -> str:
    choices = typing.get_args(leaf.attribute.type)
    text = leaf.record.help.replace("|", "\\|")
    if typing.get_origin(leaf.attribute.type) is typing.Literal:
        text += f" One of {', '.join(f'`{choice}`' for choice in choices)}."
    return text + (" Secret." if leaf.record.secret else "")


def _default(leaf: Leaf) -> str:
    value: Any = leaf.default
    if leaf.required:
        return "required"
    if value is None or value in ((), {}, []):
        return ""
    unit = "s" if leaf.kind is DURATION else leaf.record.unit
    text = str(value).lower() if isinstance(value, bool) else f"{value:g}" if unit == "s" else value
    return f"`{text}`" + (f" {unit}" if unit else "")


if __name__ == "__main__":
    PAGE.write_text(page_of(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
