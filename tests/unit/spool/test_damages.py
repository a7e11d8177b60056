"""Whatever was done to the files of a spool, fresh spans arrive, and the account is right."""

from __future__ import annotations

import pytest

from .damaged import export_despite_damage

pytestmark = pytest.mark.few_pythons


def test_fresh_spans_arrive_after_any_damage() -> None:
    export_despite_damage(range(400))
