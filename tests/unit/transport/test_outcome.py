from __future__ import annotations

import pytest
from attrs import evolve
from attrs.exceptions import FrozenInstanceError

from bentotrace.transport.outcome import FailureKind, Outcome


def test_an_outcome_never_holds_the_endpoint_s_credentials() -> None:
    outcome = Outcome(ok=True, endpoint="http://user:secret@localhost/")
    assert outcome.endpoint == "http://localhost/"
    assert "secret" not in repr(outcome) + str(outcome)


def test_an_outcome_reads_as_one_line() -> None:
    outcome = Outcome(
        ok=False,
        endpoint="http://localhost:4318/",
        kind=FailureKind.STATUS,
        status="503",
        reason="503 Service Unavailable: overloaded",
        attempts=3,
        elapsed=2.125,
    )
    assert str(outcome) == (
        "http://localhost:4318/: 503 Service Unavailable: overloaded (3 attempts, 2.12 s)"
    )
    assert "1 attempt," in str(evolve(outcome, attempts=1))


def test_an_outcome_is_frozen_and_can_be_evolved() -> None:
    outcome = Outcome(ok=True, endpoint="http://localhost/", status="200")
    with pytest.raises(FrozenInstanceError):
        outcome.ok = False  # type: ignore[misc]
    partial = evolve(outcome, ok=False, kind=FailureKind.PARTIAL, rejected=3)
    assert (partial.status, partial.rejected) == ("200", 3)


def test_the_body_is_not_in_the_repr() -> None:
    assert "answer" not in repr(Outcome(ok=True, endpoint="x", body=b"answer"))


@pytest.mark.parametrize(("attempts", "retried"), [(0, False), (1, False), (2, True)])
def test_an_outcome_says_whether_it_was_retried(attempts: int, retried: bool) -> None:
    assert Outcome(ok=True, endpoint="x", attempts=attempts).retried is retried
