from __future__ import annotations

import pytest
from attrs import evolve
from attrs.exceptions import FrozenInstanceError

from bentotrace.transport.outcome import FailureKind, Outcome

from ...golden import Golden


def test_an_outcome_never_holds_the_endpoint_s_credentials() -> None:
    outcome = Outcome(ok=True, endpoint="http://user:secret@localhost/")
    assert outcome.endpoint == "http://localhost/"
    assert "secret" not in repr(outcome) + str(outcome)


def test_an_outcome_reads_as_one_line(golden: Golden) -> None:
    outcome = Outcome(
        ok=False,
        endpoint="http://localhost:4318/",
        kind=FailureKind.STATUS,
        status="503",
        reason="503 Service Unavailable: overloaded",
        attempts=3,
        elapsed=2.125,
    )
    golden(str(outcome))
    assert "1 attempt," in str(evolve(outcome, attempts=1))


def test_an_outcome_is_frozen_and_can_be_evolved() -> None:
    outcome = Outcome(ok=True, endpoint="http://localhost/", status="200")
    with pytest.raises(FrozenInstanceError):
        outcome.ok = False  # type: ignore[misc]
    partial = evolve(outcome, ok=False, kind=FailureKind.PARTIAL, rejected=3)
    assert (partial.status, partial.rejected) == ("200", 3)


def test_the_body_is_not_in_the_repr() -> None:
    assert "answer" not in repr(Outcome(ok=True, endpoint="x", body=b"answer"))
