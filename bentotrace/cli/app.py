"""The group of all subcommands, and what their errors look like."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

import click

from bentotrace import __version__
from bentotrace.cli.demo import demo
from bentotrace.cli.doctor import doctor
from bentotrace.cli.explain import explain
from bentotrace.cli.match import match
from bentotrace.cli.plugins import plugins
from bentotrace.cli.run import run as run_command
from bentotrace.cli.schema import schema
from bentotrace.cli.validate import validate
from bentotrace.exceptions import BentotraceError

__all__ = ["run"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bentotrace")
def _bentotrace() -> None:
    """From a YAML block and the OTEL_* environment to traces in your backend."""


for _command in (demo, doctor, explain, match, plugins, run_command, schema, validate):
    _bentotrace.add_command(_command)


def run(arguments: Sequence[str]) -> int:
    """Run a subcommand and turn its errors into messages and an exit code."""
    # What the terminal has no letter for is not worth a traceback.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        result = _bentotrace.main(
            args=list(arguments),
            prog_name="bentotrace",
            standalone_mode=False,
            # Source: no-color.org; click does not look at it.
            color=False if os.environ.get("NO_COLOR") else None,
        )
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("interrupted", err=True)
        return 130
    except BentotraceError as error:
        click.echo(str(error), err=True)
        return 1
    return result if isinstance(result, int) else 0
