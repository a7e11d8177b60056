"""Structure: a resolved section becomes an instance of its attrs class, or all its problems."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from typing import Any

from bentotrace.config.report import PartError, Path, Position, Report
from bentotrace.config.resolve import Candidate, Origin, Resolved, Setting
from bentotrace.config.schema import Leaf, Section
from bentotrace.config.secrets import secrets_in
from bentotrace.exceptions import OptionError
from bentotrace.redaction import Redaction

__all__ = ["structure"]


def structure(resolved: Resolved, report: Report) -> Any:
    """Make the typed section.

    Every value of the file and of code is checked, those that a variable overrides too: a file
    with a mistake in it stays wrong when the variable is gone.

    Returns:
        An instance of the section's class, or None when there is a problem.
    """
    before = len(report.problems)
    values: dict[tuple[str, ...], Any] = {}
    for path, setting in resolved.settings.items():
        found = len(report.problems)
        value = _value(setting, resolved, report)
        if len(report.problems) == found:
            values[path] = value
    instance = _instance(resolved.section, (), values, resolved, report)
    return instance if len(report.problems) == before else None


def _value(setting: Setting, resolved: Resolved, report: Report) -> Any:
    path = (*resolved.block.path, *setting.path)
    if setting.effective is None:
        report.problem(resolved.block.document.position(path), path, "is required and not given")
        return None
    values = []
    for candidate in setting.candidates:
        try:
            values.append(setting.typed(candidate))
        except PartError as error:
            for part, message in error.parts:
                where = _part_position(candidate, path, part, resolved)
                report.consequence(where, (*path, *part), message)
        except ValueError as error:
            report.consequence(candidate.position, path, str(error))
    if setting.leaf.kind.merges:
        return dict(ChainMap(*values))
    return values[0] if values else None


def _instance(
    section: Section,
    path: tuple[str, ...],
    values: Mapping[tuple[str, ...], Any],
    resolved: Resolved,
    report: Report,
) -> Any:
    """Make a section's instance, or None.

    What is wrong is left at its default meanwhile, so that what several options show only
    together is told in the same round.
    """
    arguments = {}
    for child in section.children:
        here = (*path, child.name)
        if isinstance(child, Section):
            instance = _instance(child, here, values, resolved, report)
            if instance is not None:
                arguments[child.name] = instance
        elif here in values:
            arguments[child.name] = values[here]
        elif child.required:
            return None
    try:
        return section.cls(**arguments)
    except OptionError as error:
        option = (*path, *error.option.split("."))
        if option not in resolved.settings or option in values:
            where = _where(option, resolved)
            reason = _redaction(section, arguments).redact(error.reason)
            report.consequence(where, (*resolved.path, *option), reason)
    except ValueError as error:
        reason = _redaction(section, arguments).redact(str(error))
        report.problem(_where(path, resolved), (*resolved.path, *path), reason)
    return None


def _redaction(section: Section, arguments: Mapping[str, Any]) -> Redaction:
    """Return what masks the secrets among a section's arguments."""
    secret = {child.name for child in section.children if _is_secret(child)}
    return Redaction(
        found
        for name, value in arguments.items()
        for found in secrets_in(value, secret=name in secret)
    )


def _is_secret(child: Leaf | Section) -> bool:
    return isinstance(child, Leaf) and child.record.secret


def _part_position(candidate: Candidate, path: Path, part: Path, resolved: Resolved) -> Position:
    document = resolved.block.document
    if candidate.position != document.position(path):
        # It stands elsewhere: in code, or under an old name.
        return candidate.position
    return document.position((*path, *part))


def _where(option: tuple[str, ...], resolved: Resolved) -> Position:
    setting = resolved.settings.get(option)
    effective = setting.effective if setting is not None else None
    if effective is not None and effective.origin is not Origin.DEFAULT:
        return effective.position
    return resolved.block.document.position((*resolved.path, *option))
