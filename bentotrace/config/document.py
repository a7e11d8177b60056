"""A configuration document: plain values, and where each of them stands."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from bentotrace.config.report import Path, Position, Problem

__all__ = ["Block", "Document", "Fault"]

_NOWHERE: Mapping[Path, Position] = MappingProxyType({})


class Fault(NamedTuple):
    """A problem of one place, that counts only if the place is ours."""

    path: Path
    problem: Problem


class Document(NamedTuple):
    """What was read.

    Attributes:
        name: the file's path as the user wrote it, or what stands in its place.
        root: plain dicts, lists, strings, numbers, booleans and None.
        keys: position of the key that leads to a path.
        values: position of the value at a path.
        plain: paths of the scalars written without quotes.
        faults: what is wrong at single places.
        text: whether it was written as text, where ``${VAR}`` is substituted.
    """

    name: str
    root: Mapping[str, object]
    keys: Mapping[Path, Position] = _NOWHERE
    values: Mapping[Path, Position] = _NOWHERE
    plain: frozenset[Path] = frozenset()
    faults: tuple[Fault, ...] = ()
    text: bool = False

    def key_position(self, path: Path) -> Position:
        """Tell where the key of a path stands, or the nearest thing around it."""
        return self.keys.get(path) or self.position(path)

    def position(self, path: Path) -> Position:
        """Tell where the value of a path stands, or the nearest thing around it."""
        for length in range(len(path), -1, -1):
            found = self.values.get(path[:length])
            if found is not None:
                return found
        return Position(self.name)


class Block(NamedTuple):
    """The tracing block of a document.

    Attributes:
        document: where it comes from.
        path: where it is in the document.
        value: its options, as plain values.
    """

    document: Document
    path: Path
    value: Mapping[str, object]
