"""Which batches that failed the guard has kept, so that they can be tried again."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SpanExportResult

from bentotrace.transport import FailureKind, Outcome

from .scripted import REFUSED, TAKEN, Bench, raising, refusing


def status(word: str, *, retryable: bool = False) -> Outcome:
    return Outcome(
        False, "there", FailureKind.STATUS, status=word, reason="bad", retryable=retryable
    )


@pytest.mark.parametrize(
    ("result", "reports", "kept"),
    [
        pytest.param(SpanExportResult.FAILURE, [], 4, id="no reason"),
        pytest.param(None, [], 0, id="no result"),
        pytest.param(SpanExportResult.SUCCESS, [], 0, id="success"),
        pytest.param(SpanExportResult.FAILURE, [(refusing(1), 4)], 0, id="partial"),
        pytest.param(SpanExportResult.FAILURE, [(TAKEN, 3), (REFUSED, 1)], 4, id="two requests"),
        pytest.param(
            SpanExportResult.FAILURE, [(refusing(1), 2), (REFUSED, 2)], 4, id="partial and refused"
        ),
        pytest.param(SpanExportResult.FAILURE, [(status("400"), 4)], 0, id="400"),
        pytest.param(SpanExportResult.FAILURE, [(status("410"), 4)], 0, id="410"),
        pytest.param(
            SpanExportResult.FAILURE, [(status("409", retryable=True), 4)], 4, id="retried 409"
        ),
        pytest.param(SpanExportResult.FAILURE, [(status("408"), 4)], 4, id="408"),
        pytest.param(SpanExportResult.FAILURE, [(status("429"), 4)], 4, id="429"),
        pytest.param(SpanExportResult.FAILURE, [(status("302"), 4)], 4, id="302"),
        pytest.param(SpanExportResult.FAILURE, [(status("500"), 4)], 4, id="500"),
        pytest.param(SpanExportResult.FAILURE, [(status("INVALID_ARGUMENT"), 4)], 0, id="invalid"),
        pytest.param(SpanExportResult.FAILURE, [(status("UNAVAILABLE"), 4)], 4, id="unavailable"),
        pytest.param(SpanExportResult.FAILURE, [(status("RESOURCE_EXHAUSTED"), 4)], 4, id="busy"),
        *(
            pytest.param(
                SpanExportResult.FAILURE,
                [(Outcome(False, "there", kind), 4)],
                0 if kind in (FailureKind.TOO_LARGE, FailureKind.PARTIAL) else 4,
                id=kind.value,
            )
            for kind in FailureKind
            if kind is not FailureKind.STATUS
        ),
    ],
)
def test_a_batch_is_kept_whole_when_a_reason_may_pass(
    bench: Bench, result: Any, reports: list[Any], kept: int
) -> None:
    bench.answer(result, *reports)
    became = bench.guard.export([bench.span] * 4, keep=True)
    assert became.kept == kept
    assert became.exported + became.lost + became.kept == 4


def test_what_raises_may_be_taken_the_next_time(bench: Bench) -> None:
    bench.exporter.script = raising(OSError("no network"))
    became = bench.guard.export([bench.span] * 4, keep=True)
    assert (became.exported, became.lost, became.kept) == (0, 0, 4)
    assert became.failure is not None
    assert became.failure.kind == "exporter"


def test_spans_that_are_kept_are_not_said_to_be_lost(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.answer(SpanExportResult.FAILURE, (REFUSED, 4))
    for _ in range(62):
        bench.guard.export([bench.span] * 4, keep=True)
        bench.now[0] += 1.0
    bench.succeed()
    first, second, third = [record.getMessage() for record in caplog.records]
    assert "failed and keeps 4 spans on disk: nothing listens there" in first
    assert "has failed 61 times and lost 0 spans so far" in second
    assert "works again; it lost 0 spans in 62 failed exports" in third
    last = bench.guard.health.last_error
    assert last is not None
    assert last.spans == 0
