"""``bentotrace run``: run a program with tracing, without a change of its code."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution, entry_points
from importlib.util import find_spec
from pathlib import Path

import click

from bentotrace._files import open_regular
from bentotrace.cli.common import lacks_file, style_effect
from bentotrace.cli.viewer import require_viewer, run_with_viewer
from bentotrace.config.effect import summarize
from bentotrace.exceptions import BentotraceError
from bentotrace.integrations.otel_choice import CONFIGURATOR, DISTRO, NAME, check

__all__ = ["run"]

# The packages that instrument a framework end in its name here.
_FRAMEWORKS = {
    "aiohttp": "aiohttp-server",
    "celery": "celery",
    "django": "django",
    "falcon": "falcon",
    "fastapi": "fastapi",
    "flask": "flask",
    "grpcio": "grpc",
    "pyramid": "pyramid",
    "starlette": "starlette",
    "tornado": "tornado",
}


@click.command(context_settings={"allow_interspersed_args": False})
@click.option(
    "-c",
    "--config",
    "file",
    type=click.Path(),
    help="The file; without it, the one that BENTOTRACE_CONFIG or BENTOML_CONFIG names.",
)
@click.option("--service", help="Use the block of this service of a BentoML file, and its name.")
@click.option(
    "--ui", "show", is_flag=True, help="Record everything, and show it in a viewer beside COMMAND."
)
@click.option("--no-open", is_flag=True, help="With --ui, do not open the browser.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(
    file: str | None, service: str | None, show: bool, no_open: bool, command: tuple[str, ...]
) -> int:
    """Check the configuration and run COMMAND, with every library instrumented.

    Every installed instrumentation package of OpenTelemetry is used. COMMAND replaces this process,
    so it gets the signals and sets the exit code. Write -- before it.

    With --ui no configuration is needed. The viewer runs until Ctrl-C, which ends COMMAND too.
    """
    start = _find_start()
    if start is None:
        raise BentotraceError(
            "bentotrace run needs opentelemetry-instrumentation; pip install "
            "'bentotrace[instrument]'"
        )
    if show:
        require_viewer()
    config = check(command, file, service)
    program = shutil.which(command[0])
    if program is None:
        raise BentotraceError(_explain_missing(command[0]))
    # The viewer's run records everything.
    if config is not None and not show:
        click.echo(f"{config.source}: {style_effect(summarize(config))}", err=True)
        if lacks_file(config):
            click.echo("  name a file with --config, or set OTEL_TRACES_EXPORTER=otlp", err=True)
    flag = _isolating_flag(command, program)
    if flag is not None:
        click.echo(
            f"warning: nothing is traced: python {flag} ignores PYTHONPATH, by which tracing "
            f"starts; leave out {flag}",
            err=True,
        )
    if not entry_points(group="opentelemetry_instrumentor"):
        click.echo(f"warning: {_explain_uninstrumented()}", err=True)
    # Python starts OpenTelemetry with these, and OpenTelemetry starts bentotrace.
    environ = {**os.environ, DISTRO: NAME, CONFIGURATOR: NAME}
    if file is not None:
        # The program may change its directory before its children read the file.
        environ["BENTOTRACE_CONFIG"] = str(Path(file).absolute())
    if service is not None:
        environ["OTEL_SERVICE_NAME"] = service
    # The first has a sitecustomize that instruments; programs such as django-admin do not look for
    # modules in the current directory, nor should any program with PYTHONSAFEPATH.
    path = [start]
    if not os.environ.get("PYTHONSAFEPATH"):
        path.append(str(Path.cwd()))
    path += filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(path))
    if show:
        return run_with_viewer(program, command, environ, no_open=no_open)
    try:
        os.execvpe(program, command, environ)
    except OSError as error:
        raise BentotraceError(f"{program} cannot be run: {error.strerror}") from error


def _explain_missing(name: str) -> str:
    """Return why a program cannot be run, and the likely correction."""
    if not Path(name).is_file():
        more = "; write its arguments without quotes around all" if " " in name else ""
        return f"program {name!r} not found on PATH{more}"
    if name.endswith((".yaml", ".yml")):
        return f"{name} is not a program; write --config {name} before the program"
    if name.endswith(".py"):
        return f"{name} is not executable; write python {name}"
    return f"{name} is not an executable program; chmod +x makes it one"


def _explain_uninstrumented() -> str:
    """Return that no library creates spans, and the packages to install."""
    found = [name for name in _FRAMEWORKS if _is_installed(name)]
    if "fastapi" in found:
        # FastAPI's instrumentation includes it.
        found.remove("starlette")
    packages = [f"opentelemetry-instrumentation-{_FRAMEWORKS[name]}" for name in found]
    fix = f"pip install {' '.join(packages)}" if packages else "install those of your libraries"
    return (
        "no library is instrumented, because no opentelemetry-instrumentation-* package is "
        f"installed; {fix}"
    )


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def _isolating_flag(command: Sequence[str], program: str) -> str | None:
    """Return the option by which a Python ignores PYTHONPATH or sitecustomize, if it has one."""
    first = b""
    with contextlib.suppress(OSError), open_regular(program) as file:
        first = file.readline(256)
    words = [*command]
    if first.startswith(b"#!"):
        words = [*first[2:].decode(errors="replace").split(), *words]
    for index, word in enumerate(words):
        if re.fullmatch(r"(python|pypy)[0-9.]*", Path(word).name) is None:
            continue
        for option in words[index + 1 :]:
            if re.fullmatch(r"-[A-Za-z]+", option) is None:
                break
            # What follows -c, -m, -W or -X is its argument.
            flags = re.split("[cmWX]", option[1:])[0]
            if set(flags) & set("IES"):
                return option
            if flags != option[1:]:
                break
    return None


def _find_start() -> str | None:
    """Return the directory whose ``sitecustomize`` starts OpenTelemetry; None without it."""
    try:
        spec = find_spec("opentelemetry.instrumentation.auto_instrumentation")
    except ModuleNotFoundError:
        return None
    return str(Path(spec.origin).parent) if spec is not None and spec.origin is not None else None
