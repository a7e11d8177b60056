"""The loop in which a request is sent, and sent again; no instrumentation records it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from opentelemetry import context

from bentotrace.deadline import Deadline
from bentotrace.threads import started_before_patch
from bentotrace.transport.headers import ResponseHeaders
from bentotrace.transport.outcome import FailureDetail, FailureKind, Outcome
from bentotrace.values import frozen

__all__ = [
    "Attempt",
    "Backoff",
    "ignore_retry",
    "send_with_retries",
    "suppress_instrumentation",
]

# The API keeps these keys private; older instrumentation reads the plain name.
_KEYS = (
    *(
        getattr(context, name)
        for name in ("_SUPPRESS_INSTRUMENTATION_KEY", "_SUPPRESS_HTTP_INSTRUMENTATION_KEY")
        if hasattr(context, name)
    ),
    "suppress_instrumentation",
)


class Attempt(NamedTuple):
    """The result of one attempt; see :class:`~bentotrace.transport.outcome.Outcome`.

    Attributes:
        retryable: whether another attempt may succeed.
        delay: seconds that the receiver requests to wait before it, None without a request.
    """

    ok: bool
    kind: FailureKind | None = None
    status: str | None = None
    reason: str = ""
    body: bytes = b""
    retryable: bool = False
    detail: FailureDetail | None = None
    delay: float | None = None
    headers: Mapping[str, str] = ResponseHeaders()


@frozen
class Backoff:
    """The waits between attempts when the receiver does not specify them.

    Attributes:
        first: seconds before the second attempt.
        longest: the maximum in seconds, without jitter.
        factor: the ratio of each wait to the one before.
        jitter: the fraction by which a wait is randomly lengthened or shortened.
    """

    first: float = 0.25
    longest: float = 5.0
    factor: float = 2.0
    jitter: float = 0.2

    def wait_after(self, attempts: int) -> float:
        """Return the seconds to wait after a number of failed attempts."""
        # The exponent is bounded because a float overflows.
        wait = min(self.longest, self.first * self.factor ** min(attempts - 1, 64))
        return wait * random.uniform(1 - self.jitter, 1 + self.jitter)


# The minimum of the waits that a receiver requests.
_SHORTEST = Backoff(first=0.025, longest=1.0)


def send_with_retries(
    attempt: Callable[[Deadline], Attempt],
    *,
    endpoint: str,
    timeout: float,
    closed: threading.Event,
    backoff: Backoff,
    on_retry: Callable[[Outcome], None],
) -> Outcome:
    """Attempt a send until it succeeds, cannot succeed, or the timeout passes.

    Args:
        attempt: sends once, by the deadline, and raises nothing.
        endpoint: for the outcome.
        timeout: seconds for everything, waiting included.
        closed: ends a wait at once when set.
        backoff: the waits when the receiver requests none.
        on_retry: called with each failed attempt before the next one.
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
            headers=last.headers,
            retryable=last.retryable,
        )

    while True:
        if closed.is_set():
            return outcome(Attempt(ok=False), _joined("closed", before), FailureKind.CLOSED)
        if started_before_patch():
            reason = _joined("gevent or eventlet patched the process meanwhile", before)
            return outcome(Attempt(ok=False), reason, FailureKind.CLOSED)
        attempts += 1
        with suppress_instrumentation():
            last = attempt(deadline)
        if last.ok:
            return outcome(last, last.reason, None)
        if closed.is_set():
            return outcome(last, _joined("closed", last.reason), FailureKind.CLOSED)
        if not last.retryable:
            return outcome(last, last.reason, last.kind)
        wait = backoff.wait_after(attempts)
        requested = last.delay or 0.0
        if requested > 0:
            # Without this minimum a receiver could make one batch arrive thousands of times.
            wait = max(requested, min(wait, _SHORTEST.wait_after(attempts)))
        if wait >= deadline.remaining():
            if last.kind is FailureKind.TIMEOUT:
                return outcome(last, _joined(last.reason, before), last.kind)
            why = (
                f"the requested wait of {requested:.3g} s exceeds the {timeout:.3g} s timeout"
                if wait == requested
                else f"no time for another attempt within the {timeout:.3g} s timeout"
            )
            return outcome(last, f"{last.reason}; {why}", last.kind)
        before = last.reason
        if started_before_patch():
            continue
        on_retry(outcome(last, last.reason, last.kind))
        closed.wait(wait)


def ignore_retry(_outcome: Outcome) -> None:
    """Do nothing; the default of ``on_retry``."""


@contextmanager
def suppress_instrumentation() -> Iterator[None]:
    """Keep instrumented libraries from creating spans in this thread while the block runs."""
    suppressed = context.get_current()
    for key in _KEYS:
        suppressed = context.set_value(key, True, suppressed)
    token = context.attach(suppressed)
    try:
        yield
    finally:
        context.detach(token)


def _joined(reason: str, before: str) -> str:
    """Append the reason of the attempt before, unless it is the same."""
    return reason if before in ("", reason) else f"{reason}; before that: {before}"
