"""Sending less at a time to a receiver that finds a message too large.

::

    def send(spans, timeout):
        body = encode(spans)
        return explain_size(transport.send(body, timeout=timeout), spans, len(body))

    for outcome, part in send_in_halves(spans, send, timeout=context.timeout):
        context.report(outcome, len(part))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from attrs import evolve
from opentelemetry.sdk.trace import ReadableSpan

from bentotrace.transport.deadline import Deadline
from bentotrace.transport.outcome import FailureKind, Outcome

__all__ = ["explain_size", "send_in_halves"]

T = TypeVar("T")

_SHORTEST_SECONDS = 0.001


def send_in_halves(
    items: Sequence[T], send: Callable[[Sequence[T], float], Outcome], *, timeout: float
) -> Iterator[tuple[Outcome, Sequence[T]]]:
    """Send items; those that are too large together go in halves, down to a single one.

    Args:
        items: what is sent.
        send: sends some of them in one message within so many seconds.
        timeout: seconds for all of it.

    Yields:
        For every message that was taken, or failed for good: the outcome, and the items in it.
        Every item is in one of them; one that is too large alone comes alone. What there was no
        time for comes with the last refusal.
    """
    deadline = Deadline.after(timeout)
    waiting = [items]
    refusal: Outcome | None = None
    while waiting:
        part = waiting.pop()
        left = deadline.remaining()
        if refusal is not None and left < _SHORTEST_SECONDS:
            reason = f"{refusal.reason}; no time to send less within the {timeout:.3g} s timeout"
            yield evolve(refusal, reason=reason), part
            continue
        outcome = send(part, max(left, _SHORTEST_SECONDS))
        if outcome.kind is FailureKind.TOO_LARGE and len(part) > 1:
            refusal = outcome
            middle = len(part) // 2
            waiting += (part[middle:], part[:middle])
        else:
            yield outcome, part


def explain_size(outcome: Outcome, spans: Sequence[ReadableSpan], size: int) -> Outcome:
    """Put the size, and the name of a span that is alone, into the reason of one too large."""
    if outcome.kind is not FailureKind.TOO_LARGE:
        return outcome
    alone = len(spans) == 1
    what = f"span {spans[0].name!r} alone is" if alone else f"{len(spans)} spans are"
    return evolve(outcome, reason=f"{what} too large ({size} bytes): {outcome.reason}")
