"""Read the entry points of a few groups from what is installed, and nothing else.

It gives what :func:`importlib.metadata.entry_points` gives, which parses those of every group, and
whose import alone would be a sixth of a start. Where distributions may come from anything but
directories of ``sys.path``, that is asked.

Source: packaging.python.org, the specifications of entry points and of installed projects.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress
from functools import reduce
from importlib import import_module
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from importlib.metadata import Distribution

__all__ = ["EntryPoint", "read_entry_points"]

_SUFFIXES = (".dist-info", ".egg-info")


class EntryPoint(NamedTuple):
    """What a distribution registered.

    Attributes:
        name: under which name.
        value: the object reference, ``module`` or ``module:attribute``.
        group: in which group.
        origin: the distribution, or the directory with its metadata.
    """

    name: str
    value: str
    group: str
    origin: Distribution | str

    @property
    def dist(self) -> Distribution:
        """The distribution that registered it."""
        # Imported here, since a start needs no more than the entry point.
        from importlib.metadata import Distribution

        return Distribution.at(self.origin) if isinstance(self.origin, str) else self.origin

    def load(self) -> Any:
        """Import what it refers to; raises whatever that raises."""
        # Extras may follow, which say what else the distribution should have been installed with.
        reference = self.value.partition("[")[0]
        module, _, path = (part.strip() for part in reference.partition(":"))
        return reduce(getattr, path.split(".") if path else (), import_module(module))


def read_entry_points(groups: Collection[str]) -> tuple[EntryPoint, ...]:
    """Read the entry points of some groups.

    Of two distributions of a name the one counts that comes first on ``sys.path``.
    """
    try:
        return tuple(_read(groups))
    except _OtherPlacesError:
        return tuple(_ask(groups))


class _OtherPlacesError(Exception):
    """Distributions may be where only importlib.metadata finds them."""


def _read(groups: Collection[str]) -> Iterator[EntryPoint]:
    if any(_finds_elsewhere(finder) for finder in sys.meta_path):
        raise _OtherPlacesError
    wanted = [group.encode() for group in groups]
    seen: set[str] = set()
    # What is no text is no directory to the import system either.
    for place in (place for place in sys.path if isinstance(place, str)):
        for directory in _distributions_in(place, seen):
            text = _text_of(os.path.join(directory, "entry_points.txt"))
            if any(group in text for group in wanted):
                yield from _parse(text.decode("utf-8", "replace"), groups, directory)


def _finds_elsewhere(finder: object) -> bool:
    # importlib_metadata, which older versions of OpenTelemetry bring, looks in the same places.
    usual = finder is PathFinder or getattr(finder, "__module__", "") == "importlib_metadata"
    return hasattr(finder, "find_distributions") and not usual


def _distributions_in(place: str, seen: set[str]) -> Iterator[str]:
    """Find the metadata of distributions whose names have not been seen."""
    if os.path.basename(place).lower().endswith(".egg"):
        raise _OtherPlacesError
    try:
        entries = os.listdir(place or ".")
    except NotADirectoryError:
        raise _OtherPlacesError from None
    except (OSError, ValueError):
        return
    for entry in entries:
        if not entry.lower().endswith(_SUFFIXES):
            continue
        stem, suffix = os.path.splitext(entry)
        if suffix not in _SUFFIXES:
            raise _OtherPlacesError
        name = _normalized(stem.partition("-")[0])
        if name not in seen:
            seen.add(name)
            yield os.path.join(place, entry)


def _text_of(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _parse(text: str, groups: Collection[str], directory: str) -> Iterator[EntryPoint]:
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            group = line.strip("[]")
        elif group in groups and not line.startswith("#"):
            name, equals, value = line.partition("=")
            if equals:
                yield EntryPoint(name.strip(), value.strip(), group, directory)


def _ask(groups: Collection[str]) -> Iterator[EntryPoint]:
    from importlib.metadata import distributions

    seen: set[str] = set()
    for distribution in distributions():
        # One that is broken must not hide the others.
        with suppress(Exception):
            name = _normalized(distribution.metadata["Name"])
            if name in seen:
                continue
            seen.add(name)
        with suppress(Exception):
            yield from (
                EntryPoint(point.name, point.value, point.group, distribution)
                for point in distribution.entry_points
                if point.group in groups
            )


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
