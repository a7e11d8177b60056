"""What the tests of the JSON Schema share: the schema, the paths of all options, and documents."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from bentotrace.config.diagnostics import Report
from bentotrace.config.json_schema import json_schema
from bentotrace.config.options import TracingOptions
from bentotrace.discovery import registry
from bentotrace.schema.tree import Leaf, section_of

EXPORTERS = [name for name in registry.names() if name != registry.NONE]

Accepts = Callable[[Any], bool]


def schema() -> dict[str, Any]:
    report = Report()
    made = json_schema(report)
    assert report.notes == []
    return made


def options() -> Iterator[tuple[tuple[str, ...], Leaf]]:
    """Every option with its path in the block."""
    yield from section_of(TracingOptions).leaves()
    for name in EXPORTERS:
        yield from section_of(registry.load(name).config).leaves((name,))


def old_paths() -> Iterator[tuple[tuple[str, ...], Leaf]]:
    for path, leaf in options():
        top = path[:1] if path[0] in EXPORTERS else ()
        for name in leaf.record.old_names:
            yield (*top, name), leaf


ALL = dict(itertools.chain(options(), old_paths()))


def nested(path: tuple[str, ...], value: Any, **more: Any) -> dict[str, Any]:
    """Make a document with one option, whose exporter is selected."""
    selected = {"exporter_type": path[0]} if path[0] in EXPORTERS else {}
    block: dict[str, Any] = {**selected, **more}
    put(block, path, value)
    return {"tracing": block}


def put(block: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    here = block
    for step in path[:-1]:
        here = here.setdefault(step, {})
        if not isinstance(here, dict):
            return
    here[path[-1]] = value
