from __future__ import annotations

import time
from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan

from bentotrace.transport import FailureKind, Outcome
from bentotrace.transport.halving import explain_size, send_in_halves

TAKEN = Outcome(ok=True, endpoint="h:1")
TOO_LARGE = Outcome(ok=False, endpoint="h:1", kind=FailureKind.TOO_LARGE, reason="413")


class Scale:
    """Takes parts up to a weight."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.tried: list[Sequence[int]] = []
        self.timeouts: list[float] = []

    def send(self, part: Sequence[int], timeout: float) -> Outcome:
        self.tried.append(part)
        self.timeouts.append(timeout)
        return TAKEN if sum(part) <= self.most else TOO_LARGE


def test_what_fits_is_sent_once() -> None:
    scale = Scale(10)

    assert list(send_in_halves([1, 2, 3], scale.send, timeout=1)) == [(TAKEN, [1, 2, 3])]


def test_halves_are_sent_in_order_until_they_fit() -> None:
    scale = Scale(6)

    sent = list(send_in_halves([1, 2, 3, 4, 5], scale.send, timeout=1))

    assert sent == [(TAKEN, [1, 2]), (TAKEN, [3]), (TAKEN, [4]), (TAKEN, [5])]
    assert scale.tried == [[1, 2, 3, 4, 5], [1, 2], [3, 4, 5], [3], [4, 5], [4], [5]]


def test_one_that_is_too_large_alone_comes_alone() -> None:
    scale = Scale(6)

    sent = list(send_in_halves([1, 9, 2], scale.send, timeout=1))

    assert [(outcome.ok, part) for outcome, part in sent] == [
        (True, [1]),
        (False, [9]),
        (True, [2]),
    ]


def test_another_failure_is_not_halved() -> None:
    refused = Outcome(ok=False, endpoint="h:1", kind=FailureKind.REFUSED)

    assert list(send_in_halves([1, 2], lambda *_: refused, timeout=1)) == [(refused, [1, 2])]


def test_all_parts_share_one_timeout() -> None:
    scale = Scale(1)

    def send(part: Sequence[int], timeout: float) -> Outcome:
        time.sleep(0.02)
        return scale.send(part, timeout)

    list(send_in_halves([1, 1, 1, 1], send, timeout=0.1))

    assert scale.timeouts == sorted(scale.timeouts, reverse=True)
    assert scale.timeouts[0] <= 0.1
    assert 0 < scale.timeouts[-1] <= 0.02


def test_what_there_is_no_time_for_comes_with_the_last_refusal() -> None:
    scale = Scale(1)

    def send(part: Sequence[int], timeout: float) -> Outcome:
        time.sleep(0.02)
        return scale.send(part, timeout)

    (first, *_), *others = send_in_halves([1, 1, 1, 1], send, timeout=0.01)

    assert scale.tried == [[1, 1, 1, 1]]
    assert first.kind is FailureKind.TOO_LARGE
    assert first.reason == "413; no time to send less within the 0.01 s timeout"
    assert [part for _, part in others] == [[1, 1]]


def test_nothing_is_one_empty_part() -> None:
    assert list(send_in_halves([], Scale(1).send, timeout=1)) == [(TAKEN, [])]


def test_the_reason_names_what_was_too_large() -> None:
    spans = [ReadableSpan("one"), ReadableSpan("two")]

    assert explain_size(TOO_LARGE, spans, 500).reason == "2 spans are too large (500 bytes): 413"
    assert explain_size(TOO_LARGE, spans[:1], 5).reason == (
        "span 'one' alone is too large (5 bytes): 413"
    )
    assert explain_size(TAKEN, spans, 5) is TAKEN
