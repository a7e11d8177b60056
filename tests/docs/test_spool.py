"""What the page of the spool says is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import bentotrace
from bentotrace.config.options import SpoolOptions
from bentotrace.delivery.status import DestinationStatus, DropReason

PAGE = (Path(__file__).parents[2] / "docs" / "spool.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_a_configuration_in_the_page_is_good_and_has_the_default_bound(
    text: str, tmp_path: Path
) -> None:
    file = tmp_path / "tracing.yaml"
    file.write_text(text, encoding="utf-8")

    options = bentotrace.load_config(file).options.spool

    assert options.path == "/var/lib/iris/spool"
    assert options.max_bytes == SpoolOptions().max_bytes


@pytest.mark.parametrize("name", ["spooled", "recovered", "pending", "dropped_by_reason"])
def test_what_the_page_says_of_the_status_is_there(name: str) -> None:
    assert f"`{name}`" in PAGE
    assert name in DestinationStatus.__annotations__


@pytest.mark.parametrize("reason", [DropReason.SPOOL_FULL, DropReason.SPOOL_DAMAGED])
def test_every_reason_for_which_a_span_goes_is_in_the_page(reason: str) -> None:
    assert f"`{reason}`" in PAGE
