"""Programs as a person starts them: processes of their own, without what would configure them."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import urllib3
from attrs import define, field

from .e2e.processes import environment, stop
from .ports import free_ports

PATIENCE = 60.0


@define
class Program:
    """A program that runs, and what it has written so far."""

    process: subprocess.Popen[bytes]
    lines: list[str] = field(factory=list)
    _news: threading.Condition = field(factory=threading.Condition)
    _over: bool = False

    def read(self) -> None:
        """Take what it writes until it ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._over = True
            self._news.notify_all()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until it has written a line in which the pattern is."""

        def found() -> re.Match[str] | None:
            return next(filter(None, (re.search(pattern, line) for line in self.lines)), None)

        with self._news:
            self._news.wait_for(lambda: found() or self._over, PATIENCE)
            match = found()
        assert match is not None, f"no line with {pattern!r} in:\n" + "\n".join(self.lines)
        return match

    def stop(self, seconds: float = 10.0) -> int:
        """Send SIGTERM, wait, and give the exit code."""
        return stop(self.process, seconds)


@contextmanager
def started(directory: Path, *command: str | Path, **variables: str) -> Iterator[Program]:
    """Run a program for the duration of the block; its errors are among its lines."""
    process = subprocess.Popen(
        [str(word) for word in command],
        cwd=directory,
        env=environment(PYTHONUNBUFFERED="1", **variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    program = Program(process)
    reader = threading.Thread(target=program.read)
    reader.start()
    try:
        yield program
    finally:
        stop(process)
        reader.join(PATIENCE)
        assert process.stdout is not None
        process.stdout.close()


def finished(
    directory: Path, command: Sequence[str | Path], **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        [str(word) for word in command],
        cwd=directory,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def two_workers() -> list[str]:
    """Return options with which uvicorn serves from two processes.

    Long before these listen it binds the port, which the system may then give to another server.
    And under load a worker may be silent for the 5 s after which it is ended.
    """
    (port,) = free_ports()
    return ["--port", str(port), "--workers", "2", "--timeout-worker-healthcheck", "60"]


def ask(url: str) -> tuple[int, bytes]:
    """GET a URL of a server that may not listen yet; return the status and the body."""
    # uvicorn's workers say that they have started before they listen.
    wait = urllib3.Retry(None, connect=600, read=0, backoff_factor=0.1, backoff_max=0.1)
    with urllib3.PoolManager(retries=wait, timeout=PATIENCE) as client:
        response = client.request("GET", url)
        return response.status, response.data
