"""Write the tables of ``configuration.md`` from the code that reads the options.

``python docs/tables.py`` rewrites the text between ``<!-- options: NAME -->`` and
``<!-- end -->``; a test fails if the page differs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from bentotrace.cli.options_table import HEADINGS, format_variable, option_rows, write_row
from bentotrace.config.options import TracingOptions
from bentotrace.discovery import registry
from bentotrace.schema.tree import section_of

PAGE = Path(__file__).with_name("configuration.md")
COMMON = "common"

_TABLE = re.compile(r"(<!-- options: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def page_of(text: str) -> str:
    """Return the page with up-to-date tables."""
    return _TABLE.sub(lambda found: found[1] + "\n".join(_rows(found[2])) + f"\n{found[3]}", text)


def _rows(name: str) -> Iterator[str]:
    yield write_row(HEADINGS)
    yield write_row(["---"] * len(HEADINGS))
    section = section_of(TracingOptions if name == COMMON else registry.load(name).config)
    for path, cells in option_rows(section):
        if name == COMMON and path == ("timeout",):
            cells[-1] = "<br>".join(_timeouts())
        yield write_row(cells)


def _timeouts() -> Iterator[str]:
    for name in registry.names():
        if name != registry.NONE:
            for variable in registry.load(name).timeout_env:
                yield f"{format_variable(variable)}, for `{name}`"


if __name__ == "__main__":
    PAGE.write_text(page_of(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
