from __future__ import annotations

import pytest

from bentotrace.delivery.advice import advice_on
from bentotrace.transport import FailureKind


@pytest.mark.parametrize("kind", FailureKind)
def test_every_kind_of_failure_has_its_own_advice(kind: FailureKind) -> None:
    assert advice_on(kind.value) != advice_on("exporter")


def test_an_exporter_that_reports_nothing_is_asked_itself() -> None:
    assert advice_on("exporter") == "check the exporter's own log"
