"""Exporters that return the outcomes of their requests instead of reporting them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from bentotrace.delivery.accounting import BatchResult
from bentotrace.delivery.guard import Guard
from bentotrace.delivery.reports import Reports

from .hanging import MakeSpan
from .scripted import REFUSED, TAKEN, raising, refusing


class Returning(SpanExporter):
    """Returns what it is told to, and reports it from ``export``, as the built-in ones do."""

    def __init__(self, returned: Any) -> None:
        self.reports = Reports()
        self.returned = returned

    def export_outcomes(self, spans: Sequence[ReadableSpan]) -> Any:
        return self.returned(spans) if callable(self.returned) else self.returned

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        outcomes = self.export_outcomes(spans)
        for outcome, count in outcomes:
            self.reports.add(outcome, count)
        failed = any(not outcome.ok for outcome, _ in outcomes)
        return SpanExportResult.FAILURE if failed else SpanExportResult.SUCCESS


class Half(Returning):
    """Exports one half by inheritance."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.reports.drop(len(spans) // 2, "half")
        return super().export(spans[::2])


class Delegate:
    """Exports one half by delegation of all that it does not have."""

    def __init__(self, inner: Returning) -> None:
        self.inner = inner

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.inner.reports.drop(len(spans) // 2, "half")
        return self.inner.export(spans[::2])

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class Again(Half):
    """Returns outcomes of its own, below an ``export`` that does not."""

    def export_outcomes(self, spans: Sequence[ReadableSpan]) -> Any:
        return super().export_outcomes(spans)


def raising_later(_: Any) -> Any:
    yield TAKEN, 3
    raise ValueError("bad")


def guarded(exporter: Any) -> Guard:
    logger = logging.getLogger("bentotrace.returning")
    return Guard(exporter, exporter.reports, name="returning", endpoint="there", logger=logger)


def export(exporter: Any, make_span: MakeSpan, **options: Any) -> BatchResult:
    return guarded(exporter).export([make_span() for _ in range(4)], **options)


@pytest.mark.parametrize(
    ("returned", "exported", "failed"),
    [
        pytest.param([(TAKEN, 4)], 4, {}, id="taken"),
        pytest.param([(TAKEN, 3), (REFUSED, 1)], 3, {"refused": 1}, id="two requests"),
        pytest.param([(refusing(1, ok=True), 4)], 3, {"partial": 1}, id="partial"),
        pytest.param(((TAKEN, 4),), 4, {}, id="a tuple"),
        pytest.param([(TAKEN, 3)], 3, {"exporter": 1}, id="one left out"),
        pytest.param([], 0, {"exporter": 4}, id="none"),
        pytest.param(None, 0, {"exporter": 4}, id="nothing"),
        pytest.param(SpanExportResult.SUCCESS, 0, {"exporter": 4}, id="a result"),
        pytest.param([(TAKEN, 3), "sent"], 3, {"exporter": 1}, id="one that is no outcome"),
        pytest.param([(TAKEN, 99)], 4, {}, id="more than sent"),
        pytest.param(raising(SystemExit(1)), 0, {"exporter": 4}, id="raised"),
        pytest.param(raising_later, 3, {"exporter": 1}, id="raised after a request"),
    ],
)
def test_outcomes_add_up_to_the_batch(
    make_span: MakeSpan, returned: Any, exported: int, failed: dict[str, int]
) -> None:
    result = export(Returning(returned), make_span)
    assert (result.exported, result.failed) == (exported, failed)


def test_what_is_reported_of_repeated_attempts_is_not_counted(make_span: MakeSpan) -> None:
    exporter = Returning([(TAKEN, 4)])

    def retry(_: Any) -> Any:
        exporter.reports.add(REFUSED, 0)
        return [(TAKEN, 4)]

    exporter.returned = retry
    assert export(exporter, make_span) == BatchResult(exported=4)


def test_an_attempt_that_was_repeated_explains_an_export_that_is_given_up(
    make_span: MakeSpan,
) -> None:
    exporter = Returning([])
    guard = guarded(exporter)
    reasons = []

    def hang(spans: Sequence[ReadableSpan]) -> Any:
        exporter.reports.add(REFUSED, 0)
        error = guard.give_up(len(spans))
        reasons.append((error.reason, error.spans) if error is not None else None)
        return [(TAKEN, len(spans))]

    exporter.returned = hang
    guard.export([make_span()])
    assert reasons == [("nothing listens there", 1)]


def test_a_batch_is_kept_when_its_outcome_may_pass(make_span: MakeSpan) -> None:
    result = export(Returning([(REFUSED, 4)]), make_span, keep=True)
    assert (result.exported, result.lost, result.kept) == (0, 0, 4)
    assert result.failure is not None
    assert result.failure.reason == "nothing listens there"


def test_an_export_of_what_wraps_the_exporter_is_not_passed_by(make_span: MakeSpan) -> None:
    def sent(spans: Sequence[ReadableSpan]) -> Any:
        return [(TAKEN, len(spans))]

    patched = Returning(sent)
    unpatched = patched.export

    def export_half(spans: Sequence[ReadableSpan]) -> SpanExportResult:
        patched.reports.drop(len(spans) // 2, "half")
        return unpatched(spans[::2])

    patched.export = export_half  # type: ignore[method-assign]
    for exporter in (Half(sent), Delegate(Returning(sent)), patched):
        result = export(exporter, make_span)
        assert (result.exported, result.dropped) == (2, {"half": 2})


def test_outcomes_of_a_subclass_are_used_whatever_its_base_exports(make_span: MakeSpan) -> None:
    assert export(Again([(TAKEN, 4)]), make_span) == BatchResult(exported=4)
