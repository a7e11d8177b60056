from __future__ import annotations

from collections import Counter

import pytest

from bentotrace.doctor.verdict import StepName, Verdict, verdict_of
from bentotrace.transport import FailureDetail, FailureKind, Outcome


def test_every_verdict_has_a_word_of_its_own_and_every_failure_a_code_of_its_own() -> None:
    words = Counter(verdict.word for verdict in Verdict)
    codes = Counter(verdict.exit_code for verdict in Verdict if not verdict.good)

    assert set(words.values()) == set(codes.values()) == {1}
    # 2 is a wrong call, and from 126 on the shell has its own.
    assert not {2, *range(126, 256)} & set(codes)


def test_the_tens_of_a_code_tell_the_step() -> None:
    steps: dict[int, set[StepName]] = {}
    for verdict in Verdict:
        steps.setdefault(verdict.exit_code // 10, set()).add(verdict.step)

    assert steps[2] == {StepName.TLS}
    assert steps[3] == {StepName.PROTOCOL}
    assert steps[4] == {StepName.AUTHENTICATION, StepName.PATH, StepName.RESPONSE}


@pytest.mark.parametrize("kind", FailureKind)
def test_every_kind_of_failure_has_a_verdict(kind: FailureKind) -> None:
    assert not verdict_of(Outcome(ok=False, endpoint="x", kind=kind)).good


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (Outcome(ok=True, endpoint="x"), Verdict.GOOD),
        (Outcome(ok=False, endpoint="x"), Verdict.EXPORTER),
        (Outcome(ok=False, endpoint="x", kind=FailureKind.CLOSED), Verdict.EXPORTER),
        (
            Outcome(
                ok=False,
                endpoint="x",
                kind=FailureKind.STATUS,
                status="400",
                detail=FailureDetail.NEEDS_TLS,
            ),
            Verdict.PLAINTEXT_TO_TLS,
        ),
        (
            Outcome(
                ok=False,
                endpoint="x",
                kind=FailureKind.PROXY,
                detail=FailureDetail.CERTIFICATE_TIME,
            ),
            Verdict.PROXY,
        ),
        (
            Outcome(ok=False, endpoint="x", kind=FailureKind.PROTOCOL, status="503"),
            Verdict.PROTOCOL,
        ),
        (
            Outcome(ok=False, endpoint="x", kind=FailureKind.STATUS, status="UNAVAILABLE"),
            Verdict.SERVER_ERROR,
        ),
    ],
)
def test_an_outcome_has_its_verdict(outcome: Outcome, verdict: Verdict) -> None:
    assert verdict_of(outcome) is verdict
