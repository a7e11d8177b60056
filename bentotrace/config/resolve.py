"""Resolve: collect the values of every option of a section, and create the typed section.

The sources, highest first: overrides in code, ``OTEL_*`` variables (the more specific first), the
file, the default.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bentotrace.config.candidates import (
    Candidate,
    Origin,
    check_value,
    note_deprecated,
    read_variables,
    upgrade,
)
from bentotrace.config.diagnostics import Report
from bentotrace.config.document import Block, Document, is_filled
from bentotrace.config.lint import explain_unknown
from bentotrace.config.references import resolve_references
from bentotrace.config.settings import Resolved, Setting
from bentotrace.exceptions import OptionError
from bentotrace.problems import Path, Position, dotted
from bentotrace.schema.kinds import PartError
from bentotrace.schema.option import Option
from bentotrace.schema.secrets import redaction_of
from bentotrace.schema.tree import Leaf, Section

__all__ = ["resolve"]

_OVERRIDE = Position("configure()")
_CODE = Document(_OVERRIDE.file, {})
_Names = tuple[str, ...]


def resolve(
    section: Section,
    block: Block,
    overrides: Mapping[str, Any] | None,
    environ: Mapping[str, str],
    report: Report,
    *,
    below: _Names = (),
    foreign: Sequence[str] = (),
) -> Resolved:
    """Collect the values of every option of a section, and create its instance.

    The values of the file and of code are checked even if a variable overrides them.

    Args:
        section: the schema.
        block: the tracing block.
        overrides: values from code for this section; nested sections are mappings.
        environ: the environment.
        report: collects problems and warnings.
        below: path of the section within the block.
        foreign: keys of this section that are ignored.
    """
    before = len(report.problems)
    environ = dict(environ)
    while True:
        trial = report.copy()
        worker = _Resolver(section, block, overrides, environ, trial, below, foreign, settings={})
        try:
            options = worker.make(section, (), worker.section_value(), overrides)
        except _UnusableVariableError as error:
            report.warn(f"{error.name} is ignored: {error.reason}")
            del environ[error.name]
            continue
        report.problems, report.notes = trial.problems, trial.notes
        return Resolved(options if len(report.problems) == before else None, worker.settings)


class _UnusableVariableError(Exception):
    """The value of a variable conflicts with other options."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name)
        self.name, self.reason = name, reason


