"""What tracing costs a request of a BentoML service, ours beside BentoML's own.

Every case is a ``bentoml serve`` with one worker; all run at once, and are asked in turns, so that
what else the machine does falls on all alike. One connection asks one request after another: its
latencies, and the requests per second and the CPU time of the worker that follow. Run it as
``python benchmarks/request.py`` where bentoml 1.4, psutil (which it brings) and
``opentelemetry-exporter-otlp-proto-http`` are installed; without the last, BentoML's own tracing is
not measured.
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
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import psutil
from attrs import define, field
from receivers import Receiver

SERVICE = """\
import bentoml
{install}

@bentoml.service(workers=1, logging={{"access": {{"enabled": False}}}})
class Iris:
    @bentoml.api
    async def classify(self, petal: float) -> str:
        return "setosa" if petal < 2 else "virginica"
"""
OURS = "import bentotrace.integrations.bentoml as tracing; tracing.install()"

CONFIG = """\
services:
  tracing:
    exporter_type: otlp
    sample_rate: {rate}
    excluded_urls: {excluded}
    otlp: {{protocol: http, endpoint: "http://127.0.0.1:{port}/v1/traces"}}
"""

START_TIMEOUT = 120.0


@define
class Case:
    """A service with one way of tracing."""

    name: str
    install: str
    config: str
    variables: Mapping[str, str] = field(factory=dict)


@define
class Server:
    """A running case, and what was measured of it."""

    case: Case
    process: subprocess.Popen[bytes]
    port: int
    latencies: list[float] = field(factory=list)
    cpu: float = 0.0

    @property
    def worker(self) -> psutil.Process:
        """The process that answers."""
        (worker,) = psutil.Process(self.process.pid).children()
        return worker

    def ask(self, requests: int) -> None:
        """Measure so many requests."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Content-Type": "application/json"}
        worker = self.worker
        before = sum(worker.cpu_times()[:2])
        for _ in range(requests):
            started = time.perf_counter()
            connection.request("POST", "/classify", '{"petal": 1.0}', headers)
            answer = connection.getresponse()
            answer.read()
            self.latencies.append(time.perf_counter() - started)
            assert answer.status == 200
        self.cpu += sum(worker.cpu_times()[:2]) - before
        connection.close()


def cases(port: int) -> list[Case]:
    """List what is compared."""
    ways = {
        "unsampled": CONFIG.format(rate=0.0, excluded="other", port=port),
        "excluded": CONFIG.format(rate=1.0, excluded="classify", port=port),
        "sampled": CONFIG.format(rate=1.0, excluded="other", port=port),
    }
    found = [Case("none: bentoml, nothing configured", "", "services: {}\n")]
    if find_spec("opentelemetry.exporter.otlp.proto.http"):
        found += [Case(f"{way}: bentoml", "", config) for way, config in ways.items()]
    off = {"OTEL_SDK_DISABLED": "true"}
    found += [Case("off: bentotrace", OURS, ways["sampled"], off)]
    found += [Case(f"{way}: bentotrace", OURS, config) for way, config in ways.items()]
    return found


def start(case: Case, directory: Path) -> Server:
    """Serve a case."""
    (directory / "service.py").write_text(SERVICE.format(install=case.install), "utf-8")
    (directory / "bentoml.yaml").write_text(case.config, "utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("bentoml")), "serve", "service:Iris"]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        cwd=directory,
        stdout=(directory / "serve.log").open("wb"),
        stderr=subprocess.STDOUT,
        env={
            **os.environ,
            "BENTOML_CONFIG": "bentoml.yaml",
            "BENTOML_DO_NOT_TRACK": "True",
            "BENTOML_HOME": str(directory),
            **case.variables,
        },
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


def show(servers: list[Server]) -> None:
    """Print the table."""
    print("| case | p50 ms | p99 ms | requests/s | CPU µs per request |")
    print("| --- | --- | --- | --- | --- |")
    for server in servers:
        latencies = sorted(server.latencies)
        p50, p99 = statistics.median(latencies), latencies[int(len(latencies) * 0.99)]
        rate, cpu = len(latencies) / sum(latencies), server.cpu / len(latencies)
        name = server.case.name
        print(f"| {name} | {p50 * 1e3:.2f} | {p99 * 1e3:.2f} | {rate:.0f} | {cpu * 1e6:.0f} |")


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="turns of every case")
    parser.add_argument("--requests", type=int, default=200, help="requests in a turn")
    options = parser.parse_args()
    receiver = Receiver.start("http")
    servers: list[Server] = []
    with tempfile.TemporaryDirectory() as directory:
        try:
            for number, case in enumerate(cases(receiver.port)):
                home = Path(directory, str(number))
                home.mkdir()
                servers.append(start(case, home))
                servers[-1].ask(options.requests)
                servers[-1].latencies.clear()
                servers[-1].cpu = 0.0
            for _ in range(options.rounds):
                for server in servers:
                    server.ask(options.requests)
            show(servers)
        finally:
            for server in servers:
                server.process.send_signal(signal.SIGTERM)
            for server in servers:
                server.process.wait(60)
    receiver.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
