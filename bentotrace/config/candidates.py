"""The values of one option from its sources, with notes on names and forms of former versions."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bentotrace.config.diagnostics import Report
from bentotrace.problems import Path, Position, dotted
from bentotrace.schema.kinds import Supplied
from bentotrace.schema.option import Option, Variable
from bentotrace.schema.secrets import masked
from bentotrace.schema.tree import Leaf

__all__ = [
    "Candidate",
    "Origin",
    "check_value",
    "is_bare_variable",
    "note_deprecated",
    "read_variables",
    "upgrade",
]


class Origin(enum.Enum):
    """The sources of values, highest first."""

    OVERRIDE = "override"
    VARIABLE = "variable"
    FILE = "file"
    DEFAULT = "default"


class Candidate(NamedTuple):
    """The value of an option from one source.

    Attributes:
        origin: the kind of source.
        source: the source in messages: a variable's name, ``file:line:column``, …
        position: where a problem with it is reported.
        value: the typed value; None if it is wrong.
        error: what is wrong with it.
        text: the text of a variable; "" for other sources.
    """

    origin: Origin
    source: str
    position: Position
    value: Any
    error: ValueError | None = None
    text: str = ""

    def __repr__(self) -> str:
        # The value and the text may be secret.
        return f"Candidate({self.origin}, {self.source!r}, {self.position!r})"


def check_value(
    leaf: Leaf, value: Any, origin: Origin, position: Position, path: Path, report: Report
) -> Candidate:
    """Return the checked value of an option; add a note on a former form, or a deprecated option.

    Args:
        leaf: the option.
        value: the plain value.
        origin: the kind of source.
        position: where it is.
        path: the path of the option, for notes.
        report: collects the notes.
    """
    note_deprecated(leaf.record, str(position), path, report)
    source = str(position)
    try:
        value = upgrade(leaf.record, value, source, path, report)
        return Candidate(origin, source, position, leaf.check(value))
    except ValueError as error:
        if is_bare_variable(value) and "${" not in str(error):
            error = ValueError(f"{error}; write ${{NAME}} for a variable")
        return Candidate(origin, source, position, None, error)


def is_bare_variable(value: object) -> bool:
    """Return whether a value is ``$NAME``, which a shell would replace."""
    return isinstance(value, str) and value[:1] == "$" and value[1:].isidentifier()


def read_variables(
    variables: Sequence[Variable],
    leaf: Leaf,
    environ: Mapping[str, str],
    path: Path,
    report: Report,
) -> Iterator[Candidate]:
    """Yield the values of variables; skip blank ones, and malformed ones with a warning."""
    for variable in variables:
        text = environ.get(variable.name, "").strip()
        if not text:
            continue
        parse = variable.parse or leaf.kind.parse
        try:
            found: Any = upgrade(leaf.record, text, variable.name, path, report)
            value = leaf.check(parse(found) if isinstance(found, str) else found)
        except ValueError as error:
            report.warn(f"{variable.name} is ignored: {error}")
            continue
        note_deprecated(leaf.record, variable.name, path, report)
        position = Position(variable.name)
        yield Candidate(Origin.VARIABLE, variable.name, position, value, text=text)


def note_deprecated(record: Option, source: str, path: Path, report: Report) -> None:
    """Add a note on the use of an option that is deprecated."""
    if record.deprecated:
        report.warn(f"{source}: {dotted(path)} is deprecated; {record.deprecated}")


def upgrade(record: Option, value: Any, source: str, path: Path, report: Report) -> Any:
    """Return the present form of a value; add a note if it has a former one.

    Raises:
        ValueError: it has neither.
    """
    if record.upgrade is None:
        return value
    plain = str(value) if isinstance(value, Supplied) else value
    new = record.upgrade(plain)
    if type(new) is type(plain) and new == plain:
        return value
    advice = "is in the form of a former version"
    if not record.secret:
        shown = masked(new)
        text = shown if isinstance(shown, str) else json.dumps(shown, default=str)
        advice += f"; write {text}"
    report.warn(f"{source}: {dotted(path)} {advice}")
    return Supplied(new) if isinstance(value, Supplied) and isinstance(new, str) else new
