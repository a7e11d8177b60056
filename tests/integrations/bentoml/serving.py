"""``bentoml serve`` as its users run it, stopped with all its workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import urllib3
from attrs import define, field

from ...e2e.backends import poll
from ...e2e.processes import LOOPBACK, answers_200, environment
from ...ports import free_ports

# Starting takes three seconds where nothing else runs.
START_TIMEOUT = 90.0
STOP_TIMEOUT = 60.0

BENTOML = str(Path(sys.executable).with_name("bentoml"))
RUN = (str(Path(sys.executable).with_name("bentotrace")), "run", "--")
INSTRUMENT = (str(Path(sys.executable).with_name("opentelemetry-instrument")),)


@define
class Serving:
    """A running ``bentoml serve``.

    Attributes:
        url: where it answers.
        process: the process that started the workers.
        log: what all of them said.
    """

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    _http: urllib3.PoolManager = field(
        factory=lambda: urllib3.PoolManager(retries=False, timeout=START_TIMEOUT)
    )

    def ask(
        self, path: str, *, headers: Mapping[str, str] | None = None, **arguments: Any
    ) -> urllib3.BaseHTTPResponse:
        """POST the arguments of a method to its path; the answer must be 200."""
        answer = self._http.request("POST", self.url + path, json=arguments, headers=headers)
        assert answer.status == 200, (answer.status, answer.data)
        return answer

    def status(self, path: str, **arguments: Any) -> int:
        """POST the arguments of a method to its path, and give the status."""
        return self._http.request("POST", self.url + path, json=arguments).status

    def leave(self, path: str, **arguments: Any) -> None:
        """POST the arguments of a method, and close the connection after a part of the response."""
        answer = self._http.request("POST", self.url + path, json=arguments, preload_content=False)
        answer.read(1)
        answer.close()

    def get(self, path: str) -> int:
        """GET a path and give the status."""
        return self._http.request("GET", self.url + path).status

    def read(self, path: str) -> str:
        """GET a path and give the text of the answer."""
        return self._http.request("GET", self.url + path).data.decode()

    def end(self) -> int:
        """End it by SIGTERM, and give its exit code when all has ended."""
        self._http.clear()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_TIMEOUT)

    def interrupt(self) -> int:
        """End it as Ctrl+C in a terminal does, which all its processes hear of."""
        self._http.clear()
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(STOP_TIMEOUT)

    def said(self) -> str:
        """Return what was logged so far."""
        return self.log.read_text("utf-8", "replace")

    def wait_until_said(self, text: str, *, times: int) -> None:
        """Wait until a text has been logged so often, as by each worker that has started."""
        said = poll(self.said, lambda said: said.count(text) >= times, within=START_TIMEOUT)
        assert said.count(text) >= times, said


def run(
    directory: Path, *arguments: str, start: Sequence[str] = (), **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of BentoML's to its end."""
    return subprocess.run(
        [*start, BENTOML, *arguments],
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT,
        env=environment_of(directory, variables),
        cwd=directory,
    )


@contextmanager
def serving(
    directory: Path,
    target: str,
    *options: str,
    start: Sequence[str] = (),
    command: str = "serve",
    **variables: str,
) -> Iterator[Serving]:
    """Serve for the duration of the block, which begins when the service is ready.

    Args:
        directory: where the service's module is.
        target: ``module:Service``.
        options: of ``bentoml serve``.
        start: the command that starts BentoML's.
        command: of BentoML; a client of ``serve-grpc`` waits until it is ready.
        variables: of its environment.
    """
    (port,) = free_ports()
    url = f"http://{LOOPBACK}:{port}"
    # Not where it would be a change to reload for.
    log = directory.parent / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*start, BENTOML, command, target, "--host", LOOPBACK, "--port", str(port), *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment_of(directory, variables),
            cwd=directory,
            # One process group, with which also the workers can be ended.
            start_new_session=True,
        )
    served = Serving(url, process, log)
    try:
        if command == "serve":
            poll(
                lambda: process.poll() is not None or answers_200(f"{url}/readyz"),
                lambda over: over,
                within=START_TIMEOUT,
            )
            assert process.poll() is None, served.said()
            assert answers_200(f"{url}/readyz"), served.said()
        yield served
    finally:
        with suppress(subprocess.TimeoutExpired):
            if process.poll() is None:
                served.end()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_TIMEOUT)


def environment_of(directory: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which BentoML keeps its things beside a directory, and to itself."""
    home = str(directory.parent / "bentoml")
    return environment(BENTOML_DO_NOT_TRACK="True", BENTOML_HOME=home, **variables)
