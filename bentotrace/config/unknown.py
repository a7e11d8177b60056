"""Unknown options: what is said of a key that its section does not have."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from bentotrace.config.options import TracingOptions
from bentotrace.config.report import closest, dotted
from bentotrace.config.schema import Section, section_of

__all__ = ["explain_unknown"]

_Names = tuple[str, ...]

# A name of another section is a worse guess, so it must be more like the key.
_ALIKE = 0.75


def explain_unknown(
    key: str,
    here: _Names,
    valid: Sequence[str],
    exporter: tuple[_Names, Section],
    foreign: Collection[str] = (),
) -> str:
    """Say which option is like a key, where one of that name stands, else which ones there are.

    Args:
        key: the unknown key.
        here: path in the block of the section that it stands in.
        valid: what the section has.
        exporter: path and schema of the exporter's section, or of the block itself.
        foreign: those of the valid that are sections of exporters.
    """
    homes = _homes(here, exporter)
    near = closest(key, valid)
    if key in homes:
        other = f", or did you mean {near}?" if near else ""
        return f"unknown option here; write it {' or '.join(homes[key])}{other}"
    if near:
        return f"unknown option; did you mean {near}?"
    far = closest(key, homes, _ALIKE)
    if far:
        return f"unknown option; did you mean {far}, {' or '.join(homes[far])}?"
    own = ", ".join(name for name in valid if name not in foreign)
    below = "; the options of an exporter stand below its name" if foreign else ""
    return f"unknown option; valid are {own}{below}"


def _homes(here: _Names, exporter: tuple[_Names, Section]) -> Mapping[str, Collection[str]]:
    """Map what other sections have to the ways there; an exporter's own hide the block's."""
    found: dict[str, list[str]] = {}
    for above, section in (exporter, ((), section_of(TracingOptions))):
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
