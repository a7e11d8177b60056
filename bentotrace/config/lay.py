"""Lay: complete a tracing block with the options that others give for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bentotrace.config.document import Block, Document
from bentotrace.config.report import Path, Position

__all__ = ["Service", "lay_over"]


class Service(NamedTuple):
    """A service as whoever serves it knows it.

    Attributes:
        name: its name; a file need not have it.
        beneath: blocks whose options count where the file does not give them, the first first.
    """

    name: str
    beneath: tuple[Document, ...]


def lay_over(block: Block, beneath: Sequence[Document]) -> Block:
    """Lay a block over others, option by option; what it leaves out, or sets to null, is theirs.

    Args:
        block: what counts.
        beneath: blocks themselves, the one that counts more first. Their options are reported
            under their names.
    """
    if not beneath:
        return block
    under = block.document
    worker = _Lay(dict(under.keys), dict(under.values))
    value = block.value
    for document in beneath:
        value = worker.merge(value, document.root, block.path, Position(document.name))
    name = under.name if block.value else beneath[0].name
    document = under._replace(name=name, keys=worker.keys, values=worker.values)
    return block._replace(document=document, value=value)


class _Lay(NamedTuple):
    keys: dict[Path, Position]
    values: dict[Path, Position]

    def merge(
        self, over: Mapping[str, object], under: Mapping[str, object], path: Path, place: Position
    ) -> Mapping[str, object]:
        merged = dict(over)
        for key, value in under.items():
            at = (*path, key)
            given = over.get(key)
            if given is None:
                merged[key] = value
                self.keys[at] = self.values[at] = place
            elif isinstance(given, Mapping) and isinstance(value, Mapping):
                merged[key] = self.merge(given, value, at, place)
        return merged
