"""``bentotrace doctor``: does a span arrive, and if not, why?"""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from bentotrace.cli.reading import read_config
from bentotrace.config.report import Position, Problem
from bentotrace.doctor.verdict import Verdict
from bentotrace.exceptions import BentotraceError, ConfigError

if TYPE_CHECKING:
    from bentotrace.config.load import Config
    from bentotrace.doctor.examination import Diagnosis, Examination, State, Step

__all__ = ["doctor"]

_CALLED_WRONGLY = 2
_LINE_WIDTH = 100
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
    rows = {_CALLED_WRONGLY: ("", "the command was called wrongly")}
    lines = [(verdict.exit_code, verdict.word, verdict.title) for verdict in Verdict]
    lines += [(code, *words) for code, words in rows.items()]
    table = "\n".join(f"  {code:>2}  {word:<20} {title}" for code, word, title in sorted(lines))
    return f"\b\nexit codes and verdicts:\n{table}"


@click.command(epilog=_exit_codes())
@click.argument("file", type=click.Path(), required=False)
@click.option("--service", help="The service of a BentoML file whose block is meant.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def doctor(file: str | None, service: str | None, as_json: bool) -> int:
    """Send one span to every destination of FILE, and tell what became of it.

    The real exporters send it, past sampling and queue, and every step is told: name resolution,
    connection, TLS, protocol, authentication, path, answer; where one fails, with what to do.

    FILE is the one that BENTOTRACE_CONFIG names, or BENTOML_CONFIG, when it is left out. Secrets
    are shown as ***. With several destinations the exit code is that of the first that fails.
    """
    # gRPC's core otherwise logs every handshake that fails.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        config = read_config(file, service)
    except BentotraceError as error:
        if not as_json:
            raise
        click.echo(_json(_undone(error)))
        return Verdict.CONFIGURATION.exit_code
    examination = _examine(config)
    if as_json:
        click.echo(_json(examination.as_dict()))
    else:
        _print(examination)
    return examination.verdict.exit_code


def _examine(config: Config) -> Examination:
    from rich.console import Console

    from bentotrace.doctor.examine import examine

    # The stream itself: what an exporter prints is kept off sys.stderr meanwhile.
    waiting = Console(file=sys.stderr)
    with waiting.status("sending one span to every destination …"):
        return examine(config)


def _undone(error: BentotraceError) -> dict[str, Any]:
    problems: Sequence[Problem] = [Problem(Position(""), "", str(error))]
    if isinstance(error, ConfigError):
        problems = error.problems
    return {
        "good": False,
        "verdict": Verdict.CONFIGURATION.word,
        "exit_code": Verdict.CONFIGURATION.exit_code,
        "source": "",
        "problems": [problem.as_dict() for problem in problems],
        "notes": [],
        "destinations": [],
    }


def _json(found: dict[str, Any]) -> str:
    return json.dumps(found, indent=2)


def _print(examination: Examination) -> None:
    click.echo(f"configuration from {examination.source}")
    for diagnosis in examination.diagnoses:
        click.echo()
        _print_diagnosis(diagnosis)
    if not examination.diagnoses:
        _print_verdict(examination.verdict, "")
    if examination.notes:
        click.echo()
    for note in examination.notes:
        click.echo(_wrapped(f"{'warning' if note.warning else 'note'}: {note}", ""))


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
    """Print a line for each step that was taken, and one for all that were not."""
    mark = click.style(_marks()[state.value], **_STYLES[state.value])
    if state.value in {"unknown", "not_reached"}:
        names = ", ".join(step.name.value for step in steps)
        click.echo(f"  {mark} " + click.style(f"{steps[0].told}: {names}", dim=True))
        return
    for step in steps:
        took = f" ({_duration(step.seconds)})" if step.seconds is not None else ""
        told = _wrapped(step.told + took, " " * (_NAME_WIDTH + 5))
        click.echo(f"  {mark} {step.name.value:<{_NAME_WIDTH}} {told}")


def _print_verdict(verdict: Verdict, advice: str) -> None:
    state = "good" if verdict.good else "failed"
    title = click.style(f"{_marks()[state]} {verdict.title}", **_STYLES[state])
    click.echo(title + click.style(f"  {verdict.word}", dim=True))
    if advice:
        click.echo(f"  {_wrapped(advice, '  ')}")


def _wrapped(text: str, indent: str) -> str:
    """Break lines between words, and begin all but the first with the indent."""
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
