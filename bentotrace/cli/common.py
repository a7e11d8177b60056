"""Shared by the commands: the arguments that select a configuration, loading it, its notes."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import click
from attrs import evolve

import bentotrace
from bentotrace.config.diagnostics import Note
from bentotrace.config.document import ENVIRONMENT
from bentotrace.config.load import Config
from bentotrace.problems import Problem

__all__ = [
    "file_argument",
    "format_note",
    "format_option",
    "format_problem",
    "lacks_file",
    "read_config",
    "service_option",
    "style_effect",
]

file_argument = click.argument("file", type=click.Path(), required=False)
service_option = click.option("--service", help="Use the block of this service of a BentoML file.")


def format_option(
    *more: str, text: str = "Text for people, or JSON for programs."
) -> Callable[..., Any]:
    """Return the option for the format of the output, which is "text" by default."""
    choice = click.Choice(["text", "json", *more])
    return click.option(
        "--format", "form", type=choice, default="text", show_default=True, help=text
    )


def read_config(file: str | None, service: str | None = None, **overrides: Any) -> Config:
    """Load a configuration, as :func:`bentotrace.load_config` does.

    The output of a plugin's import goes to standard error.
    """
    with contextlib.redirect_stdout(sys.stderr):
        config = bentotrace.load_config(file, service=service, **overrides)
    return evolve(config, notes=(*config.notes, *_no_file(config), *_slow_patterns(config)))


def lacks_file(config: Config) -> bool:
    """Return whether no exporter is selected and no file was read that could select one."""
    options = config.options
    return config.source == ENVIRONMENT and not (options.exporter_type or options.disabled)


def _no_file(config: Config) -> Iterator[Note]:
    if lacks_file(config):
        message = "no file was read; name one after the command, or set BENTOTRACE_CONFIG=FILE"
        yield Note(message, warning=False)


def _slow_patterns(config: Config) -> Iterator[Note]:
    from bentotrace.pipeline.slow_patterns import is_slow

    options = config.options
    patterns = {
        "excluded_urls": options.excluded_urls,
        "sample_rates": [item.match for item in options.effective_sample_rates],
    }
    for option, texts in patterns.items():
        for index, text in enumerate(texts):
            if is_slow(text):
                yield Note(
                    f"{option}[{index}]: some URLs make {text} slow to match, which blocks the "
                    f"service; avoid repetitions next to or inside each other",
                    warning=True,
                )


def format_note(note: Note) -> str:
    """Return a note as a line of output."""
    if note.warning:
        return f"{click.style('warning:', fg='yellow', bold=True)} {note}"
    return f"{click.style('note:', fg='cyan')} {note}"


def format_problem(problem: Problem) -> str:
    """Return a problem as a line of output, with its place emphasized."""
    place = click.style(f"{problem.position}:", bold=True) if str(problem.position) else ""
    path = f"{problem.path}:" if problem.path else ""
    return " ".join(filter(None, (place, path, problem.message)))


def style_effect(effect: str) -> str:
    """Return what a configuration does, in the color of whether it sends anything."""
    return click.style(effect, fg="yellow" if effect.startswith("nothing") else "green")
