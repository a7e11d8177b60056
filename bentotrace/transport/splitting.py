"""Sending smaller messages to a receiver that rejects one as too large.

::

    def send(spans, timeout):
        body = encode(spans)
        return explain_size(transport.send(body, timeout=timeout), spans, len(body))

    for outcome, part in send_in_parts(spans, send, timeout=context.timeout):
        context.report(outcome, len(part))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from attrs import evolve
from opentelemetry.sdk.trace import ReadableSpan

from bentotrace.deadline import Deadline
from bentotrace.transport._size_limits import WORTH_HALVING
from bentotrace.transport.outcome import FailureDetail, FailureKind, Outcome

__all__ = ["explain_size", "send_in_parts"]

T = TypeVar("T")

_SHORTEST_SECONDS = 0.001


def send_in_parts(
    items: Sequence[T], send: Callable[[Sequence[T], float], Outcome], *, timeout: float
) -> Iterator[tuple[Outcome, Sequence[T]]]:
    """Send items in one message, or in halves of it while it is too large.

    A message that may be too large is halved too. If no part of it is accepted, its size was not
    the cause, and the rest is not sent.

    Args:
        items: the items to send.
        send: sends some of them in one message, within a number of seconds.
        timeout: seconds for all messages.

    Yields:
        For every message that succeeded or failed for good: the outcome, and its items. Every item
        is in exactly one; without time left, the rest comes with the last outcome.
    """
    deadline = Deadline.after(timeout)
    waiting = [items]
    refusal: Outcome | None = None
    accepted = guessing = False
    while waiting:
        part = waiting.pop()
        left = deadline.remaining()
        if refusal is not None and left < _SHORTEST_SECONDS:
            reason = f"{refusal.reason}; no time to send less within the {timeout:.3g} s timeout"
            yield evolve(refusal, reason=reason), part
            continue
        outcome = send(part, max(left, _SHORTEST_SECONDS))
        maybe = outcome.detail is FailureDetail.MAYBE_TOO_LARGE
        guessing = guessing or maybe
        accepted = accepted or outcome.ok
        if (maybe or outcome.kind is FailureKind.TOO_LARGE) and len(part) > 1:
            refusal = outcome
            middle = len(part) // 2
            waiting += (part[middle:], part[:middle])
            continue
        yield outcome, part
        if guessing and not accepted:
            for part in reversed(waiting):
                yield outcome, part
            return


def explain_size(outcome: Outcome, spans: Sequence[ReadableSpan], size: int) -> Outcome:
    """Add the size, and a single span's name, to the reason of a message that is too large."""
    if outcome.detail is FailureDetail.MAYBE_TOO_LARGE and size <= WORTH_HALVING:
        return evolve(outcome, detail=None)
    if outcome.kind is not FailureKind.TOO_LARGE:
        return outcome
    alone = len(spans) == 1
    what = f"span {spans[0].name!r} alone is" if alone else f"{len(spans)} spans are"
    return evolve(outcome, reason=f"{what} too large ({size} bytes): {outcome.reason}")
