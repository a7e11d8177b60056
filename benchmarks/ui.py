"""The promises of ``bentotrace ui``, measured: its start, spans received over OTLP, searches.

The viewer runs as the command does, in a process of its own; memory is that process's resident
memory. The real Jaeger gets the same spans in turns, if ``tests/e2e/servers/install`` has built it.
The table is that of ``docs/benchmarks.md``. The exit code is 1 if a goal is missed that does not
depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import http.client
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import bentotrace.ui

ROOT = Path(__file__).parents[1]
WEB = Path(bentotrace.ui.__file__).parent / "web"
BATCH = 512
SPANS_OF_A_TRACE = 8
MEMORY_AT = 100_000
COMPARED = 200_000
INGESTION = "OTLP over HTTP"
PAGE = "from the command to the page's first byte"
ROW = "from the command to the first row, painted by Chromium"
LOAD_DEPENDENT = {INGESTION, PAGE, ROW}
OPTIONS = (
    "port",
    "otlp-http-port",
    "otlp-grpc-port",
    "jaeger-grpc-port",
    "jaeger-http-port",
    "jaeger-udp-port",
    "jaeger-udp-binary-port",
    "zipkin-port",
)
SEARCHES = (
    "",
    "service:service-3",
    'operation:"GET /items/7"',
    "service:service-3 status:error",
    "http.status_code=500",
    "user.id=12345",
    "bytes>511",
    "duration>900ms",
    "duration>999ms",
    "duration>900ms user.id=12345",
    "items",
    "absent",
)


def make_body(first: int, now: int, numbers: random.Random) -> bytes:
    """Return a request of 512 spans with nine attributes each."""
    request = ExportTraceServiceRequest()
    for service in range(4):
        resource_spans = request.resource_spans.add()
        pair = resource_spans.resource.attributes.add(key="service.name")
        pair.value.string_value = f"service-{service}"
        scope = resource_spans.scope_spans.add()
        scope.scope.name = "benchmark"
        for index in range(BATCH // 4):
            trace = (first + service * BATCH // 4 + index) // SPANS_OF_A_TRACE
            span = scope.spans.add()
            span.trace_id = (trace + 1).to_bytes(16, "big")
            span.span_id = numbers.randbytes(8)
            if index % SPANS_OF_A_TRACE:
                span.parent_span_id = numbers.randbytes(8)
            span.name = f"GET /items/{numbers.randrange(50)}"
            span.kind = 2
            span.start_time_unix_nano = now + (first + index) * 1000
            span.end_time_unix_nano = span.start_time_unix_nano + numbers.randrange(10**9)
            span.status.code = 2 if numbers.random() < 0.01 else 0
            texts = {
                "http.method": "GET",
                "http.route": span.name[4:],
                "http.scheme": "http",
                "net.host.name": "localhost",
                "user.id": str(numbers.randrange(100_000)),
                "user_agent": "Mozilla/5.0 (X11; Linux x86_64)",
                "client.address": f"10.0.0.{numbers.randrange(255)}",
            }
            for key, value in texts.items():
                span.attributes.add(key=key).value.string_value = value
            counts = {
                "http.status_code": 500 if span.status.code else 200,
                "bytes": 512,
                "port": 80,
            }
            for key, count in counts.items():
                span.attributes.add(key=key).value.int_value = count
    return request.SerializeToString()


class Figures:
    """The rows of the table, and whether each goal is met."""

    def __init__(self) -> None:
        self.missed: list[str] = []
        print("| figure | measured | goal | |\n| --- | --- | --- | --- |")

    def add(
        self,
        title: str,
        value: float,
        unit: str,
        most: float | None = None,
        least: float | None = None,
    ) -> None:
        """Print a row."""
        met = (most is None or value <= most) and (least is None or value >= least)
        goal = f"<= {_text(most)} {unit}" if most is not None else ""
        goal = f">= {_text(least)} {unit}" if least is not None else goal
        print(
            f"| {title} | {_text(value)} {unit} | {goal} | {'' if met else 'missed'} |", flush=True
        )
        if not met:
            self.missed.append(title)


def _text(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


class Viewer:
    """A viewer that runs as the command does, and its ports."""

    def __init__(self, store: Path, most: int) -> None:
        script = "import sys; from bentotrace.cli import main; sys.exit(main())"
        ports = [word for option in OPTIONS for word in (f"--{option}", "0")]
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-c", script, "ui", "--no-open"),
                *("--store", store, "--max-spans", str(most), *ports),
            ],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self.ports: dict[str, int] = {}
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("open "):
                break
            number, title = line.split(maxsplit=1)
            self.ports["page" if title.startswith("page") else title.strip()] = int(number)

    def __enter__(self) -> Viewer:
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.terminate()
        self.process.wait(30)

    def cpu_seconds(self) -> float:
        """Return the CPU time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def megabytes(self) -> float:
        """Return the resident memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def get(self, path: str) -> bytes:
        """Get a path of the page's port."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["page"], timeout=60)
        connection.request("GET", path)
        body = connection.getresponse().read()
        connection.close()
        return body


