"""Real servers started for the end-to-end tests, on free loopback ports, and stopped by pid."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import attrs
import urllib3

from ..ports import free_ports
from .backends import Jaeger, Zipkin, get, poll

LOOPBACK = "127.0.0.1"
INSTALL = Path(__file__).parent / "servers" / "install"

_INSTALL_TIMEOUT = 1800.0
_STOP_TIMEOUT = 10.0
_START_ATTEMPTS = 3
_TOOL_MISSING = 3
_LOG_TAIL = 6000

_JAEGER_CONFIG = """\
service:
  extensions: [jaeger_storage, jaeger_query, healthcheckv2]
  pipelines:
    traces:
      receivers: [otlp, jaeger, zipkin]
      exporters: [jaeger_storage_exporter]
  telemetry:
    metrics: {{level: none}}
    logs: {{level: info}}
extensions:
  jaeger_storage:
    backends:
      tests: {{memory: {{max_traces: 100000}}}}
  jaeger_query:
    storage: {{traces: tests}}
    # Its own spans would go to localhost:4317, whoever listens there, and hold up its end.
    enable_tracing: false
    http: {{endpoint: "{host}:{query}"}}
    grpc: {{endpoint: "{host}:{query_grpc}"}}
  healthcheckv2:
    use_v2: true
    http: {{endpoint: "{host}:{health}"}}
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "{host}:{otlp_grpc}"}}
      http: {{endpoint: "{host}:{otlp_http}"}}
  jaeger:
    protocols:
      grpc: {{endpoint: "{host}:{grpc}"}}
      thrift_http: {{endpoint: "{host}:{thrift_http}"}}
      thrift_compact: {{endpoint: "{host}:{thrift_compact}"}}
      thrift_binary: {{endpoint: "{host}:{thrift_binary}"}}
  zipkin: {{endpoint: "{host}:{zipkin}"}}
exporters:
  jaeger_storage_exporter: {{trace_storage: tests}}
"""

T = TypeVar("T")


class ServerUnavailableError(Exception):
    """A server cannot be installed or run here; the message says what to install."""


class ServerNotStartedError(Exception):
    """A server's process ended, or did not become healthy in time; the message has its log."""


def installed(server: str, announce: Callable[[str], None]) -> Path:
    """Return the path of a server's program, which is built or fetched the first time.

    Raises:
        ServerUnavailableError: The script that installs it lacks a tool.
        RuntimeError: The script failed, or was not through after half an hour.
    """
    if shutil.which("bash") is None:
        raise ServerUnavailableError(f"{INSTALL} needs 'bash', which is not on PATH")
    command = ["bash", str(INSTALL)]
    path = Path(subprocess.check_output([*command, "--path", server], text=True).strip())
    if path.exists():
        return path
    announce(f"{INSTALL} {server} (this once; it takes some minutes)")
    # A session of its own, so that a timeout ends the compilers with the script.
    process = subprocess.Popen(
        [*command, server],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            output, errors = process.communicate(timeout=_INSTALL_TIMEOUT)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode == _TOOL_MISSING:
        raise ServerUnavailableError(errors.strip())
    if process.returncode != 0:
        raise RuntimeError(f"{INSTALL} {server} failed:\n{errors[-_LOG_TAIL:]}")
    return Path(output.strip())


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment without what would configure a server or a service."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OTEL_", "BENTOTRACE_", "BENTOML_"))
    }
    return {**inherited, **variables}


def stop(process: subprocess.Popen[bytes], seconds: float = _STOP_TIMEOUT) -> int:
    """Ask a process to end, end it after ten seconds, or others, and give its exit code."""
    if process.poll() is None:
        process.terminate()
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait(_STOP_TIMEOUT)


def answers_200(url: str) -> bool:
    """Return whether a GET of the URL is answered 200 now."""
    try:
        return get(url)[0] == 200
    except urllib3.exceptions.HTTPError:
        return False


@contextmanager
def running(
    command: Sequence[str],
    *,
    log: Path,
    health: str | Callable[[], bool],
    within: float,
    variables: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server for the duration of the block, which begins when it is healthy.

    ``health`` is a URL that answers 200 then, or a function that returns whether it is.

    Raises:
        ServerNotStartedError: Its process ended, or ``within`` seconds were not enough.
    """
    is_healthy = partial(answers_200, health) if isinstance(health, str) else health
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment(**(variables or {})),
            cwd=directory,
        )
    try:
        poll(
            lambda: process.poll() is not None or is_healthy(),
            lambda over: over,
            within=within,
        )
        if process.poll() is not None or not is_healthy():
            state = "ended" if process.poll() is not None else f"is not healthy after {within:g} s"
            tail = log.read_text("utf-8", "replace")[-_LOG_TAIL:]
            raise ServerNotStartedError(f"{' '.join(command)} {state}; its log:\n{tail}")
        yield process
    finally:
        stop(process)


@contextmanager
def started(start: Callable[[], AbstractContextManager[T]]) -> Iterator[T]:
    """Start a server, again where somebody took one of its free ports before the server did."""
    with ExitStack() as stack:
        for attempt in range(1, _START_ATTEMPTS + 1):
            try:
                server = stack.enter_context(start())
                break
            except ServerNotStartedError as error:
                clash = "address already in use" in str(error).lower()
                if not clash or attempt == _START_ATTEMPTS:
                    raise
        yield server


@contextmanager
def _jaeger_on_free_ports(program: Path, directory: Path) -> Iterator[Jaeger]:
    *ports, query_grpc, health = free_ports(10)
    jaeger = Jaeger(LOOPBACK, *ports)
    config = directory / "jaeger.yaml"
    config.write_text(
        _JAEGER_CONFIG.format(**attrs.asdict(jaeger), query_grpc=query_grpc, health=health), "utf-8"
    )
    with running(
        [str(program), "--config", str(config)],
        log=directory / "jaeger.log",
        health=f"http://{LOOPBACK}:{health}/status",
        within=30.0,
    ):
        yield jaeger


@contextmanager
def _zipkin_on_a_free_port(
    java: str, jar: Path, directory: Path, variables: Mapping[str, str]
) -> Iterator[Zipkin]:
    (port,) = free_ports()
    listen = {"ip": LOOPBACK, "port": port, "protocols[0]": "http"}
    with running(
        [
            java,
            "-Xmx256m",
            "-jar",
            str(jar),
            # The variable QUERY_PORT alone would make it listen on every interface.
            *(f"--armeria.ports[0].{name}={value}" for name, value in listen.items()),
        ],
        log=directory / "zipkin.log",
        health=f"http://{LOOPBACK}:{port}/health",
        within=90.0,
        variables=variables,
    ):
        yield Zipkin(LOOPBACK, port)


def running_jaeger(program: Path, directory: Path) -> AbstractContextManager[Jaeger]:
    """Run a Jaeger v2 with all its receivers and memory storage."""
    return started(lambda: _jaeger_on_free_ports(program, directory))


def running_zipkin(jar: Path, directory: Path, **variables: str) -> AbstractContextManager[Zipkin]:
    """Run a Zipkin with memory storage, and with environment variables of its own.

    Raises:
        ServerUnavailableError: There is no ``java``.
    """
    java = shutil.which("java")
    if java is None:
        raise ServerUnavailableError("Zipkin needs 'java', which is not on PATH: install Java 17")
    return started(lambda: _zipkin_on_a_free_port(java, jar, directory, variables))
