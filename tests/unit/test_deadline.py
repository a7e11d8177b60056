from __future__ import annotations

import math
import time

import pytest

from bentotrace.deadline import Deadline, checked_timeout


def test_a_deadline_counts_down_and_stops_at_zero() -> None:
    deadline = Deadline.after(30)
    assert 0 < deadline.remaining() <= 30
    deadline = Deadline.after(0.01)
    time.sleep(0.02)
    assert deadline.remaining() == 0


@pytest.mark.parametrize("seconds", [0, -1, math.inf, math.nan])
def test_a_timeout_is_a_positive_number(seconds: float) -> None:
    with pytest.raises(ValueError, match="positive number of seconds"):
        checked_timeout(seconds)
    assert checked_timeout(2) == 2.0