def send(port: int, bodies: list[bytes]) -> None:
    """Send requests on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Content-Type": "application/x-protobuf"}
    for body in bodies:
        connection.request("POST", "/v1/traces", body, headers)
        response = connection.getresponse()
        response.read()
        assert response.status == 200, response.status
    connection.close()


def send_all(port: int, parts: list[list[bytes]]) -> float:
    """Send each part on a connection of its own, all at one time; return the seconds."""
    threads = [threading.Thread(target=send, args=(port, part)) for part in parts]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - began


def main() -> int:
    """Measure everything; return 1 when a figure that no other load changes misses its goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--connections", type=int, default=2)
    arguments = parser.parse_args()
    figures = Figures()
    measure_size(figures)
    with tempfile.TemporaryDirectory() as directory:
        store = Path(directory) / "ui.sqlite"
        with Viewer(store, 2 * arguments.spans) as viewer:
            measure_ingestion(figures, viewer, arguments, Path(directory))
            measure_searches(figures, viewer)
            measure_trace(figures, viewer)
        size = store.stat().st_size / arguments.spans
        figures.add("the file, per span", size, "bytes")
        measure_start(figures, store, 2 * arguments.spans)
    if figures.missed:
        print("missed:", ", ".join(figures.missed))
    return int(bool(set(figures.missed) - LOAD_DEPENDENT))


def measure_size(figures: Figures) -> None:
    """Add up the files that the first view loads, as they are and as they are sent."""
    names = ["index.html"]
    for name in names:
        found = re.findall(
            r'(?:href|src)="/static/([^"]+)"|^import .*"\./([^"]+)";',
            (WEB / name).read_text(),
            re.M,
        )
        names += dict.fromkeys(one or other for one, other in found if (one or other) not in names)
    contents = [(WEB / name).read_bytes() for name in names]
    figures.add("the files of the first view", sum(map(len, contents)) / 1000, "kB", most=100)
    sent = sum(len(gzip.compress(content, 9)) for content in contents)
    figures.add("the same, as they are sent", sent / 1000, "kB", most=100)


def measure_ingestion(
    figures: Figures, viewer: Viewer, arguments: argparse.Namespace, directory: Path
) -> None:
    """Send the spans, some at a time, so that making them is not measured; Jaeger gets the same."""
    numbers, now = random.Random(1), time.time_ns() - 10**12
    elapsed, sent, before = 0.0, 0, viewer.cpu_seconds()
    compared, jaeger_elapsed = 0, 0.0
    with jaeger(directory) as jaeger_port:
        while sent < arguments.spans:
            parts = []
            for _ in range(arguments.connections):
                parts.append([make_body(sent + BATCH * i, now, numbers) for i in range(20)])
                sent += 20 * BATCH
            elapsed += send_all(viewer.ports["OTLP over HTTP"], parts)
            if sent - len(parts) * 20 * BATCH < MEMORY_AT <= sent:
                figures.add("memory (RSS) at 100,000 spans", viewer.megabytes(), "MB", most=120)
            if jaeger_port and compared < COMPARED:
                jaeger_elapsed += send_all(jaeger_port, parts)
                compared, ours = sent, elapsed
    cpu = viewer.cpu_seconds() - before
    figures.add(INGESTION, sent / elapsed, "spans/s", least=20_000)
    figures.add("CPU of the viewer per span", cpu / sent * 1e6, "µs")
    if compared:
        title = f"Jaeger all-in-one, in memory, the first {compared:,} spans"
        figures.add(title, compared / jaeger_elapsed, "spans/s")
        figures.add("the viewer's rate for them / Jaeger's", jaeger_elapsed / ours, "x")
    else:
        print("| Jaeger all-in-one | not installed: tests/e2e/servers/install jaeger | | |")
    if sent > 2 * MEMORY_AT:
        figures.add(f"memory (RSS) at {sent:,} spans", viewer.megabytes(), "MB")


