from __future__ import annotations

import itertools
import time
from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan

from bentotrace.transport import FailureDetail, FailureKind, Outcome
from bentotrace.transport._size_limits import WORTH_HALVING
from bentotrace.transport.splitting import explain_size, send_in_parts

from ...golden import Golden

TAKEN = Outcome(ok=True, endpoint="h:1")
EXHAUSTED = Outcome(
    ok=False,
    endpoint="h:1",
    kind=FailureKind.STATUS,
    status="RESOURCE_EXHAUSTED",
    detail=FailureDetail.MAYBE_TOO_LARGE,
)
TOO_LARGE = Outcome(ok=False, endpoint="h:1", kind=FailureKind.TOO_LARGE, reason="413")


class Scale:
    """Takes parts up to a weight."""

    def __init__(self, most: int, refusal: Outcome = TOO_LARGE) -> None:
        self.most = most
        self.refusal = refusal
        self.tried: list[Sequence[int]] = []
        self.timeouts: list[float] = []

    def send(self, part: Sequence[int], timeout: float) -> Outcome:
        self.tried.append(part)
        self.timeouts.append(timeout)
        return TAKEN if sum(part) <= self.most else self.refusal


def test_what_fits_is_sent_once() -> None:
    scale = Scale(10)

    assert list(send_in_parts([1, 2, 3], scale.send, timeout=1)) == [(TAKEN, [1, 2, 3])]


def test_halves_are_sent_in_order_until_they_fit() -> None:
    scale = Scale(6)

    sent = list(send_in_parts([1, 2, 3, 4, 5], scale.send, timeout=1))

    assert sent == [(TAKEN, [1, 2]), (TAKEN, [3]), (TAKEN, [4]), (TAKEN, [5])]
    assert scale.tried == [[1, 2, 3, 4, 5], [1, 2], [3, 4, 5], [3], [4, 5], [4], [5]]


def test_one_that_is_too_large_alone_comes_alone() -> None:
    scale = Scale(6)

    sent = list(send_in_parts([1, 9, 2], scale.send, timeout=1))

    assert [(outcome.ok, part) for outcome, part in sent] == [
        (True, [1]),
        (False, [9]),
        (True, [2]),
    ]


def test_one_that_may_be_too_large_is_halved() -> None:
    scale = Scale(6, EXHAUSTED)

    sent = list(send_in_parts([1, 2, 3, 4, 5, 9], scale.send, timeout=1))

    assert [(outcome.ok, part) for outcome, part in sent] == [
        (True, [1, 2, 3]),
        (True, [4]),
        (True, [5]),
        (False, [9]),
    ]


def test_a_quota_that_does_not_say_so_costs_a_request_for_each_halving() -> None:
    scale = Scale(0, EXHAUSTED)

    sent = list(send_in_parts([1] * 512, scale.send, timeout=5))

    assert [len(part) for part in scale.tried] == [512 >> step for step in range(10)]
    assert sum(len(part) for _, part in sent) == 512
    assert {outcome.status for outcome, _ in sent} == {"RESOURCE_EXHAUSTED"}


def test_a_small_message_is_not_refused_for_its_size() -> None:
    spans = [ReadableSpan("one"), ReadableSpan("two")]

    assert explain_size(EXHAUSTED, spans, WORTH_HALVING).detail is None
    assert explain_size(EXHAUSTED, spans, WORTH_HALVING + 1) is EXHAUSTED


def test_another_failure_is_not_halved() -> None:
    refused = Outcome(ok=False, endpoint="h:1", kind=FailureKind.REFUSED)

    assert list(send_in_parts([1, 2], lambda *_: refused, timeout=1)) == [(refused, [1, 2])]


def test_all_parts_share_one_timeout() -> None:
    scale = Scale(1)

    def send(part: Sequence[int], timeout: float) -> Outcome:
        time.sleep(0.02)
        return scale.send(part, timeout)

    list(send_in_parts([1, 1, 1, 1], send, timeout=60))

    assert len(scale.timeouts) == 7
    assert scale.timeouts[0] <= 60
    for earlier, later in itertools.pairwise(scale.timeouts):
        assert later <= earlier - 0.02


def test_what_there_is_no_time_for_comes_with_the_last_refusal(golden: Golden) -> None:
    scale = Scale(1)

    def send(part: Sequence[int], timeout: float) -> Outcome:
        time.sleep(0.02)
        return scale.send(part, timeout)

    (first, *_), *others = send_in_parts([1, 1, 1, 1], send, timeout=0.01)

    assert scale.tried == [[1, 1, 1, 1]]
    assert first.kind is FailureKind.TOO_LARGE
    golden(first.reason)
    assert [part for _, part in others] == [[1, 1]]


def test_nothing_is_one_empty_part() -> None:
    assert list(send_in_parts([], Scale(1).send, timeout=1)) == [(TAKEN, [])]


def test_the_reason_names_what_was_too_large(golden: Golden) -> None:
    spans = [ReadableSpan("one"), ReadableSpan("two")]

    assert explain_size(TOO_LARGE, spans, 500).reason == "2 spans are too large (500 bytes): 413"
    golden(explain_size(TOO_LARGE, spans[:1], 5).reason)
    assert explain_size(TAKEN, spans, 5) is TAKEN
