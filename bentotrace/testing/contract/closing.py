"""The duties of ``force_flush`` and ``shutdown``."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace.export import SpanExportResult

from bentotrace.testing.contract.base import (
    Bench,
    Duties,
    require,
    require_success,
    wait_for,
)
from bentotrace.testing.spans import make_spans

__all__ = ["ClosingDuties"]


class ClosingDuties(Duties):
    """What an exporter does at its end."""

    def test_force_flush_ends_within_its_timeout(self, bench: Bench) -> None:
        """``force_flush`` returns True or False in time, before and after an export."""
        built = bench.build(bench.receiver())
        for _ in range(2):
            result = built.call("force_flush", 200, within=0.2)
            require(
                isinstance(result, bool),
                f"force_flush() returned {result!r}, expected True, or False if spans are left",
            )
            built.export(make_spans(1))

    def test_shutdown_before_use_is_safe(self, bench: Bench) -> None:
        """An exporter can be shut down before its first export."""
        bench.build(bench.receiver()).call("shutdown", within=1.0)

    def test_shutdown_twice_is_safe(self, bench: Bench) -> None:
        """A second shutdown does nothing."""
        built = bench.build(bench.receiver())
        built.export(make_spans(1))
        for _ in range(2):
            built.call("shutdown", within=1.0)

    def test_export_after_shutdown_fails(self, bench: Bench) -> None:
        """After ``shutdown`` nothing is sent, and exports fail."""
        receiver = bench.receiver()
        if receiver is None:
            pytest.skip("receiver is None")
        built = bench.build(receiver)
        require_success(built.export(make_spans(1)))
        built.call("shutdown", within=1.0)
        result = built.export(make_spans(2))
        require(
            result is SpanExportResult.FAILURE,
            f"export() after shutdown() returned {result!r}, expected SpanExportResult.FAILURE; "
            "remember that it was shut down",
        )
        require(len(wait_for(receiver, 1)) == 1, "spans were sent after shutdown()")
