"""What reading a configuration has to say: positions, problems, and notes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from attrs import frozen

from bentotrace.exceptions import ConfigError

__all__ = ["Note", "PartError", "Path", "Position", "Problem", "Report", "closest", "dotted"]

Path = tuple[str | int, ...]
"""The keys and list indexes that lead from the root of a document to a value."""


class PartError(ValueError):
    """Parts of an option's value are wrong; a kind raises it, and each is told with its place.

    Attributes:
        parts: what is wrong with each, by its path within the value.
    """

    def __init__(self, parts: Iterable[tuple[Path, str]]) -> None:
        self.parts = tuple(parts)
        told = [f"{dotted(path)}: {message}" if path else message for path, message in self.parts]
        super().__init__("; ".join(told))


class Position(NamedTuple):
    """A place in a file; line and column count from 1 and are 0 where there is no text."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class Problem(NamedTuple):
    """Something that must be changed before the configuration can be used.

    Attributes:
        position: where it is.
        path: dotted path of the option, or "" when the whole file is meant.
        message: what is wrong, and what to write instead; never a value that may be secret.
    """

    position: Position
    path: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.position), self.path, self.message) if part)

    def as_dict(self) -> dict[str, Any]:
        """Give the same as plain values, for JSON."""
        return {**self.position._asdict(), "path": self.path, "message": self.message}


@frozen
class Note:
    """Something the user should know, although the configuration can be used.

    Attributes:
        message: one line.
        warning: whether it is likely a mistake.
    """

    message: str
    warning: bool = True

    def __str__(self) -> str:
        return self.message


class Report:
    """Collects what the stages find, so that everything is told at once."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.notes: list[Note] = []

    def problem(self, position: Position, path: Path, message: str) -> None:
        """Add a problem."""
        self.problems.append(Problem(position, dotted(path), message))

    def consequence(self, position: Position, path: Path, message: str) -> None:
        """Add a problem, unless that value has one already, from which this one may follow."""
        name = dotted(path)
        for problem in self.problems:
            same = problem.path == name and problem.position == position and position.line > 0
            if same or problem.path.startswith((f"{name}.", f"{name}[")):
                return
        self.problem(position, path, message)

    def warn(self, message: str) -> None:
        """Add a note that is likely a mistake."""
        self._note(Note(message))

    def inform(self, message: str) -> None:
        """Add a note that is no mistake."""
        self._note(Note(message, warning=False))

    def _note(self, note: Note) -> None:
        # One variable may be read for several options.
        if note not in self.notes:
            self.notes.append(note)

    def raise_problems(self) -> None:
        """Raise every problem found so far.

        Raises:
            ConfigError: when there is one; in file order.
        """
        if self.problems:
            raise ConfigError(sorted(self.problems, key=lambda problem: problem.position))


def dotted(path: Path) -> str:
    """Write a path as ``tracing.otlp.headers[0]``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def closest(name: str, valid: Iterable[str], alike: float = 0.6) -> str | None:
    """Find the valid name most like a mistyped one, if one is like it at all.

    Args:
        name: the mistyped one.
        valid: the valid ones.
        alike: how much, from 0 (not at all) to 1 (the same).
    """
    import difflib

    by_letters = {squeeze(candidate): candidate for candidate in valid}
    found: Sequence[str] = difflib.get_close_matches(squeeze(name), by_letters, n=1, cutoff=alike)
    return by_letters[found[0]] if found else None


def squeeze(name: str) -> str:
    """Reduce a name to what a typing mistake leaves of it: case and separators do not count."""
    return name.casefold().replace("-", "").replace("_", "")
