"""What the section of an extension has for single destinations: their options, or a switch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bentotrace.config.candidates import Origin, check_value
from bentotrace.config.diagnostics import Report
from bentotrace.config.document import Block, Document, is_filled
from bentotrace.config.settings import Setting
from bentotrace.discovery import registry
from bentotrace.discovery.extension import DESTINATIONS
from bentotrace.plugin import option
from bentotrace.problems import Path, Position, closest, dotted
from bentotrace.schema.tree import Leaf, section_of
from bentotrace.values import frozen

__all__ = ["Destinations", "read_destinations"]


class Destinations(NamedTuple):
    """The selected exporter types that an extension has in ``destinations``.

    Attributes:
        own: those with options.
        off: those for which the extension is switched off, with the switch.
    """

    own: set[str]
    off: dict[str, Setting]


@frozen
class _Switch:
    on: bool = option(default=True, help="Whether the extension wraps the exporter.")


def read_destinations(
    name: str,
    block: Block,
    overrides: Mapping[str, Any],
    exporters: Sequence[str],
    report: Report,
) -> Destinations:
    """Read ``destinations`` of an extension in the file and in code, which has precedence.

    Args:
        name: the extension.
        block: the tracing block.
        overrides: options from code.
        exporters: the selected exporter types.
        report: collects what is wrong, and notes.
    """
    found = Destinations(set(), {})
    decided: set[str] = set()
    code = Document("configure()", {})
    for origin, values, document in (
        (Origin.OVERRIDE, overrides, code),
        (Origin.FILE, block.value, block.document),
    ):
        section = values.get(name)
        path = (*block.path, name, DESTINATIONS)
        given = section.get(DESTINATIONS) if isinstance(section, Mapping) else None
        if given is not None and not isinstance(given, Mapping):
            message = "expected a mapping of exporter types to options of the extension"
            report.problem(document.position(path), path, message)
            continue
        for exporter, value in (given or {}).items():
            at = (*path, exporter)
            if exporter not in exporters:
                _report_unselected(value, document.key_position(at), at, exporters, report)
            elif isinstance(value, Mapping):
                found.own.add(exporter)
                decided.add(exporter)
            elif value is not None:
                switch = _read_switch(value, origin, document.position(at), at, report)
                if exporter not in decided and switch.value is False:
                    found.off[exporter] = switch._replace(path=at[len(block.path) :])
                decided.add(exporter)
    return found


def _report_unselected(
    value: Any, where: Position, path: Path, exporters: Sequence[str], report: Report
) -> None:
    known = registry.sections()
    name = str(path[-1])
    if name not in known:
        near = closest(name, known)
        hint = f"did you mean {near}?" if near else f"known are {', '.join(known)}"
        report.problem(where, path, f"is not an exporter type; {hint}")
    elif is_filled(value):
        selected = ", ".join(exporters) or registry.NONE
        report.inform(f"{where}: {dotted(path)} is not used; exporter_type is {selected}")


def _read_switch(
    value: Any, origin: Origin, where: Position, path: Path, report: Report
) -> Setting:
    leaf = section_of(_Switch).child("on")
    assert isinstance(leaf, Leaf)
    found = check_value(leaf, value, origin, where, path, report)
    if found.error is not None:
        message = "expected a mapping of options, or false to switch the extension off"
        report.problem(where, path, message)
    return Setting((), leaf, (found,))
