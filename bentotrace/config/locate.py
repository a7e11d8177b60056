"""Locate: find the tracing block of a document, wherever BentoML puts it."""

from __future__ import annotations

from collections.abc import Mapping

from bentotrace.config.document import Block, Document
from bentotrace.config.report import Path, Report, dotted

__all__ = ["PLACES", "locate"]

PLACES: tuple[Path, ...] = (("tracing",), ("api_server", "tracing"), ("services", "tracing"))
"""Where a document may hold its tracing block."""


def locate(document: Document, report: Report, *, required: bool) -> Block:
    """Find the tracing block.

    A mapping from code that has no ``tracing`` in it is the block itself.

    Args:
        document: what was read.
        report: takes what is wrong.
        required: whether a file without a block is a problem. A BentoML file need not have one.
    """
    found = [path for path in PLACES if _get(document.root, path) is not _ABSENT]
    if len(found) > 1:
        where = " and ".join(dotted(path) for path in found)
        position = document.key_position(found[1])
        report.problem(position, found[1], f"there are two tracing blocks, {where}; keep one")
    if not found:
        if not document.text:
            return Block(document, (), document.root)
        if required:
            places = ", ".join(dotted(path) for path in PLACES)
            message = f"has no tracing block; write one at {places}"
            report.problem(document.position(()), (), message)
        return Block(document, ("tracing",), {})
    path = found[0]
    for fault in document.faults:
        if _concerns(fault.path, path):
            report.problems.append(fault.problem)
    value = _get(document.root, path)
    if value is None:
        value = {}
    if not isinstance(value, Mapping):
        message = "must be a mapping of options, such as exporter_type: otlp"
        report.problem(document.position(path), path, message)
        value = {}
    return Block(document, path, value)


_ABSENT = object()


def _get(root: object, path: Path) -> object:
    for step in path:
        if not isinstance(root, Mapping) or step not in root:
            return _ABSENT
        root = root[step]
    return root


def _concerns(place: Path, block: Path) -> bool:
    shorter = min(len(place), len(block))
    return place[:shorter] == block[:shorter]
