"""The range of a number, checked when it is read and described in the JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

__all__ = ["Range"]


@frozen
class Range:
    """A validator of a number; None, which an option may be, is in every range.

    Attributes:
        low: the least that is valid.
        high: the most that is valid.
        above: what the number must be more than.
    """

    low: float | None = None
    high: float | None = None
    above: float | None = field(default=None, kw_only=True)

    def __call__(self, _instance: object, _attribute: object, value: float | None) -> None:
        """Check a number.

        Raises:
            ValueError: it is not in the range; the message says which that is.
        """
        if value is not None and not self._holds(value):
            raise ValueError(self.reason(value))

    def reason(self, value: float) -> str:
        """Say what is wrong with a number that is not in the range."""
        if self.low is not None and self.high is not None:
            return f"must be between {self.low} and {self.high}"
        words = {"at least": self.low, "at most": self.high, "more than": self.above}
        found = [f"{word} {bound}" for word, bound in words.items() if bound is not None]
        return f"must be {' and '.join(found)}"

    @property
    def json_schema(self) -> Mapping[str, float]:
        """The range in the words of JSON Schema."""
        words = {"minimum": self.low, "maximum": self.high, "exclusiveMinimum": self.above}
        return {word: bound for word, bound in words.items() if bound is not None}

    def _holds(self, value: float) -> bool:
        return (
            (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.above is None or value > self.above)
        )
