"""Unknown options: what is said of a key that its section does not have."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from bentotrace import registry
from bentotrace.config.options import TracingOptions
from bentotrace.config.report import closest, dotted
from bentotrace.config.schema import Section, section_of
from bentotrace.exceptions import PluginError

__all__ = ["explain_unknown"]

_Names = tuple[str, ...]
_Schema = tuple[_Names, Section]

# A name of another section is a worse guess, so it must be more like the key.
_ALIKE = 0.75


def explain_unknown(
    key: str,
    here: _Names,
    valid: Sequence[str],
    *,
    own: _Schema,
    foreign: Collection[str] = (),
    selected: object = None,
) -> str:
    """Say which option is like a key, where one of that name stands, else which ones there are.

    Args:
        key: the unknown key.
        here: path in the block of the section that it stands in.
        valid: what the section has.
        own: path and schema of the exporter's section, or of the block itself.
        foreign: those of the valid that are sections of exporters.
        selected: the plain value of ``exporter_type``.
    """
    block = ((), section_of(TracingOptions))
    chosen = [name for name in foreign if selected in (name, [name])]
    homes = _homes(here, [own, block, *_schemas(chosen)])
    near = closest(key, valid)
    if key in homes:
        other = f", or did you mean {near}?" if near else ""
        return f"unknown option here; write it {' or '.join(homes[key])}{other}"
    if near:
        return f"unknown option; did you mean {near}?"
    far = closest(key, homes, _ALIKE)
    if far:
        return f"unknown option; did you mean {far}, {' or '.join(homes[far])}?"
    return f"unknown option; valid are {', '.join(name for name in valid if name not in foreign)}"


def _schemas(exporters: Iterable[str]) -> Iterator[_Schema]:
    for name in exporters:
        # What is wrong with a plugin is told when its section is read.
        with suppress(PluginError):
            yield (name,), section_of(registry.load(name).config)


def _homes(here: _Names, schemas: Iterable[_Schema]) -> Mapping[str, Sequence[str]]:
    """Map what other sections have to the ways there; an earlier schema hides a later one."""
    found: dict[str, list[str]] = {}
    for above, section in schemas:
        names: dict[str, list[str]] = {}
        for *there, name in _paths(section, above):
            if tuple(there) != here:
                names.setdefault(name, []).append(_way(here, tuple(there)))
        found = {**names, **found}
    return found


def _paths(section: Section, above: _Names) -> Iterator[_Names]:
    for child in section.children:
        here = (*above, child.name)
        yield here
        if isinstance(child, Section):
            yield from _paths(child, here)


def _way(here: _Names, there: _Names) -> str:
    """Tell the way from one section to another."""
    if there[: len(here)] == here:
        return f"below {dotted(there[len(here) :])}"
    if here[: len(there)] == there:
        return f"beside {here[len(there)]}"
    return f"below {dotted(there)}"
