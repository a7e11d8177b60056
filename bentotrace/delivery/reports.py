"""What an exporter and its extensions report during an export."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from bentotrace.transport.outcome import Outcome

__all__ = ["Reports"]


class Reports:
    """The reports of an exporter and its extensions during one export, by ``BuildContext``.

    Attributes:
        passed: how many spans extensions have passed to the exporter in the last export; None
            without extensions.
    """

    def __init__(self) -> None:
        self.passed: int | None = None
        self._outcomes: list[tuple[Outcome, int]] = []
        self._dropped: Counter[str] = Counter()

    def add(self, outcome: Outcome, spans: int) -> None:
        """Add the outcome of one request that carried this number of spans."""
        if not isinstance(outcome, Outcome) or not isinstance(spans, int):
            raise TypeError(
                f"report() takes an Outcome and a number of spans, not {outcome!r} and {spans!r}"
            )
        self._outcomes.append((outcome, max(spans, 0)))

    def drop(self, spans: int, reason: str) -> None:
        """Add spans that are withheld, for a reason of a word or two."""
        if not isinstance(spans, int) or not isinstance(reason, str):
            raise TypeError(f"drop() takes a number and a reason, not {spans!r} and {reason!r}")
        self._dropped[reason] += max(spans, 0)

    def last_failure(self) -> Outcome | None:
        """Return the last outcome that is not a success, since the last :meth:`take`."""
        return next((outcome for outcome, _ in reversed(self._outcomes) if not outcome.ok), None)

    def take(self) -> list[tuple[Outcome, int]]:
        """Return the outcomes since the last call."""
        taken, self._outcomes = self._outcomes, []
        return taken

    def take_dropped(self) -> Mapping[str, int]:
        """Return the withheld spans since the last call, by reason."""
        taken, self._dropped = self._dropped, Counter()
        return taken
