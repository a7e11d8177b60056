from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bentotrace.deadline import Deadline
from bentotrace.transport.outcome import FailureKind, Outcome
from bentotrace.transport.retry import Attempt, Backoff, ignore_retry, send_with_retries

from ...golden import Golden

OK = Attempt(ok=True, status="200", reason="200 OK", body=b"answer")
BUSY = Attempt(
    ok=False, kind=FailureKind.STATUS, status="503", reason="503 busy", body=b"b", retryable=True
)


class Recording(threading.Event):
    """Records the waits, and may skip them."""

    def __init__(self, *, skip: bool = False) -> None:
        super().__init__()
        self.waits: list[float] = []
        self._skip = skip

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        return super().wait(0 if self._skip else timeout)


def run(
    *attempts: Attempt | Callable[[Deadline], Attempt],
    timeout: float = 5.0,
    closed: threading.Event | None = None,
    backoff: Backoff | None = None,
    on_retry: Callable[[Outcome], None] = ignore_retry,
) -> Outcome:
    """Run the loop on these attempts in turn; the last one is repeated."""

    def turns() -> Iterator[Any]:
        yield from attempts
        while True:
            yield attempts[-1]

    turn = turns()

    def attempt(deadline: Deadline) -> Attempt:
        what = next(turn)
        return what if isinstance(what, Attempt) else what(deadline)

    return send_with_retries(
        attempt,
        endpoint="http://localhost/",
        timeout=timeout,
        closed=closed or threading.Event(),
        backoff=backoff or Backoff(first=0.01, longest=0.02),
        on_retry=on_retry,
    )


def test_an_attempt_that_is_made_again_is_told_and_the_last_is_not() -> None:
    told: list[Outcome] = []
    run(BUSY, BUSY, OK, on_retry=told.append)
    assert [(outcome.ok, outcome.status, outcome.attempts) for outcome in told] == [
        (False, BUSY.status, 1),
        (False, BUSY.status, 2),
    ]


def test_a_success_is_returned_at_once() -> None:
    outcome = run(OK)
    assert outcome.ok
    assert (outcome.status, outcome.attempts, outcome.body) == ("200", 1, b"answer")
    assert outcome.kind is None


def test_a_retryable_failure_is_tried_again() -> None:
    outcome = run(BUSY, BUSY, OK)
    assert outcome.ok
    assert outcome.attempts == 3


def test_a_final_failure_is_not_tried_again() -> None:
    outcome = run(Attempt(ok=False, kind=FailureKind.TLS, reason="no trust"), OK)
    assert (outcome.ok, outcome.attempts, outcome.kind) == (False, 1, FailureKind.TLS)
    assert outcome.reason == "no trust"


def test_the_waits_grow_with_jitter_up_to_the_longest() -> None:
    backoff = Backoff()
    for attempts, middle in enumerate([0.25, 0.5, 1, 2, 4, 5, 5], start=1):
        waits = [backoff.wait_after(attempts) for _ in range(200)]
        assert middle * 0.8 <= min(waits) < middle * 0.95
        assert middle * 1.05 < max(waits) <= middle * 1.2
    assert backoff.wait_after(100_000) <= 6


def test_it_waits_between_attempts() -> None:
    closed = Recording()
    outcome = run(BUSY, BUSY, OK, closed=closed, backoff=Backoff(first=0.05, jitter=0))
    assert closed.waits == [0.05, 0.1]
    assert outcome.elapsed >= 0.15


def test_the_receiver_s_delay_wins_over_the_backoff() -> None:
    asked = Attempt(ok=False, reason="busy", retryable=True, delay=0.03)
    closed = Recording()
    outcome = run(asked, OK, closed=closed, backoff=Backoff(first=3, jitter=0))
    assert outcome.ok
    assert closed.waits == [0.03]
    assert outcome.elapsed >= 0.03

    asked = Attempt(ok=False, reason="busy", retryable=True, delay=0.2)
    outcome = run(asked, OK, closed=closed, backoff=Backoff(first=0.001, jitter=0))
    assert closed.waits == [0.03, 0.2]
    assert outcome.elapsed >= 0.2


def test_a_delay_of_zero_does_not_make_a_hot_loop() -> None:
    asked = Attempt(ok=False, reason="busy", retryable=True, delay=0.0)
    closed = Recording()
    run(asked, asked, OK, closed=closed, backoff=Backoff(first=0.1, factor=1, jitter=0))
    assert closed.waits == [0.1, 0.1]


