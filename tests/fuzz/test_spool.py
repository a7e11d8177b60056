"""Ten thousand damages to the files of a spool."""

from __future__ import annotations

from ..unit.spool.damaged import export_despite_damage


def test_fresh_spans_arrive_after_any_damage() -> None:
    export_despite_damage(range(1000, 11_000))