@contextlib.contextmanager
def jaeger(directory: Path) -> Iterator[int]:
    """Run the real Jaeger and give its port for OTLP over HTTP, 0 where it is not installed."""
    sys.path.insert(0, str(ROOT))
    from tests.e2e.processes import INSTALL, running_jaeger

    command = ["bash", str(INSTALL), "--path", "jaeger"]
    program = Path(subprocess.check_output(command, text=True).strip())
    if not program.exists():
        yield 0
        return
    with running_jaeger(program, directory) as server:
        yield server.otlp_http


def measure_searches(figures: Figures, viewer: Viewer) -> None:
    """Search, five times each; the time is the median."""
    newest = int(json.loads(viewer.get("/ui/api/traces?limit=1"))["traces"][0]["start"])
    ranges = {"": "", " in a second of the past": f"&after={newest - 10**9}&before={newest}"}
    for query in SEARCHES:
        for title, times in ranges.items() if query == "" else [("", "")]:
            path = f"/ui/api/traces?limit=50&q={urllib.parse.quote(query)}{times}"
            taken, body = time_requests(viewer, path)
            count = len(json.loads(body)["traces"])
            name = f"`{query}`" if query else "the newest traces"
            figures.add(f"{name}{title}, {count} found", taken, "ms", most=200)
    for path in ("/api/traces?service=service-3&limit=20", "/ui/api/services"):
        figures.add(f"`{path}`", time_requests(viewer, path)[0], "ms")


def measure_trace(figures: Figures, viewer: Viewer) -> None:
    """Open a trace of 1,000 spans: our page's request, and Jaeger's."""
    numbers = random.Random(2)
    body = ExportTraceServiceRequest.FromString(make_body(0, time.time_ns(), numbers))
    second = ExportTraceServiceRequest.FromString(make_body(0, time.time_ns(), numbers))
    body.MergeFrom(second)
    spans = [
        span
        for resource_spans in body.resource_spans
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
    ]
    for span in spans:
        span.trace_id = b"\xaa" * 16
    send(viewer.ports["OTLP over HTTP"], [body.SerializeToString()])
    for path in (f"/ui/api/traces/{'aa' * 16}", f"/api/traces/{'aa' * 16}"):
        taken, response = time_requests(viewer, path)
        assert len(response) > 100 * len(spans)
        title = f"`{path.replace('aa' * 16, 'ID')}` of {len(spans):,} spans"
        figures.add(title, taken, "ms", most=200)


def time_requests(viewer: Viewer, path: str) -> tuple[float, bytes]:
    """Return the median of five requests in milliseconds, and the last response."""
    taken, body = [], b""
    for _ in range(5):
        began = time.monotonic()
        body = viewer.get(path)
        taken.append((time.monotonic() - began) * 1000)
    return statistics.median(taken), body


def measure_start(figures: Figures, store: Path, most: int) -> None:
    """Start on the full store: until the page is there, and until Chromium has painted a row."""
    taken = []
    for _ in range(3):
        with Viewer(store, most) as viewer:
            assert b"bentotrace" in viewer.get("/")
            taken.append(time.monotonic() - viewer.began)
            megabytes = viewer.megabytes()
    figures.add(PAGE, statistics.median(taken), "s", most=1)
    figures.add("memory (RSS) after the start", megabytes, "MB")
    chromium = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        chromium = None
    if chromium is None:
        print(f"| {ROW} | needs playwright, and tests/ui/install | | |")
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        taken = []
        for _ in range(3):
            page = browser.new_page()
            with Viewer(store, most) as viewer:
                page.goto(f"http://127.0.0.1:{viewer.ports['page']}/")
                page.locator("a.trace").first.wait_for()
                page.evaluate("new Promise(requestAnimationFrame)")
                taken.append(time.monotonic() - viewer.began)
            page.close()
        browser.close()
    figures.add(ROW, statistics.median(taken), "s", most=1)


if __name__ == "__main__":
    sys.exit(main())
