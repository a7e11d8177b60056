"""What tracing costs a request: of a BentoML service, and of one that FastAPI serves.

The first is traced by us and by BentoML itself, the second by us and by ``opentelemetry-distro``.
Every case is a server with one worker; all of a service run at once, and are asked in turns, so
that what else the machine does falls on all alike. One connection asks one request after another:
its latencies, and the requests per second and the CPU time of the worker that follow. What else
the machine does changes those more than tracing does, so theirs and ours are asked one after the
other, and the ratio of their CPU times is the median of those of the turns. How the memory of a
process happens to lie is worth some percent too, so all are started several times: the ratio is
the median of the starts', and the lowest and the highest stand beside it. Run it as
``python benchmarks/request.py`` where these are installed: bentotrace[cli,instrument], bentoml 1.4,
fastapi, uvicorn, opentelemetry-distro, opentelemetry-instrumentation-fastapi, and
opentelemetry-exporter-otlp-proto-http.
"""

from __future__ import annotations

import argparse
import http.client
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

import psutil
from attrs import define, field
from receivers import Receiver

BENTOML_SERVICE = """\
import bentoml
{install}

@bentoml.service(workers=1, logging={{"access": {{"enabled": False}}}})
class Iris:
    @bentoml.api
    async def classify(self, petal: float) -> str:
        return "setosa" if petal < 2 else "virginica"
"""
OURS = "import bentotrace.integrations.bentoml as tracing; tracing.install()"

BENTOML_CONFIG = """\
services:
  tracing:
    exporter_type: otlp
    sample_rate: {rate}
    excluded_urls: {excluded}
    otlp: {{protocol: http, endpoint: "http://127.0.0.1:{port}/v1/traces"}}
"""

FASTAPI_SERVICE = """\
from fastapi import FastAPI

app = FastAPI()


@app.get("/readyz")
async def ready() -> None:
    pass


@app.post("/classify")
async def classify(flower: dict[str, float]) -> str:
    return "setosa" if flower["petal"] < 2 else "virginica"
"""

FASTAPI_CONFIG = """\
tracing:
  exporter_type: otlp
  sample_rate: {rate}
  excluded_urls: {excluded}
  otlp: {{protocol: http, endpoint: "http://127.0.0.1:{port}/v1/traces"}}
"""

START_TIMEOUT = 120.0
WAYS = {
    "unsampled": {"rate": 0.0, "excluded": "/other"},
    "excluded": {"rate": 1.0, "excluded": "/classify"},
    "sampled": {"rate": 1.0, "excluded": "/other"},
    "one in ten sampled": {"rate": 0.1, "excluded": "/other"},
}
OFF = {"OTEL_SDK_DISABLED": "true"}


@define
class Case:
    """A service with one way of tracing.

    Attributes:
        name: what the table calls it.
        files: what it consists of.
        command: what serves it, without the port.
        variables: its environment, beside ours.
        forks: whether a child of the process answers.
    """

    name: str
    files: Mapping[str, str]
    command: Sequence[str]
    variables: Mapping[str, str] = field(factory=dict)
    forks: bool = False


@define
class Measured:
    """What was measured of a case.

    Attributes:
        latencies: of every request, in seconds.
        turns: the CPU time of a request, in seconds, for each start and in that for each turn.
    """

    latencies: list[float] = field(factory=list)
    turns: list[list[float]] = field(factory=list)


@define
class Server:
    """A running case."""

    case: Case
    process: subprocess.Popen[bytes]
    port: int

    @property
    def worker(self) -> psutil.Process:
        """The process that answers."""
        process = psutil.Process(self.process.pid)
        if not self.case.forks:
            return process
        (worker,) = process.children()
        return worker

    def ask(self, requests: int, measured: Measured) -> None:
        """Measure so many requests."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Content-Type": "application/json"}
        worker = self.worker
        before = cpu_seconds(worker)
        for _ in range(requests):
            started = time.perf_counter()
            connection.request("POST", "/classify", '{"petal": 1.0}', headers)
            answer = connection.getresponse()
            answer.read()
            measured.latencies.append(time.perf_counter() - started)
            assert answer.status == 200
        measured.turns[-1].append((cpu_seconds(worker) - before) / requests)
        connection.close()


def bentoml_cases(port: int) -> Iterator[Case]:
    """List what is compared of a BentoML service, theirs before ours."""

    def case(name: str, install: str, config: str, variables: Mapping[str, str]) -> Case:
        return Case(
            name,
            {"service.py": BENTOML_SERVICE.format(install=install), "bentoml.yaml": config},
            [program("bentoml"), "serve", "service:Iris", "--host", "127.0.0.1"],
            {"BENTOML_CONFIG": "bentoml.yaml", "BENTOML_DO_NOT_TRACK": "True", **variables},
            forks=True,
        )

    yield case("nothing configured: BentoML", "", "services: {}\n", {})
    config = BENTOML_CONFIG.format(**WAYS["sampled"], port=port)
    yield case("`OTEL_SDK_DISABLED`: bentotrace", OURS, config, OFF)
    for way, options in WAYS.items():
        config = BENTOML_CONFIG.format(**options, port=port)
        yield case(f"{way}: BentoML", "", config, {})
        yield case(f"{way}: bentotrace", OURS, config, {})


def fastapi_cases(port: int) -> Iterator[Case]:
    """List what is compared of a service of FastAPI, theirs before ours."""
    uvicorn = [program("uvicorn"), "app:app", "--log-level", "warning"]
    files = {"app.py": FASTAPI_SERVICE}
    distro = {
        "OTEL_PYTHON_DISTRO": "distro",
        "OTEL_PYTHON_CONFIGURATOR": "configurator",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
    }
    theirs = [program("opentelemetry-instrument"), *uvicorn]
    ours = [program("bentotrace"), "run", "-c", "tracing.yaml", "--", *uvicorn]
    for way, options in {"`OTEL_SDK_DISABLED`": WAYS["sampled"], **WAYS}.items():
        off = OFF if way not in WAYS else {}
        variables = {
            "OTEL_TRACES_SAMPLER_ARG": str(options["rate"]),
            "OTEL_PYTHON_EXCLUDED_URLS": str(options["excluded"]),
        }
        yield Case(f"{way}: opentelemetry-distro", files, theirs, {**distro, **variables, **off})
        config = FASTAPI_CONFIG.format(**options, port=port)
        yield Case(f"{way}: bentotrace", {**files, "tracing.yaml": config}, ours, off)


def cpu_seconds(process: psutil.Process) -> float:
    """Give the CPU time that a process has used."""
    if sys.platform == "linux":
        # As clock_getcpuclockid(3) numbers it; what psutil reads goes in steps of 10 ms.
        return time.clock_gettime(~process.pid << 3 | 2)
    return sum(process.cpu_times()[:2])


def program(name: str) -> str:
    """Give the path of a command of this Python's."""
    return str(Path(sys.executable).with_name(name))


