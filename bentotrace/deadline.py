"""The deadline of a call, shared by its steps."""

from __future__ import annotations

import math
import time
from typing import NamedTuple

__all__ = ["Deadline", "checked_timeout"]


class Deadline(NamedTuple):
    """The time by which a call must end: ``at``, on :func:`time.monotonic`'s clock."""

    timeout: float
    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the deadline a number of seconds from now."""
        return cls(seconds, time.monotonic() + seconds)

    def remaining(self) -> float:
        """Return the seconds left, at least 0."""
        return max(0.0, self.at - time.monotonic())


def checked_timeout(seconds: float) -> float:
    """Return the timeout; raise ValueError unless it is positive and finite."""
    if not (seconds > 0 and math.isfinite(seconds)):
        raise ValueError(f"timeout must be a positive number of seconds, not {seconds!r}")
    return float(seconds)
