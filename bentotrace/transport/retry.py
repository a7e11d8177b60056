"""The one loop in which both transports try, wait and try again."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from attrs import frozen

from bentotrace.threads import started_before_patch
from bentotrace.transport.deadline import Deadline
from bentotrace.transport.outcome import FailureDetail, FailureKind, Outcome

__all__ = ["Attempt", "Backoff", "send_with_retries", "untold"]


class Attempt(NamedTuple):
    """What one attempt came to; see :class:`~bentotrace.transport.outcome.Outcome`.

    Attributes:
        retryable: whether another attempt may fare better.
        delay: seconds that the receiver asked to wait before it, None when it did not.
    """

    ok: bool
    kind: FailureKind | None = None
    status: str | None = None
    reason: str = ""
    body: bytes = b""
    retryable: bool = False
    detail: FailureDetail | None = None
    delay: float | None = None


@frozen
class Backoff:
    """How long to wait between attempts when the receiver does not say.

    Attributes:
        first: seconds before the second attempt.
        longest: seconds that no wait exceeds, jitter apart.
        factor: how much longer each wait is than the one before.
        jitter: the part by which a wait is made longer or shorter at random.
    """

    first: float = 0.25
    longest: float = 5.0
    factor: float = 2.0
    jitter: float = 0.2

    def wait_after(self, attempts: int) -> float:
        """Return the seconds to wait after that many failed attempts."""
        # The exponent is bounded because a float overflows before a patient caller gives up.
        wait = min(self.longest, self.first * self.factor ** min(attempts - 1, 64))
        return wait * random.uniform(1 - self.jitter, 1 + self.jitter)


def send_with_retries(
    attempt: Callable[[Deadline], Attempt],
    *,
    endpoint: str,
    timeout: float,
    closed: threading.Event,
    backoff: Backoff,
    on_retry: Callable[[Outcome], None],
) -> Outcome:
    """Try until it succeeds, cannot succeed, or the time is over.

    Args:
        attempt: tries once, ends by the deadline it is given, and raises nothing.
        endpoint: for the outcome.
        timeout: seconds for everything, waiting included.
        closed: ends a wait at once when it is set.
        backoff: the waits that the receiver does not direct.
        on_retry: is told of each attempt that failed and is made again.
    """
    started = time.monotonic()
    deadline = Deadline.after(timeout)
    attempts = 0
    before = ""

    def outcome(last: Attempt, reason: str, kind: FailureKind | None) -> Outcome:
        return Outcome(
            ok=last.ok,
            endpoint=endpoint,
            kind=kind,
            status=last.status,
            reason=reason,
            attempts=attempts,
            elapsed=time.monotonic() - started,
            detail=last.detail if kind is last.kind else None,
            body=last.body,
        )

    while True:
        if closed.is_set():
            return outcome(Attempt(ok=False), _joined("closed", before), FailureKind.CLOSED)
        if started_before_patch():
            reason = _joined("gevent or eventlet has patched the process meanwhile", before)
            return outcome(Attempt(ok=False), reason, FailureKind.CLOSED)
        attempts += 1
        last = attempt(deadline)
        if last.ok:
            return outcome(last, last.reason, None)
        if closed.is_set():
            return outcome(last, _joined("closed", last.reason), FailureKind.CLOSED)
        if not last.retryable:
            return outcome(last, last.reason, last.kind)
        # Zero seconds is no direction: a receiver that says so would be asked without a pause.
        wait = last.delay or backoff.wait_after(attempts)
        if wait >= deadline.remaining():
            if last.kind is FailureKind.TIMEOUT:
                return outcome(last, _joined(last.reason, before), last.kind)
            why = (
                f"asked to wait {last.delay:.3g} s, past the {timeout:.3g} s timeout"
                if last.delay
                else f"no time for another attempt within the {timeout:.3g} s timeout"
            )
            return outcome(last, f"{last.reason}; {why}", last.kind)
        before = last.reason
        if started_before_patch():
            continue
        on_retry(outcome(last, last.reason, last.kind))
        closed.wait(wait)


def untold(_outcome: Outcome) -> None:
    """Tell nobody of an attempt that is made again."""


def _joined(reason: str, before: str) -> str:
    """Return the reason with what went wrong before it, unless that is the same."""
    return reason if before in ("", reason) else f"{reason}; before that: {before}"