def start(case: Case, directory: Path) -> Server:
    """Serve a case."""
    for name, content in case.files.items():
        (directory / name).write_text(content, "utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [*case.command, "--port", str(port)],
        cwd=directory,
        stdout=(directory / "serve.log").open("wb"),
        stderr=subprocess.STDOUT,
        env={**os.environ, "BENTOML_HOME": str(directory), **case.variables},
    )
    deadline = time.monotonic() + START_TIMEOUT
    while not is_ready(port):
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit((directory / "serve.log").read_text("utf-8"))
        time.sleep(0.1)
    return Server(case, process, port)


def is_ready(port: int) -> bool:
    """Tell whether a service answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def show(cases: Sequence[Case], measured: Sequence[Measured]) -> None:
    """Print the table."""
    print("| case | p50 ms | p99 ms | requests/s | CPU µs per request | bentotrace / other |")
    print("| --- | --- | --- | --- | --- | --- |")
    for number, (case, of_case) in enumerate(zip(cases, measured, strict=True)):
        latencies = sorted(of_case.latencies)
        p50, p99 = statistics.median(latencies), latencies[int(len(latencies) * 0.99)]
        rate = len(latencies) / sum(latencies)
        cpu = statistics.mean(turn for turns in of_case.turns for turn in turns)
        ratio = f" {compare(measured[number - 1], of_case)}" if number % 2 else ""
        figures = f"{p50 * 1e3:.2f} | {p99 * 1e3:.2f} | {rate:.0f} | {cpu * 1e6:.0f}"
        print(f"| {case.name} | {figures} |{ratio} |")


def compare(theirs: Measured, ours: Measured) -> str:
    """Give the median of the starts' ratios, and the lowest and the highest."""
    ratios = [
        statistics.median(b / a for a, b in zip(*turns, strict=True))
        for turns in zip(theirs.turns, ours.turns, strict=True)
    ]
    return f"{statistics.median(ratios):.3f} ({min(ratios):.2f} to {max(ratios):.2f})"


def measure(
    cases: Sequence[Case], measured: Sequence[Measured], rounds: int, requests: int, order: Random
) -> None:
    """Start the cases of a service, and ask them in turns."""
    servers: list[Server] = []
    with tempfile.TemporaryDirectory() as directory:
        try:
            for number, case in enumerate(cases):
                home = Path(directory, str(number))
                home.mkdir()
                servers.append(start(case, home))
                servers[-1].ask(requests, Measured(turns=[[]]))
                measured[number].turns.append([])
            each = list(zip(servers, measured, strict=True))
            pairs = list(zip(each[::2], each[1::2], strict=True))
            # In any order, since what was asked before leaves the caches to the next.
            for _ in range(rounds):
                for pair in order.sample(pairs, len(pairs)):
                    for server, of_case in order.sample(pair, 2):
                        server.ask(requests, of_case)
        finally:
            for server in servers:
                server.process.send_signal(signal.SIGTERM)
            for server in servers:
                server.process.wait(60)


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=1, help="starts of every case")
    parser.add_argument("--rounds", type=int, default=20, help="turns of every case in a start")
    parser.add_argument("--requests", type=int, default=100, help="requests in a turn")
    options = parser.parse_args()
    receiver = Receiver.start("http")
    order = Random(options.rounds)
    for list_cases in (bentoml_cases, fastapi_cases):
        cases = list(list_cases(receiver.port))
        measured = [Measured() for _ in cases]
        for _ in range(options.starts):
            measure(cases, measured, options.rounds, options.requests, order)
        show(cases, measured)
        print()
    receiver.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