@pytest.mark.parametrize("delay", [1e-320, 1e-9, 0.001, -1.0, float("nan")])
def test_a_delay_of_almost_nothing_makes_no_storm(delay: float) -> None:
    asked = Attempt(ok=False, reason="busy", retryable=True, delay=delay)
    closed = Recording(skip=True)
    run(*[asked] * 8, OK, closed=closed, timeout=60, backoff=Backoff())
    # In the first second, from two to eight attempts.
    assert closed.waits[0] < 1 <= sum(closed.waits)
    assert len(closed.waits) == 8


@pytest.mark.parametrize("delay", [1e9, 1e300, float("inf")])
def test_a_delay_of_ages_ends_the_send(delay: float) -> None:
    closed = Recording()
    asked = Attempt(ok=False, reason="busy", retryable=True, delay=delay)
    outcome = run(asked, closed=closed, timeout=1)
    assert outcome.attempts == 1
    assert closed.waits == []


def test_a_wait_past_the_timeout_is_not_begun_and_the_reason_says_so(golden: Golden) -> None:
    asked = Attempt(
        ok=False,
        kind=FailureKind.STATUS,
        status="503",
        reason="503 Service Unavailable",
        retryable=True,
        delay=60,
    )
    closed = Recording()
    outcome = run(asked, closed=closed, timeout=10)
    assert closed.waits == []
    assert outcome.kind is FailureKind.STATUS
    golden(outcome.reason)


def test_a_backoff_past_the_timeout_is_not_begun_and_the_reason_says_so(golden: Golden) -> None:
    closed = Recording()
    backoff = Backoff(first=0.15, longest=60, factor=400, jitter=0)
    outcome = run(BUSY, closed=closed, timeout=20, backoff=backoff)
    assert outcome.attempts == 2
    assert closed.waits == [0.15]
    golden(outcome.reason)
    assert (outcome.status, outcome.body) == ("503", b"b")


def test_every_attempt_gets_the_same_deadline() -> None:
    seen: list[float] = []

    def attempt(deadline: Deadline) -> Attempt:
        seen.append(deadline.at)
        return BUSY if len(seen) < 3 else OK

    assert run(attempt).ok
    assert len(set(seen)) == 1


def test_a_timeout_after_other_failures_names_them() -> None:
    def hang(deadline: Deadline) -> Attempt:
        time.sleep(deadline.remaining())
        return Attempt(ok=False, kind=FailureKind.TIMEOUT, reason="no answer", retryable=True)

    outcome = run(BUSY, hang, timeout=2)
    assert outcome.kind is FailureKind.TIMEOUT
    assert outcome.reason == "no answer; before that: 503 busy"


def test_closing_ends_a_wait() -> None:
    closed = threading.Event()
    closer = threading.Timer(0.1, closed.set)
    outcome = run(
        BUSY,
        closed=closed,
        backoff=Backoff(first=60, longest=60, jitter=0),
        timeout=90,
        on_retry=lambda _: closer.start(),
    )
    assert outcome.kind is FailureKind.CLOSED
    assert outcome.elapsed < 30
    assert outcome.attempts == 1
    assert outcome.reason == "closed; before that: 503 busy"


def test_nothing_is_tried_once_closed() -> None:
    closed = threading.Event()
    closed.set()
    outcome = run(OK, closed=closed)
    assert (outcome.ok, outcome.kind, outcome.attempts) == (False, FailureKind.CLOSED, 0)


@pytest.mark.parametrize("retryable", [True, False])
def test_an_attempt_that_fails_because_of_closing_is_reported_as_closed(retryable: bool) -> None:
    closed = threading.Event()

    def attempt(_: Deadline) -> Attempt:
        closed.set()
        return Attempt(ok=False, kind=FailureKind.UNEXPECTED, reason="cut", retryable=retryable)

    outcome = run(attempt, closed=closed)
    assert outcome.reason == "closed; before that: cut"
    assert outcome.kind is FailureKind.CLOSED
    assert outcome.attempts == 1


def test_an_attempt_that_succeeds_while_closing_is_a_success() -> None:
    closed = threading.Event()

    def attempt(_: Deadline) -> Attempt:
        closed.set()
        return OK

    assert run(attempt, closed=closed).ok


def test_the_elapsed_time_is_told() -> None:
    def attempt(_: Deadline) -> Attempt:
        time.sleep(0.05)
        return OK

    assert 0.05 <= run(attempt).elapsed < 5
