"""What the pages for contributors point at is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = [
    (page, place)
    for page in ("ARCHITECTURE.md", "CONTRIBUTING.md", *ROOT.glob("docs/decisions/*.md"))
    for place in sorted(
        set(re.findall(r"`(\w[\w.]*/[\w./]*)`", (ROOT / page).read_text(encoding="utf-8")))
    )
]


@pytest.mark.parametrize(("page", "place"), PLACES)
def test_a_file_that_a_page_names_is_there(page: str, place: str) -> None:
    assert (ROOT / place).exists() or (ROOT / "bentotrace" / place).exists()


def test_every_room_is_in_the_table_and_in_the_drawing() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    packages = {path.parent.name for path in (ROOT / "bentotrace").glob("*/__init__.py")}

    rows = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.+?) \|", page, re.MULTILINE))))
    drawn = set(re.findall(r"\w+", "".join(re.findall(r"^    .+-->.+$", page, re.MULTILINE))))
    assert packages <= rows
    assert packages <= drawn
