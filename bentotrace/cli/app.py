"""The group of all subcommands, and the output of their errors."""

from __future__ import annotations

import errno
import importlib
import io
import logging
import os
import sys
from collections.abc import Sequence

import click

from bentotrace._version import __version__
from bentotrace.exceptions import BentotraceError
from bentotrace.problems import closest

__all__ = ["run"]

# Sources: 128 + SIGPIPE, the exit code of a shell for a command that the signal ended; sysexits.h.
_OUTPUT_ENDED = 141
_OUTPUT_FAILED = 74
_COMMANDS = (
    "demo",
    "doctor",
    "explain",
    "match",
    "new-exporter",
    "plugins",
    "run",
    "schema",
    "ui",
    "validate",
)
# Errors of writing to a file, a device or a pipe; the commands write nothing but their output.
_OUTPUT_ERRORS = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class _Commands(click.Group):
    """The subcommands; each is in the module of its name, and is imported when it is used.

    Importing all of them would double the start time of ``bentotrace ui``.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names."""
        return list(_COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the subcommand that the first argument names; suggest a similar one."""
        name = args[0]
        if name not in _COMMANDS and (near := closest(name, _COMMANDS)):
            ctx.fail(f"No such command {name!r}; did you mean {near}?")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a subcommand; None is returned for another name."""
        if cmd_name not in _COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        module = importlib.import_module(f"bentotrace.cli.{name}")
        command: click.Command = getattr(module, name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bentotrace")
def _bentotrace() -> None:
    """From a YAML block and the OTEL_* environment to traces in your backend."""


def run(arguments: Sequence[str]) -> int:
    """Run a subcommand, print its errors, and return the exit code."""
    _prepare_streams()
    # The commands report what these log about variables.
    for name in ("opentelemetry.attributes", "opentelemetry.sdk.resources"):
        logging.getLogger(name).addHandler(logging.NullHandler())
    try:
        code = _run_command(arguments)
        sys.stdout.flush()
        return code
    except OSError as error:
        if error.errno not in _OUTPUT_ERRORS:
            raise
        return _end_without_output(error)


def _run_command(arguments: Sequence[str]) -> int:
    stdout = sys.stdout
    try:
        result = _bentotrace.main(
            args=list(arguments),
            prog_name="bentotrace",
            standalone_mode=False,
            # Source: no-color.org; click does not read it.
            color=False if os.environ.get("NO_COLOR") else None,
        )
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except SystemExit as ending:
        # Rich exits too when the reader has closed the output; click then replaces the streams.
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
            # It is closed, so its output is discarded.
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            # A character that the terminal cannot show must not be a traceback.
            stream.reconfigure(errors="backslashreplace")


def _end_without_output(error: OSError) -> int:
    """Print why the output is incomplete, and keep the interpreter from flushing it again."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
    if isinstance(error, BrokenPipeError):
        # A reader such as head may close the pipe early.
        return _OUTPUT_ENDED
    click.echo(f"the output cannot be written: {error.strerror}", err=True)
    return _OUTPUT_FAILED
