"""The problems and notes that reading a configuration collects."""

from __future__ import annotations

from bentotrace.exceptions import ConfigError
from bentotrace.problems import Path, Position, Problem, dotted
from bentotrace.values import frozen

__all__ = ["Note", "Report"]


@frozen
class Note:
    """A remark on a usable configuration.

    Attributes:
        message: one line.
        warning: whether it is likely a mistake.
    """

    message: str
    warning: bool = True

    def __str__(self) -> str:
        return self.message


class Report:
    """Collects the problems and notes of all stages, to report them together."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.notes: list[Note] = []

    def copy(self) -> Report:
        """Return a report with the same problems and notes."""
        copied = Report()
        copied.problems, copied.notes = [*self.problems], [*self.notes]
        return copied

    def add_new(self, other: Report) -> None:
        """Add the problems and notes of another report at places that this one does not have."""
        positions = {problem.position for problem in self.problems}
        places = {note.message.partition(": ")[0] for note in self.notes}
        self.problems += [each for each in other.problems if each.position not in positions]
        self.notes += [
            each for each in other.notes if each.message.partition(": ")[0] not in places
        ]

    def problem(self, position: Position, path: Path, message: str) -> None:
        """Add a problem."""
        self.problems.append(Problem(position, dotted(path), message))

    def consequence(self, position: Position, path: Path, message: str) -> None:
        """Add a problem, unless the value already has one that may be its cause."""
        name = dotted(path)
        for problem in self.problems:
            same = problem.path == name and problem.position == position and position.line > 0
            if same or problem.path.startswith((f"{name}.", f"{name}[")):
                return
        self.problem(position, path, message)

    def warn(self, message: str, *, warning: bool = True) -> None:
        """Add a note, by default on a likely mistake."""
        note = Note(message, warning)
        # Several options may read the same variable.
        if note not in self.notes:
            self.notes.append(note)

    def inform(self, message: str) -> None:
        """Add a note on something that is not a mistake."""
        self.warn(message, warning=False)

    def raise_problems(self) -> None:
        """Raise ConfigError with all problems, in file order, if there are any."""
        if self.problems:
            raise ConfigError(sorted(self.problems, key=lambda problem: problem.position))
