"""``bentotrace validate``: is this configuration good?"""

from __future__ import annotations

import json
from collections.abc import Sequence

import attrs
import click

from bentotrace.cli.reading import read_config
from bentotrace.config.report import Note, Position, Problem
from bentotrace.exceptions import ConfigError, PluginError

__all__ = ["validate"]


@click.command()
@click.argument("file", type=click.Path())
@click.option("--service", help="The service of a BentoML file whose block is meant.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="github writes annotations for a workflow's log.",
)
def validate(file: str, service: str | None, form: str) -> int:
    """Check FILE and the environment, and print every problem with its place.

    Ends with 0 when it is good, with 1 when there are problems, with 2 when it was called wrongly.
    """
    problems: Sequence[Problem] = ()
    notes: Sequence[Note] = ()
    names: list[str] = []
    try:
        config = read_config(file, service)
    except ConfigError as error:
        problems = error.problems
    except PluginError as error:
        problems = [Problem(Position(file), "", str(error))]
    else:
        notes = config.notes
        names = [exporter.plugin.name for exporter in config.exporters]
    if form == "json":
        click.echo(_json(problems, notes, names))
    elif form == "github":
        for problem in problems:
            click.echo(_annotation(problem, file))
        for note in notes:
            click.echo(f"::{'warning' if note.warning else 'notice'}::{_escaped(str(note))}")
    else:
        _print(file, problems, notes, names)
    return 1 if problems else 0


def _print(
    file: str, problems: Sequence[Problem], notes: Sequence[Note], names: Sequence[str]
) -> None:
    for problem in problems:
        click.echo(str(problem), err=True)
    if problems:
        click.echo(f"{len(problems)} problem{'s' if len(problems) > 1 else ''}", err=True)
        return
    for note in notes:
        click.echo(f"{'warning' if note.warning else 'note'}: {note}")
    click.echo(f"{file}: good; {', '.join(names) or 'no exporter'}")


def _json(problems: Sequence[Problem], notes: Sequence[Note], names: Sequence[str]) -> str:
    found = {
        "good": not problems,
        "exporters": names,
        "problems": [problem.as_dict() for problem in problems],
        "notes": [attrs.asdict(note) for note in notes],
    }
    return json.dumps(found, indent=2)


def _annotation(problem: Problem, file: str) -> str:
    position = problem.position
    if position.file != file:
        # A variable, which is nowhere in the repository.
        return f"::error::{_escaped(str(problem))}"
    place = f"file={_escaped(position.file, ',:')}"
    if position.line:
        place += f",line={position.line},col={position.column}"
    message = ": ".join(part for part in (problem.path, problem.message) if part)
    return f"::error {place}::{_escaped(message)}"


def _escaped(text: str, also: str = "") -> str:
    """Write text as a workflow command needs it."""
    for character in f"%\r\n{also}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text
