"""Resolve: for every option of a section, all the values it was given, and from where.

The order, highest first: keyword overrides in code, ``OTEL_*`` variables (the more specific
first), the file, the default.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bentotrace.config.document import Block, Document
from bentotrace.config.report import Path, Position, Report, dotted
from bentotrace.config.schema import Leaf, Section
from bentotrace.config.supply import supply
from bentotrace.config.unknown import explain_unknown
from bentotrace.plugin import Variable

__all__ = ["Candidate", "Origin", "Resolved", "Setting", "resolve", "with_variables"]

_OVERRIDE = Position("configure()")
_CODE = Document(_OVERRIDE.file, {})


class Origin(enum.Enum):
    """Where a value comes from, highest first."""

    OVERRIDE = "override"
    VARIABLE = "variable"
    FILE = "file"
    DEFAULT = "default"


class Candidate(NamedTuple):
    """One value that an option was given.

    Attributes:
        origin: the kind of source.
        source: the source as a person reads it: a variable's name, ``file:line:column``, …
        value: a plain value; of a variable or a default, the typed one.
        position: where a problem with it is reported.
        text: what a variable held; "" for the others.
    """

    origin: Origin
    source: str
    value: Any
    position: Position
    text: str = ""

    def __repr__(self) -> str:
        # The value, which is also in the text, may be a secret.
        return f"Candidate({self.origin}, {self.source!r}, {self.position!r})"


class Setting(NamedTuple):
    """One option with everything that was said of it.

    Attributes:
        path: its path in the tracing block.
        leaf: its schema.
        candidates: its values, the one that counts first; the default is the last, and a
            required option that nobody gave has none.
    """

    path: tuple[str, ...]
    leaf: Leaf
    candidates: tuple[Candidate, ...]

    @property
    def effective(self) -> Candidate | None:
        """The value that counts."""
        return self.candidates[0] if self.candidates else None

    def typed(self, candidate: Candidate) -> Any:
        """Give the typed value of one of them.

        Raises:
            ValueError: with what is wrong, and what is valid.
        """
        if candidate.origin in {Origin.OVERRIDE, Origin.FILE}:
            return self.leaf.check(candidate.value)
        return candidate.value


class Resolved(NamedTuple):
    """A section with the settings of all its options.

    Attributes:
        section: the schema.
        path: path of the section in the document.
        settings: by path relative to the section.
        block: the tracing block.
    """

    section: Section
    path: Path
    settings: Mapping[tuple[str, ...], Setting]
    block: Block


def resolve(
    section: Section,
    block: Block,
    overrides: Mapping[str, Any] | None,
    environ: Mapping[str, str],
    report: Report,
    *,
    below: tuple[str, ...] = (),
    foreign: Sequence[str] = (),
) -> Resolved:
    """Collect the values of every option of a section.

    Args:
        section: the schema.
        block: the tracing block.
        overrides: values from code for this section; sections within it are mappings.
        environ: the environment.
        report: takes unknown keys and malformed variables.
        below: path of the section within the block.
        foreign: keys of this section that are somebody else's and left alone.
    """
    worker = _Resolver(section, block, environ, report, below, foreign, settings={})
    worker.walk(section, (), worker.given(), overrides)
    return Resolved(section, (*block.path, *below), worker.settings, block)


def with_variables(
    setting: Setting,
    variables: Sequence[Variable],
    environ: Mapping[str, str],
    report: Report,
) -> Setting:
    """Put more variables above the file for a setting that is resolved already."""
    found = tuple(_from_variables(variables, setting.leaf, environ, report))
    above = sum(candidate.origin is Origin.OVERRIDE for candidate in setting.candidates)
    rest = setting.candidates
    return setting._replace(candidates=(*rest[:above], *found, *rest[above:]))


class _Resolver(NamedTuple):
    root: Section
    block: Block
    environ: Mapping[str, str]
    report: Report
    below: tuple[str, ...]
    foreign: Sequence[str]
    settings: dict[tuple[str, ...], Setting]

    def given(self) -> Any:
        """Give what the block holds for the section."""
        value: Any = self.block.value
        for step in self.below:
            value = value.get(step) if isinstance(value, Mapping) else None
        return value

    def walk(self, section: Section, here: tuple[str, ...], given: Any, overrides: Any) -> None:
        path = (*self.block.path, *self.below, *here)
        document = self.block.document
        given = self._mapping(given, document.position(path), path)
        overrides = self._mapping(overrides, _OVERRIDE, path)
        valid = [child.name for child in section.children]
        old: set[str] = set()
        if not here:
            valid += self.foreign
            old = {name for _, leaf in section.leaves() for name in leaf.record.old_names}
        for key in given:
            if key not in valid and key not in old:
                where = document.key_position((*path, key))
                self.report.problem(where, (*path, key), self._unknown(key, here, valid))
        for key in overrides:
            if key not in valid:
                self.report.problem(_OVERRIDE, (*path, key), self._unknown(key, here, valid))
        for child in section.children:
            at = (*here, child.name)
            item, override = given.get(child.name), overrides.get(child.name)
            if isinstance(child, Section):
                self.walk(child, at, item, override)
            else:
                candidates = tuple(self._candidates(child, item, override, at))
                self.settings[at] = Setting((*self.below, *at), child, candidates)

    def _unknown(self, key: str, here: tuple[str, ...], valid: Sequence[str]) -> str:
        return explain_unknown(
            key,
            (*self.below, *here),
            valid,
            own=(self.below, self.root),
            foreign=self.foreign if not here else (),
            selected=self.block.value.get("exporter_type"),
        )

    def _candidates(
        self, leaf: Leaf, item: Any, override: Any, at: tuple[str, ...]
    ) -> Iterator[Candidate]:
        path = (*self.block.path, *self.below, *at)
        override = self._supplied(override, leaf, path, _CODE)
        if override is not None:
            yield Candidate(Origin.OVERRIDE, str(_OVERRIDE), override, _OVERRIDE)
        yield from _from_variables(leaf.record.env, leaf, self.environ, self.report)
        item = self._supplied(item, leaf, path, self.block.document)
        if item is not None:
            position = self.block.document.position(path)
            yield Candidate(Origin.FILE, str(position), item, position)
        yield from self._under_old_names(leaf, path)
        if not leaf.required:
            yield Candidate(
                Origin.DEFAULT, Origin.DEFAULT.value, leaf.default, Position(Origin.DEFAULT.value)
            )

    def _under_old_names(self, leaf: Leaf, path: Path) -> Iterator[Candidate]:
        """Find what the section gives under a name that the option had."""
        given = self.given()
        for name in leaf.record.old_names:
            value = given.get(name) if isinstance(given, Mapping) else None
            old = (*self.block.path, *self.below, name)
            value = self._supplied(value, leaf, old, self.block.document)
            if value is not None:
                position = self.block.document.position(old)
                self.report.warn(
                    f"{position}: {dotted(old)} is the old name of {dotted(path)}; write that"
                )
                yield Candidate(Origin.FILE, str(position), value, position)

    def _supplied(self, value: Any, leaf: Leaf, path: Path, document: Document) -> Any:
        return supply(
            value,
            path,
            document,
            self.environ,
            self.report,
            takes_mapping=leaf.kind.takes_mapping,
        )

    def _mapping(self, value: Any, position: Position, path: Path) -> Mapping[str, Any]:
        if value is None:
            return {}
        if isinstance(value, Mapping):
            return value
        message = "expected a mapping of options; write them below it, indented"
        self.report.problem(position, path, message)
        return {}


def _from_variables(
    variables: Sequence[Variable], leaf: Leaf, environ: Mapping[str, str], report: Report
) -> Iterator[Candidate]:
    """Read variables; a blank one is unset, a malformed one is told and the next source counts."""
    for variable in variables:
        text = environ.get(variable.name, "").strip()
        if not text:
            continue
        parse = variable.parse or leaf.kind.parse
        try:
            value = leaf.check(parse(text))
        except ValueError as error:
            report.warn(f"{variable.name} is malformed and ignored: {error}")
            continue
        yield Candidate(Origin.VARIABLE, variable.name, value, Position(variable.name), text)
