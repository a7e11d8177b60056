"""The group of all subcommands, and what their errors look like."""

from __future__ import annotations

import errno
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

# Sources: 128 + SIGPIPE, as a shell has it of a command that the signal ended; sysexits.h.
_OUTPUT_ENDED = 141
_OUTPUT_FAILED = 74
# What writing to a file, a device or a pipe may meet; nothing but the output is written here.
_OUTPUT_ERRORS = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bentotrace")
def _bentotrace() -> None:
    """From a YAML block and the OTEL_* environment to traces in your backend."""


for _command in (demo, doctor, explain, match, plugins, run_command, schema, validate):
    _bentotrace.add_command(_command)


def run(arguments: Sequence[str]) -> int:
    """Run a subcommand and turn its errors into messages and an exit code."""
    _prepare_streams()
    try:
        code = _run_command(arguments)
        sys.stdout.flush()
    except OSError as error:
        if error.errno not in _OUTPUT_ERRORS:
            raise
        return _end_without_output(error)
    return code


def _run_command(arguments: Sequence[str]) -> int:
    stdout = sys.stdout
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
    except SystemExit as ending:
        # When the reader of the output has gone, rich ends so, and click changes the streams, too.
        if sys.stdout is stdout and not isinstance(ending.__context__, BrokenPipeError):
            raise
        return _OUTPUT_ENDED
    except click.Abort:
        click.echo("interrupted", err=True)
        return 130
    except BentotraceError as error:
        click.echo(str(error), err=True)
        return 1
    return result if isinstance(result, int) else 0


def _prepare_streams() -> None:
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # It was closed, so nobody wants what goes there.
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            # What the terminal has no letter for is not worth a traceback.
            stream.reconfigure(errors="backslashreplace")


def _end_without_output(error: OSError) -> int:
    """Say why the output is not whole, and keep the interpreter from trying again."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
    if isinstance(error, BrokenPipeError):
        # Who reads has seen enough.
        return _OUTPUT_ENDED
    click.echo(f"the output cannot be written: {error.strerror}", err=True)
    return _OUTPUT_FAILED
