"""The end of a whole call, which every step of it looks at."""

from __future__ import annotations

import math
import time
from typing import NamedTuple

__all__ = ["Deadline", "checked_timeout"]


class Deadline(NamedTuple):
    """A point in time that a call must not pass.

    Attributes:
        timeout: the seconds that the call was given.
        at: the end, on :func:`time.monotonic`'s clock.
    """

    timeout: float
    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the deadline that many seconds from now."""
        return cls(seconds, time.monotonic() + seconds)

    def remaining(self) -> float:
        """Return the seconds left, never less than 0."""
        return max(0.0, self.at - time.monotonic())


def checked_timeout(seconds: float) -> float:
    """Return the timeout.

    Raises:
        ValueError: it is not a positive, finite number.
    """
    if not (seconds > 0 and math.isfinite(seconds)):
        raise ValueError(f"timeout must be a positive number of seconds, not {seconds!r}")
    return float(seconds)
