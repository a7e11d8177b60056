"""A configuration document: plain values and their positions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from bentotrace.problems import Path, Position, Problem

__all__ = [
    "ENVIRONMENT",
    "Block",
    "Document",
    "Fault",
    "Service",
    "inherit",
    "is_filled",
    "merge_defaults",
]

ENVIRONMENT = "the environment"
"""The name of a configuration without a file or a mapping."""

_NOWHERE: Mapping[Path, Position] = MappingProxyType({})


class Fault(NamedTuple):
    """A problem at a path, reported only if the path belongs to the tracing block."""

    path: Path
    problem: Problem


class Document(NamedTuple):
    """A file, a mapping, or the environment alone.

    Attributes:
        name: the file's path as the user wrote it, or a description.
        root: plain dicts, lists, strings, numbers, booleans and None.
        keys: position of the key at the end of a path.
        values: position of the value at a path.
        plain: text of each scalar without quotes, by its path.
        faults: problems at single paths.
        text: whether it is YAML text, in which ``${VAR}`` is substituted.
    """

    name: str
    root: Mapping[str, object]
    keys: Mapping[Path, Position] = _NOWHERE
    values: Mapping[Path, Position] = _NOWHERE
    plain: Mapping[Path, str] = MappingProxyType({})
    faults: tuple[Fault, ...] = ()
    text: bool = False

    def get(self, path: Path) -> Any:
        """Return the value at a path of mappings; None if there is none."""
        found: Any = self.root
        for step in path:
            found = found.get(step) if isinstance(found, Mapping) else None
        return found

    def key_position(self, path: Path) -> Position:
        """Return the position of a path's key, or of the nearest parent."""
        return self.keys.get(path) or self.position(path)

    def position(self, path: Path) -> Position:
        """Return the position of a path's value, or of the nearest parent."""
        for length in range(len(path), -1, -1):
            found = self.values.get(path[:length])
            if found is not None:
                return found
        return Position(self.name)


class Block(NamedTuple):
    """The tracing block of a document: its path, and its options as plain values."""

    document: Document
    path: Path
    value: Mapping[str, object]


class Service(NamedTuple):
    """A service, as known to the framework that serves it.

    Attributes:
        name: its name; the file may not have it.
        defaults: blocks that are merged into the file's, in order of precedence.
    """

    name: str
    defaults: tuple[Document, ...]


def is_filled(value: object) -> bool:
    """Return whether a value has anything but nulls, as those of BentoML's template."""
    if isinstance(value, Mapping):
        return any(map(is_filled, value.values()))
    return value is not None and value != []


def inherit(document: Document, path: Path, common: Path) -> tuple[Document, Any]:
    """Merge the block of all services into the block of one, as BentoML does.

    Args:
        document: the document.
        path: path of the service's block; what it sets, null too, has precedence.
        common: path of the block of all services.

    Returns:
        The document with the inherited positions at the service's path, and the merged value.
    """
    own, shared = (document.get(place) for place in (path, common))
    return _inherit(document, path, own, common, shared)


def inherit_section(
    block: Block, below: tuple[str, ...], own: Any, shared: Mapping[str, Any]
) -> tuple[Document, Any]:
    """Fill in what a section of a block leaves out from the one two levels above it.

    Args:
        block: the block.
        below: the path of the section.
        own: the value of the section.
        shared: the options of the section above.

    Returns:
        The document with the inherited positions at the section's path, and the merged value.
    """
    path = (*block.path, *below)
    return _inherit(block.document, path, own, path[:-2], shared)


def _inherit(
    document: Document, path: Path, own: Any, common: Path, shared: Any
) -> tuple[Document, Any]:
    keys, values, plain = dict(document.keys), dict(document.values), dict(document.plain)

    def adopt(here: Path) -> None:
        there = (*common, *here[len(path) :])
        tables: tuple[dict[Path, Any], ...] = (keys, values, plain)
        for table in tables:
            for at in [at for at in table if at[: len(there)] == there]:
                table[here + at[len(there) :]] = table[at]

    if isinstance(own, Mapping) and isinstance(shared, Mapping):
        own = merge(own, shared, path, adopt)
    elif own is None:
        own = shared
        adopt(path)
    return document._replace(keys=keys, values=values, plain=plain), own


def merge_defaults(block: Block, defaults: Sequence[Document]) -> Block:
    """Fill in what a block leaves out from other blocks.

    Args:
        block: the block; what it sets has precedence, null too, but an empty section has no value.
        defaults: documents that are blocks, in order of precedence; their options are reported
            under the document's name.
    """
    if not defaults:
        return block
    keys, values = dict(block.document.keys), dict(block.document.values)
    merged = block.value
    for default in defaults:
        position = Position(default.name)

        def adopt(here: Path, position: Position = position) -> None:
            keys[here] = values[here] = position

        filled = {key: value for key, value in merged.items() if value is not None}
        sections = {key for key, value in default.root.items() if isinstance(value, Mapping)}
        merged = {
            key: value for key, value in merged.items() if key in filled or key not in sections
        }
        merged = merge(merged, default.root, block.path, adopt)
    name = block.document.name if block.value else defaults[0].name
    return Block(block.document._replace(name=name, keys=keys, values=values), block.path, merged)


def merge(
    over: Mapping[str, Any],
    under: Mapping[str, Any],
    path: Path = (),
    adopt: Callable[[Path], None] = lambda _path: None,
) -> Mapping[str, Any]:
    """Merge two mappings deeply; call ``adopt`` with each path that is taken from ``under``."""
    merged = dict(over)
    for key, default in under.items():
        here = (*path, key)
        if key not in over:
            merged[key] = default
            adopt(here)
        elif isinstance(over[key], Mapping) and isinstance(default, Mapping):
            merged[key] = merge(over[key], default, here, adopt)
    return merged
