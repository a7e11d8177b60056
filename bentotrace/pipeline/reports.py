"""What an exporter reports of the batch that it exports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from bentotrace.transport.outcome import Outcome

__all__ = ["Reports"]


class Reports:
    """The outcomes that an exporter reports while it exports one batch."""

    def __init__(self) -> None:
        self._outcomes: list[tuple[Outcome, int]] = []
        self._dropped: Counter[str] = Counter()

    def add(self, outcome: Outcome, spans: int) -> None:
        """Take the outcome of one request that carried so many spans.

        Raises:
            TypeError: it is no outcome; the mistake is the exporter's.
        """
        if not isinstance(outcome, Outcome) or not isinstance(spans, int):
            raise TypeError(
                f"report() takes an Outcome and a number of spans, not {outcome!r} and {spans!r}"
            )
        self._outcomes.append((outcome, max(spans, 0)))

    def last_failure(self) -> Outcome | None:
        """Give the last that was none of success, since the last :meth:`take`."""
        return next((outcome for outcome, _ in reversed(self._outcomes) if not outcome.ok), None)

    def drop(self, spans: int, reason: str) -> None:
        """Take so many spans as withheld, for a reason of a word or two.

        Raises:
            TypeError: it is no number or no reason; the mistake is the extension's.
        """
        if not isinstance(spans, int) or not isinstance(reason, str):
            raise TypeError(f"drop() takes a number and a reason, not {spans!r} and {reason!r}")
        self._dropped[reason] += max(spans, 0)

    def take_dropped(self) -> Mapping[str, int]:
        """Give all that was withheld since the last call, by reason."""
        taken, self._dropped = self._dropped, Counter()
        return taken

    def take(self) -> list[tuple[Outcome, int]]:
        """Give all since the last call."""
        taken, self._outcomes = self._outcomes, []
        return taken
