"""The table in the README has all options."""

from __future__ import annotations

from pathlib import Path

import pytest
from bentotrace.cli import main


def test_the_table_of_options_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "kafka", "--format", "markdown"]) == 0
    readme = Path(__file__).parents[1] / "README.md"
    assert capsys.readouterr().out in readme.read_text(encoding="utf-8")