class _Resolver(NamedTuple):
    root: Section
    block: Block
    overrides: Any
    environ: Mapping[str, str]
    report: Report
    below: _Names
    foreign: Sequence[str]
    settings: dict[_Names, Setting]

    def section_value(self) -> Any:
        """Return the section's value in the block."""
        value: Any = self.block.value
        for step in self.below:
            value = value.get(step) if isinstance(value, Mapping) else None
        return value

    def make(self, section: Section, here: _Names, values: Any, overrides: Any) -> Any:
        """Resolve a section's options and create its instance, or None.

        Wrong values are replaced by their defaults, so that checks across options still run.
        """
        path = self._path(here)
        values = self._mapping(values, self.block.document.position(path), path)
        overrides = self._mapping(overrides, _OVERRIDE, path)
        self._report_unknown([child.name for child in section.children], here, values, overrides)
        arguments: dict[str, Any] = {}
        missing = False
        for child in section.children:
            at = (*here, child.name)
            item, override = values.get(child.name), overrides.get(child.name)
            if isinstance(child, Section) and child.whole is not None:
                item, override = self._former(child.whole.record, item, override, at)
            if isinstance(child, Section) and self._is_used(child, item, override, at):
                instance = self.make(child, at, item, override)
                if instance is not None:
                    arguments[child.name] = instance
                required = child.whole is not None and child.whole.required
            else:
                leaf = child.whole if isinstance(child, Section) else child
                assert leaf is not None
                setting = Setting(
                    (*self.below, *at), leaf, tuple(self._candidates(leaf, item, override, at))
                )
                self.settings[at] = setting
                if self._is_good(setting) and not setting.is_computed:
                    arguments[child.name] = setting.merged
                required = leaf.required
            missing = missing or (required and child.name not in arguments)
        return None if missing else self._instance(section, here, arguments)

    def _path(self, here: _Names) -> Path:
        return (*self.block.path, *self.below, *here)

    def _report_unknown(
        self,
        valid: Sequence[str],
        here: _Names,
        values: Mapping[str, Any],
        overrides: Mapping[str, Any],
    ) -> None:
        if {*values, *overrides} <= {*valid}:
            return
        path = self._path(here)
        old = self._old_keys(here)
        for key in [key for key in old if old[key] and key not in valid]:
            # A former section, of which only the old names are left.
            at = (*here, key)
            inner, given = values.get(key), overrides.get(key)
            inner = self._mapping(inner, self.block.document.position((*path, key)), (*path, key))
            given = self._mapping(given, _OVERRIDE, (*path, key))
            self._report_unknown([], at, inner, given)
        if not here:
            valid = [*valid, *self.foreign]
        positions = {key: self.block.document.key_position((*path, key)) for key in values}
        for key, where in (*positions.items(), *((key, _OVERRIDE) for key in overrides)):
            if key not in valid and key not in old:
                message = explain_unknown(
                    key,
                    (*self.below, *here),
                    valid or list(old),
                    own=(self.below, self.root),
                    foreign=self.foreign if not here else (),
                    selected=self.block.value.get("exporter_type"),
                )
                self.report.problem(where, (*path, key), message)

    def _old_keys(self, here: _Names) -> Mapping[str, bool]:
        """Return the keys that are old names, and with True those of sections with old names."""
        found = {}
        for _, leaf in self.root.leaves():
            for name in leaf.record.old_names:
                *above, last = name.split(".")
                if tuple(above) == here:
                    found[last] = False
                elif tuple(above[: len(here)]) == here:
                    found[above[len(here)]] = True
        return found

    def _is_used(self, section: Section, item: Any, override: Any, at: _Names) -> bool:
        """Return whether a section is required or anything in it is set."""
        if not section.optional or override is not None:
            return True
        if is_filled(item) or item == {}:
            return True
        return any(
            found
            for path, leaf in section.leaves(at)
            for found in (
                *self._old_values(leaf),
                *read_variables(leaf.record.env, leaf, self.environ, self._path(path), self.report),
            )
        )

    def _former(self, record: Option, item: Any, override: Any, at: _Names) -> tuple[Any, Any]:
        """Return the values of a section in their present form."""
        path = self._path(at)
        found = []
        for value, position in ((item, self.block.document.position(path)), (override, _OVERRIDE)):
            if is_filled(value):
                note_deprecated(record, str(position), path, self.report)
                try:
                    value = upgrade(record, value, str(position), path, self.report)
                except ValueError as error:
                    self.report.problem(position, path, str(error))
                    value = None
            found.append(value)
        return found[0], found[1]

    def _old_values(self, leaf: Leaf) -> Iterator[tuple[_Names, Any, Any]]:
        """Yield the old names of an option, with the values of the file and of code."""
        for name in leaf.record.old_names:
            item, override = self.section_value(), self.overrides
            for step in name.split("."):
                item = item.get(step) if isinstance(item, Mapping) else None
                override = override.get(step) if isinstance(override, Mapping) else None
            if item is not None or override is not None:
                yield tuple(name.split(".")), item, override

    def _is_good(self, setting: Setting) -> bool:
        """Report what is wrong with an option's values; return whether all are valid."""
        path = (*self.block.path, *setting.path)
        if setting.effective is None:
            where = self.block.document.position(path)
            self.report.problem(where, path, "is required but missing")
            return False
        for candidate in setting.candidates:
            if isinstance(candidate.error, PartError):
                for part, message in candidate.error.parts:
                    where = self._part_position(candidate, path, part)
                    self.report.consequence(where, (*path, *part), message)
            elif candidate.error is not None:
                self.report.consequence(candidate.position, path, str(candidate.error))
        return all(candidate.error is None for candidate in setting.candidates)

    def _part_position(self, candidate: Candidate, path: Path, part: Path) -> Position:
        document = self.block.document
        if candidate.position != document.position(path):
            # The value is in code, or under an old name.
            return candidate.position
        return document.position((*path, *part))

    def _instance(self, section: Section, here: _Names, arguments: Mapping[str, Any]) -> Any:
        try:
            instance = section.cls(**arguments)
        except OptionError as error:
            option = (*here, *error.option.split("."))
            setting = self.settings.get(option)
            if setting is None or all(item.error is None for item in setting.candidates):
                reason = redaction_of(arguments, section.secret).redact(error.reason)
                used = setting.effective if setting is not None else None
                if used is not None and used.origin is Origin.VARIABLE:
                    raise _UnusableVariableError(used.source, reason) from None
                self.report.consequence(self._where(option), self._path(option), reason)
            return None
        except ValueError as error:
            reason = redaction_of(arguments, section.secret).redact(str(error))
            self.report.problem(self._where(here), self._path(here), reason)
            return None
        for child in section.children:
            at = (*here, child.name)
            setting = self.settings.get(at)
            if setting is not None and setting.is_computed:
                value = getattr(instance, setting.leaf.attribute.name)
                default = setting.candidates[0]._replace(value=value)
                self.settings[at] = setting._replace(candidates=(default,))
        return instance

    def _where(self, option: _Names) -> Position:
        setting = self.settings.get(option)
        if setting is not None and setting.explicit is not None:
            return setting.explicit.position
        return self.block.document.position(self._path(option))

    def _candidates(self, leaf: Leaf, item: Any, override: Any, at: _Names) -> Iterator[Candidate]:
        path = self._path(at)
        old = [*self._old_values(leaf)]
        given = [(path, override), *((self._path(name), value) for name, _, value in old)]
        yield from self._given(leaf, path, given, Origin.OVERRIDE, _CODE)
        yield from read_variables(leaf.record.env, leaf, self.environ, path, self.report)
        given = [(path, item), *((self._path(name), value) for name, value, _ in old)]
        yield from self._given(leaf, path, given, Origin.FILE, self.block.document)
        if not leaf.required:
            default = Origin.DEFAULT.value
            yield Candidate(Origin.DEFAULT, default, Position(default), leaf.default)

    def _given(
        self,
        leaf: Leaf,
        path: Path,
        given: Sequence[tuple[Path, Any]],
        origin: Origin,
        document: Document,
    ) -> Iterator[Candidate]:
        """Yield the values of an option under its name, and under its old names with a note."""
        used: Path | None = None
        for place, value in given:
            value = self._supplied(value, leaf, place, document)
            if value is None:
                continue
            position = document.position(place)
            if place != path and used is None:
                self.report.warn(f"{position}: {dotted(place)} is deprecated; use {dotted(path)}")
            elif place != path:
                self.report.warn(
                    f"{position}: {dotted(place)} is not used, because {dotted(used or path)} is "
                    f"set too; remove {place[-1]}"
                )
            used = used or place
            yield check_value(leaf, value, origin, position, path, self.report)

    def _supplied(self, value: Any, leaf: Leaf, path: Path, document: Document) -> Any:
        return resolve_references(
            value,
            path,
            document,
            self.environ,
            self.report,
            # Headers from one variable or file; no header is called env or file.
            takes_mapping=leaf.kind.takes_mapping and not leaf.record.secret,
        )

    def _mapping(self, value: Any, position: Position, path: Path) -> Mapping[str, Any]:
        if isinstance(value, Mapping):
            return value
        if value is not None:
            message = "expected a mapping of options; write them below it and indent them"
            self.report.problem(position, path, message)
        return {}
