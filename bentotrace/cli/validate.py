"""``bentotrace validate``: print every problem of configurations, with its place."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import attrs
import click

from bentotrace.cli.common import (
    format_note,
    format_option,
    format_problem,
    read_config,
    service_option,
    style_effect,
)
from bentotrace.config.diagnostics import Note
from bentotrace.config.document import ENVIRONMENT
from bentotrace.config.effect import advise_sampling, summarize
from bentotrace.config.load import list_services
from bentotrace.exceptions import ConfigError, PluginError
from bentotrace.problems import Position, Problem

__all__ = ["validate"]


class _Check(NamedTuple):
    """The result of one block: of a file, or of one of its services."""

    file: str
    service: str | None
    problems: Sequence[Problem] = ()
    notes: Sequence[Note] = ()
    exporters: Sequence[str] = ()
    effect: str = ""
    advice: str = ""

    @property
    def name(self) -> str:
        return f"{self.file}, service {self.service}" if self.service else self.file

    @property
    def warns(self) -> bool:
        return bool(self.advice) or any(note.warning for note in self.notes)


@click.command()
@click.argument("files", nargs=-1, type=click.Path())
@service_option
@click.option("--strict", is_flag=True, help="Treat warnings as problems.")
@format_option("github", text="github prints annotations for a workflow's log.")
def validate(files: tuple[str, ...], service: str | None, strict: bool, form: str) -> int:
    """Check FILES and the environment, and print every problem with its place.

    Everything is built, but nothing is connected. All services of a BentoML file are checked.
    FILES default to the file that BENTOTRACE_CONFIG or BENTOML_CONFIG names.

    The exit code is 0 without problems, 1 with problems, and 2 when the arguments are invalid.
    """
    checks = [check for file in files or (None,) for check in _check_file(file, service)]
    known: set[tuple[Position, str]] = set()
    checks = [check._replace(problems=_new(check.problems, known)) for check in checks]
    count = sum(len(check.problems) for check in checks)
    warned = strict and any(check.warns for check in checks)
    if form == "json":
        click.echo(json.dumps(_as_dict(checks, good=not count and not warned), indent=2))
    elif form == "github":
        for check in checks:
            _annotate(check)
    else:
        for check in checks:
            _print(check)
        if count:
            click.echo(f"{count} problem{'s' if count > 1 else ''}", err=True)
        elif warned:
            click.echo("the warnings are problems, because of --strict", err=True)
    return 1 if count or warned else 0


def _check_file(file: str | None, service: str | None) -> Iterator[_Check]:
    """Check the block of a service, or those of all services of a file."""
    services: Sequence[str | None] = [service]
    if service is None:
        with contextlib.suppress(ConfigError):
            services = list_services(file)
    for name in services:
        # A common block is also for services that the file does not name.
        yield _check(file, "" if name is None and len(services) > 1 else name)


def _check(file: str | None, service: str | None) -> _Check:
    from bentotrace.pipeline.build import check_exporters

    name = file or ENVIRONMENT
    try:
        config = read_config(file, service)
        # A plugin's output is not part of the command's.
        with contextlib.redirect_stdout(sys.stderr):
            check_exporters(config)
    except ConfigError as error:
        return _Check(name, service, error.problems)
    except PluginError as error:
        return _Check(name, service, [Problem(Position(name), "", str(error))])
    return _Check(
        file or config.source,
        service,
        (),
        config.notes,
        [exporter.plugin.name for exporter in config.exporters],
        summarize(config),
        advise_sampling(config) if config.exporters and config.options.records_nothing else "",
    )


def _new(problems: Sequence[Problem], known: set[tuple[Position, str]]) -> Sequence[Problem]:
    """Return the problems that no other service has; services may share a part of the file."""
    found = [p for p in problems if p.position.line == 0 or (p.position, p.message) not in known]
    known.update((problem.position, problem.message) for problem in problems)
    return found


def _print(check: _Check) -> None:
    for problem in check.problems:
        click.echo(format_problem(problem), err=True)
    if check.effect:
        click.echo(f"{check.name}: {_verdict(check)} {style_effect(check.effect)}")
    if check.advice:
        click.echo(f"  {check.advice}")
    for note in check.notes:
        click.echo(format_note(note))


def _verdict(check: _Check) -> str:
    return "good, but" if check.effect.startswith("nothing") else "good;"


def _as_dict(checks: Sequence[_Check], good: bool) -> dict[str, Any]:
    return {
        "good": good,
        "exporters": list(dict.fromkeys(name for check in checks for name in check.exporters)),
        "problems": [problem.as_dict() for check in checks for problem in check.problems],
        "notes": [
            {"file": check.file, **attrs.asdict(note)} for check in checks for note in check.notes
        ],
        "blocks": [
            {"file": check.file, "service": check.service or "", "effect": check.effect}
            for check in checks
        ],
    }


def _annotate(check: _Check) -> None:
    for problem in check.problems:
        click.echo(_annotation(problem, check.file))
    for note in check.notes:
        click.echo(f"::{'warning' if note.warning else 'notice'}::{_escaped(str(note))}")
    if check.effect:
        level = "warning" if check.advice else "notice"
        line = f"{check.name}: {_verdict(check)} {check.effect}"
        click.echo(f"::{level}::{_escaped(line)}")


def _annotation(problem: Problem, file: str) -> str:
    position = problem.position
    if position.file != file:
        # A variable is not in the repository.
        return f"::error::{_escaped(str(problem))}"
    place = f"file={_escaped(position.file, ',:')}"
    if position.line:
        place += f",line={position.line},col={position.column}"
    message = ": ".join(part for part in (problem.path, problem.message) if part)
    return f"::error {place}::{_escaped(message)}"


def _escaped(text: str, also: str = "") -> str:
    """Escape text for a workflow command."""
    for character in f"%\r\n{also}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text
