"""``bentotrace run``: a program, traced without a line of code."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import click

import bentotrace
from bentotrace.config.load import find_on_error
from bentotrace.exceptions import BentotraceError

__all__ = ["run"]


@click.command(context_settings={"allow_interspersed_args": False})
@click.option(
    "-c",
    "--config",
    "file",
    type=click.Path(),
    help="The file; without it, the one that BENTOTRACE_CONFIG names, or BENTOML_CONFIG.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(file: str | None, command: tuple[str, ...]) -> NoReturn:
    """Check the configuration and run COMMAND, with every library instrumented.

    Each instrumentation package of OpenTelemetry that is installed is used. COMMAND takes the place
    of this process, with its signals and its exit code. Write -- before it.
    """
    _check(file)
    program = shutil.which(command[0])
    if program is None:
        raise BentotraceError(f"there is no program {command[0]!r}; is it installed, and on PATH?")
    try:
        os.execvpe(program, command, _environment(file))
    except OSError as error:
        raise BentotraceError(f"{program} cannot be run: {error.strerror}") from error


def _check(file: str | None) -> None:
    """Raise every problem, unless the program is to run without tracing then."""
    try:
        bentotrace.load_config(file)
    except BentotraceError:
        if find_on_error(file) == "raise":
            raise


def _environment(file: str | None) -> dict[str, str]:
    """Give the environment in which the interpreter starts OpenTelemetry, and that bentotrace."""
    environ = dict(
        os.environ, OTEL_PYTHON_DISTRO="bentotrace", OTEL_PYTHON_CONFIGURATOR="bentotrace"
    )
    if file is not None:
        # The program may change its directory before its children read it.
        environ["BENTOTRACE_CONFIG"] = str(Path(file).absolute())
    # Also the directory in which a program as django-admin would not look for modules.
    path = [_start_directory(), str(Path.cwd())]
    path += filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(path))
    return environ


def _start_directory() -> str:
    """Find the directory whose ``sitecustomize`` instruments what is installed."""
    try:
        start = find_spec("opentelemetry.instrumentation.auto_instrumentation")
    except ModuleNotFoundError:
        start = None
    if start is None or start.origin is None:
        raise BentotraceError(
            "bentotrace run needs opentelemetry-instrumentation; pip install "
            "'bentotrace[instrument]'"
        )
    return str(Path(start.origin).parent)
