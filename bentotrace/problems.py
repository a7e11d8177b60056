"""A problem of a configuration: its file, line, column and option, and the closest valid name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

__all__ = ["Path", "Position", "Problem", "closest", "dotted", "normalize"]

Path = tuple[str | int, ...]
"""The keys and list indexes that lead from the root of a document to a value."""


class Position(NamedTuple):
    """A place in a file.

    Attributes:
        file: its path, or a description of another source.
        line: the line, from 1; 0 for a source that is not text.
        column: the column, from 1; 0 for a source that is not text.
    """

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class Problem(NamedTuple):
    """Something that must be fixed before the configuration can be used.

    Attributes:
        position: where it is.
        path: dotted path of the option, or "" for the whole file.
        message: what is wrong and how to fix it, without any value that may be secret.
    """

    position: Position
    path: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.position), self.path, self.message) if part)

    def as_dict(self) -> dict[str, Any]:
        """Return the problem as plain values, for JSON."""
        return {**self.position._asdict(), "path": self.path, "message": self.message}


def dotted(path: Path) -> str:
    """Format a path, as in ``tracing.otlp.headers[0]``; what cannot be printed is escaped."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
            continue
        step = str(step)
        step = step if step.isprintable() else ascii(step)[1:-1]
        text += f".{step}" if text else step
    return text


def closest(name: str, valid: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the valid name most similar to a mistyped one, if any reaches the cutoff (0 to 1)."""
    import difflib

    by_letters = {normalize(candidate): candidate for candidate in valid}
    found = difflib.get_close_matches(normalize(name), [*by_letters], n=1, cutoff=cutoff)
    return by_letters[found[0]] if found else None


def normalize(name: str) -> str:
    """Return a name in lower case without separators."""
    return name.casefold().replace("-", "").replace("_", "")
