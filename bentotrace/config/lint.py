"""Explain unknown options, and report sections that have no effect."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from bentotrace.config.diagnostics import Report
from bentotrace.config.document import Block, is_filled
from bentotrace.config.options import TracingOptions
from bentotrace.discovery import registry
from bentotrace.exceptions import PluginError
from bentotrace.plugin import ExporterPlugin
from bentotrace.problems import closest, dotted, normalize
from bentotrace.schema.tree import Section, section_of

__all__ = ["explain_unknown", "report_unlisted", "report_unused"]

_Names = tuple[str, ...]
_Schema = tuple[_Names, Section]

# A name in another section is a worse guess, so it must be more similar to the key.
_CUTOFF = 0.75

# A similar name with the opposite meaning.
_OPPOSITES = {"disabled": "enable", "insecure": "secure"}

_ATTRIBUTES = {
    normalize(name.replace(".", "")): name
    for name in (
        "deployment.environment.name",
        "service.instance.id",
        "service.name",
        "service.namespace",
        "service.version",
    )
}


def explain_unknown(
    key: str,
    here: _Names,
    valid: Sequence[str],
    *,
    own: _Schema,
    foreign: Collection[str] = (),
    selected: object = None,
) -> str:
    """Return the message for an unknown key: its right place, a similar name, or the valid names.

    Args:
        key: the unknown key.
        here: path of its section in the block.
        valid: the names in the section.
        own: path and schema of the exporter's section, or of the block itself.
        foreign: the valid names that are sections of exporters.
        selected: the plain value of ``exporter_type``.
    """
    block = ((), section_of(TracingOptions))
    schemas = [own, block]
    for name in foreign:
        if selected in (name, [name]):
            # A broken plugin is reported when its section is read.
            with suppress(PluginError):
                schemas.append(((name,), section_of(registry.load(name).config)))
    if (place := _joined_path(key, here, schemas)) is not None:
        return f"unknown option; write {place[-1]} below {dotted(place[:-1])}"
    first, dot, rest = key.partition(".")
    if dot and first in valid:
        return f"unknown option; write {rest} below {first}"
    homes = _homes(here, schemas)
    near = closest(key, valid)
    if key in homes:
        other = f", or did you mean {near}?" if near and _share_word(key, near) else ""
        return f"unknown option here; write it {' or '.join(homes[key])}{other}"
    if near and normalize(key).rstrip("d") == _OPPOSITES.get(near):
        return f"unknown option; write {near} with the opposite value"
    near = near or _containing(key, valid)
    if near:
        return f"unknown option; did you mean {near}?"
    near = closest(key, homes, _CUTOFF) or _containing(key, homes)
    if near:
        return f"unknown option; did you mean {near}, {' or '.join(homes[near])}?"
    if here == ("resource",):
        return f"unknown option; write attributes: {{{_attribute(key) or key}: ...}}"
    if _attribute(key):
        return f"unknown option; write {_attribute(key)} below resource.attributes"
    names = [name for name in valid if name not in foreign]
    if len(names) == 1:
        return f"unknown option; the only option here is {names[0]}"
    return f"unknown option; valid are {', '.join(names)}"


def _containing(key: str, names: Iterable[str]) -> str | None:
    """Return the only name that has every word of a key, as ``agent_host`` has ``host``."""
    words = set(key.casefold().split("_"))
    found = [name for name in names if words <= set(name.split("_"))]
    return found[0] if len(found) == 1 else None


def _attribute(key: str) -> str | None:
    """Return the name of the resource's attribute that a key is likely for."""
    if "." in key:
        return key
    return _ATTRIBUTES.get(normalize(key))


def _joined_path(key: str, here: _Names, schemas: Iterable[_Schema]) -> _Names | None:
    """Return the path whose names a key joins, as in ``resource_attributes``, from a section."""
    joined = normalize(key.replace(".", ""))
    for above, section in schemas:
        for path in _paths(section, above):
            place = path[len(here) :] if path[: len(here)] == here else path
            if len(place) > 1 and normalize("".join(place)) == joined:
                return place
    return None


def _share_word(one: str, other: str) -> bool:
    """Return whether a word of one name begins with a word of the other."""
    words = itertools.product(one.split("_"), other.split("_"))
    return any(a.startswith(b) or b.startswith(a) for a, b in words)


def _homes(here: _Names, schemas: Iterable[_Schema]) -> Mapping[str, Sequence[str]]:
    """Map the names in other sections to directions; an earlier schema hides a later one."""
    found: dict[str, list[str]] = {}
    for above, section in schemas:
        names: dict[str, list[str]] = {}
        for *there, name in _paths(section, above):
            if tuple(there) != here:
                names.setdefault(name, []).append(_direction(here, tuple(there)))
        found = {**names, **found}
    return found


def _paths(section: Section, above: _Names) -> Iterator[_Names]:
    for child in section.children:
        here = (*above, child.name)
        yield here
        if isinstance(child, Section):
            yield from _paths(child, here)


def _direction(here: _Names, there: _Names) -> str:
    """Return the direction from one section to another."""
    if here[: len(there)] == there and here != there:
        return f"next to {here[len(there)]}"
    return f"below {dotted(there[len(here) :] if there[: len(here)] == here else there)}"


def report_unused(
    block: Block,
    options: TracingOptions,
    selected: Sequence[ExporterPlugin],
    sections: Iterable[str],
    report: Report,
) -> None:
    """Add a note for each section that has no effect."""
    names = [plugin.name for plugin in selected]
    # What is turned off may be turned on again.
    if options.disabled or not names:
        return
    for name in sections:
        if name not in names and is_filled(block.value.get(name)):
            position = block.document.key_position((*block.path, name))
            report.inform(
                f"{position}: {dotted((*block.path, name))} is not used; "
                f"exporter_type is {', '.join(names)}"
            )


def report_unlisted(block: Block, listed: Sequence[str], report: Report) -> None:
    """Add a note for the section of each extension that is not listed."""
    for name in registry.extension_names():
        if name not in listed and is_filled(block.value.get(name)):
            position = block.document.key_position((*block.path, name))
            report.inform(
                f"{position}: {dotted((*block.path, name))} is not used; "
                f"write extensions: [{', '.join((*listed, name))}]"
            )
