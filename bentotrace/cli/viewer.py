"""The viewer beside a program, for ``run --ui`` and ``demo --ui``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import webbrowser
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bentotrace.exceptions import BentotraceError

if TYPE_CHECKING:
    from bentotrace.ui.server import Viewer

__all__ = ["Stop", "open_page", "require_viewer", "run_with_viewer", "start_viewer"]

_NEEDED = ("anyio", "google", "grpc", "opentelemetry", "starlette", "uvicorn")


def require_viewer() -> None:
    """Import the viewer.

    Raises:
        BentotraceError: a package that it needs is not installed.
    """
    try:
        import bentotrace.ui.server  # noqa: F401
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] not in _NEEDED:
            raise
        raise BentotraceError(
            f"the viewer needs {error.name}; pip install 'bentotrace[ui]'"
        ) from error


@contextmanager
def start_viewer() -> Iterator[Viewer]:
    """Run a viewer that keeps spans in memory, with its page on port 16686 if that is free.

    The receivers have free ports.
    """
    from bentotrace.ui.server import PORTS, Settings, Viewer

    anywhere = dict.fromkeys(PORTS, 0)
    page = PORTS["page"].default
    viewer = Viewer(Settings(ports={**anywhere, "page": page}))
    if not viewer.url:
        viewer.close()
        viewer = Viewer(Settings(ports=anywhere))
    with viewer:
        yield viewer


def open_page(url: str) -> None:
    """Open the browser, except in a terminal without a display, which a text browser would use."""
    if sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    ):
        webbrowser.open(url)


class Stop:
    """Waits for SIGINT or SIGTERM; a context manager around the time in which they are caught."""

    def __init__(self) -> None:
        self.number = 0
        self._stopped = threading.Event()

    def __enter__(self) -> Stop:
        self._before = {
            number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def wait(self) -> None:
        """Return at the first signal."""
        self._stopped.wait()

    def _stop(self, number: int, _frame: object) -> None:
        self.number = number
        self._stopped.set()


def run_with_viewer(
    program: str, command: Sequence[str], environ: Mapping[str, str], *, no_open: bool
) -> int:
    """Run a program whose traces go to a viewer, until both are stopped.

    Args:
        program: the path of the program.
        command: its name and arguments.
        environ: its environment, to which the variables of tracing are added.
        no_open: whether the browser stays closed.

    Returns:
        The exit code of the program; 128 and the number of the signal that ended it.
    """
    with Stop() as stop, start_viewer() as viewer:
        receiver = f"http://127.0.0.1:{viewer.port('otlp_http')}/v1/traces"
        click.echo(f"the traces are at {viewer.url}", err=True)
        try:
            process = subprocess.Popen(
                command, executable=program, env=_send_to(receiver, command, environ)
            )
        except OSError as error:
            raise BentotraceError(f"{program} cannot be run: {error.strerror}") from error
        if not no_open:
            open_page(viewer.url)
        watcher = threading.Thread(target=_end_with, args=(process, stop), daemon=True)
        watcher.start()
        code = process.wait()
        if not stop.number:
            click.echo(
                f"{command[0]} has ended with exit code {code}; the traces stay at {viewer.url} "
                "until Ctrl-C",
                err=True,
            )
            stop.wait()
    return code if code >= 0 else 128 - code


def _send_to(receiver: str, command: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a program that sends every trace to a receiver."""
    from bentotrace.config.load import names_configuration

    added: MutableMapping[str, str] = {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": receiver,
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
        "OTEL_TRACES_SAMPLER": "always_on",
        # A proxy of the environment cannot reach the viewer.
        "no_proxy": ",".join(filter(None, (environ.get("no_proxy"), "127.0.0.1"))),
    }
    if "OTEL_SERVICE_NAME" not in environ and not names_configuration(environ):
        added["OTEL_SERVICE_NAME"] = Path(command[0]).name
    return {**environ, **added}


def _end_with(process: subprocess.Popen[bytes], stop: Stop) -> None:
    """Forward the signal that stops the viewer, unless the terminal has sent it to both."""
    stop.wait()
    in_foreground = sys.stdin is not None and sys.stdin.isatty() and _is_foreground()
    if not (stop.number == signal.SIGINT and in_foreground):
        process.send_signal(stop.number)


def _is_foreground() -> bool:
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:
        return False
