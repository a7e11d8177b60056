"""``bentotrace doctor``: print whether a span arrives, and if not, why."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from bentotrace.cli.common import (
    file_argument,
    format_note,
    format_option,
    read_config,
    service_option,
    style_effect,
)
from bentotrace.config.effect import summarize
from bentotrace.discovery.calls import HangError, call_bounded
from bentotrace.doctor.verdict import Verdict
from bentotrace.exceptions import BentotraceError, ConfigError, PluginError
from bentotrace.problems import Position, Problem

if TYPE_CHECKING:
    from bentotrace.config.load import Config
    from bentotrace.doctor.report import Diagnosis, Examination, State, Step

__all__ = ["doctor"]

_INVALID_ARGUMENTS = 2
_LINE_WIDTH = 100
# Imports of a large package may take several.
_LOAD_SECONDS = 20.0
_NAME_WIDTH = 15
_NO_BREAK = "\u00a0"

_MARKS = {"good": "✓", "failed": "✗", "unknown": "?", "not_reached": "·"}
_ASCII_MARKS = {"good": "+", "failed": "x", "unknown": "?", "not_reached": "-"}
_STYLES: Mapping[str, Mapping[str, Any]] = {
    "good": {"fg": "green"},
    "failed": {"fg": "red", "bold": True},
    "unknown": {"fg": "yellow"},
    "not_reached": {"dim": True},
}


def _exit_codes() -> str:
    lines = [(verdict.exit_code, verdict.word, verdict.title) for verdict in Verdict]
    lines.append((_INVALID_ARGUMENTS, "", "the arguments are invalid"))
    table = "\n".join(f"  {code:>2}  {word:<20} {title}" for code, word, title in sorted(lines))
    return f"\b\nexit codes and verdicts:\n{table}"


@click.command(epilog=_exit_codes())
@file_argument
@service_option
@format_option()
@click.option("--json", "as_json", is_flag=True, hidden=True)
def doctor(file: str | None, service: str | None, form: str, as_json: bool) -> int:
    """Send one span to every destination of FILE, and print whether it arrived.

    The real exporters send it, past sampling and queue. Every step is printed: name resolution,
    connection, TLS, protocol, authentication, path, response; and what to do when one fails.

    FILE defaults to the file that BENTOTRACE_CONFIG or BENTOML_CONFIG names. Secrets are shown as
    ***. With several destinations the exit code is that of the first that fails.
    """
    from rich.console import Console

    from bentotrace.doctor.examine import examine
    from bentotrace.doctor.report import Examination

    # gRPC's core otherwise logs every handshake that fails.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # The former name of --format json.
    as_json = as_json or form == "json"
    effect = ""
    try:
        config = _read_config(file, service)
    except BentotraceError as error:
        if not as_json:
            raise
        problems = error.problems if isinstance(error, ConfigError) else ()
        problems = problems or (Problem(Position(""), "", str(error)),)
        examination = Examination("", (), nothing=Verdict.CONFIGURATION, problems=tuple(problems))
    else:
        effect = summarize(config)
        # Passed explicitly, because sys.stderr is replaced while the exporter runs.
        with Console(file=sys.stderr).status("sending one span to every destination …"):
            examination = examine(config)
    if as_json:
        click.echo(json.dumps({"effect": effect, **examination.as_dict()}, indent=2))
    else:
        click.echo(f"{click.style(examination.source, bold=True)}: {style_effect(effect)}")
        _print(examination)
    return examination.verdict.exit_code


def _read_config(file: str | None, service: str | None) -> Config:
    """Load the configuration, which imports plugins, in a bounded time."""
    try:
        return call_bounded(
            partial(read_config, file, service), _LOAD_SECONDS, "reading the configuration"
        )
    except HangError as error:
        raise PluginError(f"{error}; report this to its author") from None


def _print(examination: Examination) -> None:
    for diagnosis in examination.diagnoses:
        click.echo()
        _print_diagnosis(diagnosis)
    if not examination.diagnoses:
        _print_verdict(examination.verdict, "")
    if examination.notes:
        click.echo()
    for note in examination.notes:
        click.echo(_wrapped(format_note(note), ""))


def _print_diagnosis(diagnosis: Diagnosis) -> None:
    protocol = f" ({diagnosis.protocol})" if diagnosis.protocol else ""
    where = f" to {diagnosis.endpoint}" if diagnosis.endpoint else ""
    source = f"  [{diagnosis.endpoint_source}]" if diagnosis.endpoint_source else ""
    heading = click.style(diagnosis.exporter, bold=True)
    click.echo(f"{heading}{protocol}{where}{click.style(source, dim=True)}")
    for state, steps in groupby(diagnosis.steps, key=lambda step: step.state):
        _print_steps(state, list(steps))
    _print_verdict(diagnosis.verdict, diagnosis.fix)


def _print_steps(state: State, steps: Sequence[Step]) -> None:
    """Print a line for each step that ran, and one for all others."""
    mark = click.style(_marks()[state.value], **_STYLES[state.value])
    if state.value in {"unknown", "not_reached"}:
        names = ", ".join(step.label for step in steps)
        click.echo(f"  {mark} " + click.style(f"{steps[0].message}: {names}", dim=True))
        return
    for step in steps:
        took = f" ({_duration(step.seconds)})" if step.seconds is not None else ""
        text = _wrapped(step.message + took, " " * (_NAME_WIDTH + 5))
        click.echo(f"  {mark} {step.label:<{_NAME_WIDTH}} {text}")


def _print_verdict(verdict: Verdict, advice: str) -> None:
    state = "good" if verdict.good else "failed"
    title = click.style(f"{_marks()[state]} {verdict.title}", **_STYLES[state])
    click.echo(title + click.style(f"  {verdict.word}", dim=True))
    if advice:
        click.echo(f"  {_wrapped(advice, '  ')}")


def _wrapped(text: str, indent: str) -> str:
    """Wrap lines between words, and indent all but the first."""
    width = min(shutil.get_terminal_size((_LINE_WIDTH, 24)).columns, _LINE_WIDTH)
    lines = textwrap.wrap(
        text, max(width - len(indent), 20), break_long_words=False, break_on_hyphens=False
    )
    return f"\n{indent}".join(lines).replace(_NO_BREAK, " ")


def _marks() -> Mapping[str, str]:
    try:
        "".join(_MARKS.values()).encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return _ASCII_MARKS
    return _MARKS


def _duration(seconds: float) -> str:
    text = f"{seconds:.1f} s" if seconds >= 1 else f"{max(seconds * 1000, 1):.0f} ms"
    return text.replace(" ", _NO_BREAK)
