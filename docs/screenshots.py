"""Take the pictures of docs/ui.md: start the viewer, send it the spans of a shop, open each view.

``python docs/screenshots.py [DIRECTORY]`` needs
``pip install 'bentotrace[bentoml,ui]' scikit-learn playwright pillow`` and Chromium
(``tests/ui/install``). Without a directory it writes the ones that the docs show. README has the
one of the service in ``examples/iris``, which sends over UDP to Jaeger's usual port.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from bentotrace.ui.query import parse_query
from bentotrace.ui.search import find_traces
from bentotrace.ui.server import PORTS, Settings, Viewer

IMAGES = Path(__file__).parent / "images"
IRIS = Path(__file__).parents[1] / "examples" / "iris"
MS = 10**6
SIZES = {"wide": (1440, 900), "phone": (390, 844)}
KEPT = ("traces-wide-light", "trace-wide-light", "trace-wide-dark", "compare-wide-light")
KEPT += ("iris-wide-light", "services-wide-light", "flame-wide-dark", "trace-phone-light")


class Shop:
    """Makes traces of some services, the same ones at every run.

    Attributes:
        requests: the spans of each service, in OTLP's JSON.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.spans: dict[str, list[dict[str, Any]]] = {}

    def span(
        self,
        trace: str,
        parent: str,
        service: str,
        name: str,
        start: float,
        milliseconds: float,
        kind: int = 1,
        error: str = "",
        **attributes: Any,
    ) -> str:
        """Add a span; return its id."""
        span_id = f"{self._random.getrandbits(64):016x}"
        values = {key.replace("__", "."): value for key, value in attributes.items()}
        span: dict[str, Any] = {
            "traceId": trace,
            "spanId": span_id,
            "parentSpanId": parent,
            "name": name,
            "kind": kind,
            "startTimeUnixNano": str(int(start * MS)),
            "endTimeUnixNano": str(int((start + milliseconds) * MS)),
            "attributes": [_attribute(key, value) for key, value in values.items()],
        }
        if error:
            span["status"] = {"code": 2, "message": error}
            span["events"] = [
                {
                    "timeUnixNano": span["endTimeUnixNano"],
                    "name": "exception",
                    "attributes": [
                        _attribute("exception.type", error.partition(":")[0]),
                        _attribute("exception.message", error.partition(": ")[2]),
                    ],
                }
            ]
        self.spans.setdefault(service, []).append(span)
        return span_id

    def checkout(self, start: float, fails: bool = False, slow: float = 1.0) -> str:
        """Add a trace of a checkout that starts at a time in milliseconds; return its id."""
        trace = f"{self._random.getrandbits(128):032x}"
        spread = self._random.lognormvariate
        payment = 90 * spread(0, 0.4) * slow
        queries = 12 if slow > 1 else 5
        stock = 8 + queries * 7.2
        total = 24 + stock + payment + 40
        root = self.span(
            trace, "", "web", "POST /checkout", start, total, 2, "", http__request__method="POST",
            http__route="/checkout", http__response__status_code=502 if fails else 200,
            user__id=f"u-{self._random.randrange(900)}", url__path="/checkout",
        )  # fmt: skip
        call = self.span(trace, root, "web", "POST", start + 3, total - 5, 3)
        api = self.span(trace, call, "checkout", "POST /orders", start + 6, total - 11, 2)
        self.span(trace, api, "checkout", "validate cart", start + 8, 6)
        call = self.span(trace, api, "checkout", "GET", start + 16, stock + 4, 3)
        server = self.span(trace, call, "inventory", "GET /stock", start + 18, stock, 2)
        for number in range(queries):
            self.span(
                trace, server, "inventory", "SELECT stock", start + 22 + number * 7.2, 6.1, 3,
                db__system="postgresql", db__query__text="SELECT n FROM stock WHERE sku = $1",
            )  # fmt: skip
        begin = start + 24 + stock
        call = self.span(
            trace, api, "checkout", "payments.Charge/Create", begin, payment, 3,
            "UNAVAILABLE: the bank did not answer" if fails else "", rpc__system="grpc",
        )  # fmt: skip
        charge = self.span(
            trace, call, "payments", "payments.Charge/Create", begin + 2, payment - 4, 2,
            "TimeoutError: no response within 80 ms" if fails else "", rpc__system="grpc",
        )  # fmt: skip
        self.span(trace, charge, "payments", "score risk", begin + 4, 11, model="risk-7")
        self.span(
            trace, charge, "bank", "POST /authorize", begin + 17, max(payment - 24, 4), 2,
            "HTTP 504: gateway timeout" if fails else "", net__peer__name="bank.example",
        )  # fmt: skip
        if not fails:
            sent = self.span(trace, api, "checkout", "orders publish", begin + payment + 2, 4, 4)
            self.span(trace, sent, "mailer", "orders process", begin + payment + 7, 24, 5)
        self.span(
            trace,
            api,
            "checkout",
            "INSERT order",
            begin + payment + 7,
            12,
            3,
            db__system="postgresql",
        )
        return trace

    def classify(self, start: float) -> None:
        """Add a small trace of the guide's service."""
        trace = f"{self._random.getrandbits(128):032x}"
        took = 9 * self._random.lognormvariate(0, 0.6)
        root = self.span(
            trace, "", "iris", "POST /classify", start, took, 2, http__route="/classify"
        )
        self.span(
            trace, root, "iris", "predict", start + took * 0.2, took * 0.7, species="versicolor"
        )

    def document(self) -> bytes:
        """Return a request in OTLP's JSON."""
        return json.dumps(
            {
                "resourceSpans": [
                    {
                        "resource": {
                            "attributes": [
                                _attribute("service.name", service),
                                _attribute("service.version", "2.4.1"),
                                _attribute("deployment.environment.name", "staging"),
                            ]
                        },
                        "scopeSpans": [{"scope": {"name": "shop", "version": "1"}, "spans": spans}],
                    }
                    for service, spans in self.spans.items()
                ]
            }
        ).encode()


def _attribute(key: str, value: Any) -> dict[str, Any]:
    kind = {bool: "boolValue", int: "intValue", float: "doubleValue"}.get(
        type(value), "stringValue"
    )
    return {"key": key, "value": {kind: value}}


def fill(viewer: Viewer) -> tuple[str, str]:
    """Send an hour of traces; return the ids of a usual and of a slow one."""
    shop = Shop(7)
    now = time.time() * 1000
    numbers = random.Random(3)
    for _ in range(60):
        shop.classify(now - numbers.random() * 3.6e6)
    for _ in range(70):
        shop.checkout(now - numbers.random() * 3.6e6, numbers.random() < 0.08)
    usual = shop.checkout(now - 9000)
    slow = shop.checkout(now - 4000, slow=2.6)
    shop.checkout(now - 2000, fails=True)
    request = urllib.request.Request(
        f"http://127.0.0.1:{viewer.port('otlp_http')}/v1/traces",
        shop.document(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:
        response.read()
    return usual, slow


def classify(viewer: Viewer) -> str:
    """Serve the iris example with its own file, ask it; return the trace's id."""
    (problem,) = (item.problem for item in viewer.listeners if item.name == "jaeger_udp")
    if problem:
        raise SystemExit(f"UDP port 6831 is not available: {problem}")
    bentoml = Path(sys.executable).with_name("bentoml")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    body = json.dumps({"flowers": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.8, 2.2]]}).encode()
    with subprocess.Popen(
        [bentoml, "serve", "service:IrisClassifier", "--port", str(number)],
        cwd=IRIS,
        env={**os.environ, "BENTOTRACE_CONFIG": "tracing.yaml"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as service:
        try:
            for _ in range(600):
                time.sleep(0.1)
                request = urllib.request.Request(
                    f"http://127.0.0.1:{number}/classify",
                    body,
                    {"Content-Type": "application/json"},
                )
                with suppress(OSError), urllib.request.urlopen(request) as response:
                    response.read()
                found = find_traces(viewer.store, parse_query("operation:predict")).traces
                # The first request also loads things: a later one is what a user sees.
                if len(found) > 5:
                    return found[0].trace_id
        finally:
            service.terminate()
    raise SystemExit("the trace of the iris service did not arrive")


@contextmanager
def browser() -> Iterator[Any]:
    """Start Chromium without a window."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("Chromium is not installed; run tests/ui/install")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "directory", nargs="?", type=Path, help="write the pictures of all views here"
    )
    directory = parser.parse_args().directory
    target = directory or IMAGES
    target.mkdir(parents=True, exist_ok=True)
    free = dict.fromkeys(PORTS, 0)
    usual_port = {**free, "jaeger_udp": PORTS["jaeger_udp"].default}
    with (
        Viewer(Settings(ports=free)) as viewer,
        Viewer(Settings(ports=usual_port)) as iris_viewer,
        browser() as started,
    ):
        url = viewer.url

        def take(page: Page, name: str) -> None:
            if directory is None and name not in KEPT:
                return
            page.wait_for_timeout(250)
            picture = Image.open(io.BytesIO(page.screenshot()))
            picture = picture.convert("RGB").quantize(256, kmeans=1, dither=Image.Dither.NONE)
            picture.save(target / f"{name}.png", optimize=True)

        pages = {}
        for size, (width, height) in SIZES.items():
            for theme in ("light", "dark"):
                page = started.new_page(
                    viewport={"width": width, "height": height}, color_scheme=theme
                )
                pages[f"{size}-{theme}"] = page
                page.goto(url)
                page.get_by_text("Nothing has arrived yet").wait_for()
                take(page, f"empty-{size}-{theme}")
        iris = classify(iris_viewer)
        for suffix, page in pages.items():
            page.goto(f"{iris_viewer.url}?trace={iris}")
            page.locator("aside h2").wait_for()
            page.keyboard.press("ArrowDown")
            take(page, f"iris-{suffix}")
        usual, slow = fill(viewer)
        for suffix, page in pages.items():
            for view, (path, ready, act) in views(usual, slow).items():
                page.goto(url + path)
                page.locator(ready).first.wait_for()
                if act is not None:
                    act(page)
                take(page, f"{view}-{suffix}")


def views(usual: str, slow: str) -> dict[str, tuple[str, str, Callable[[Page], object] | None]]:
    """Return each view's address, what shows that it is there, and what is done first."""
    return {
        "traces": ("", "a.trace", None),
        "search": (
            "?q=service%3Apayments",
            "a.trace",
            lambda page: [
                page.keyboard.press("/"),
                page.keyboard.press("End"),
                page.keyboard.type(" http.r"),
            ],
        ),
        "trace": (
            f"?trace={slow}",
            "aside h2",
            lambda page: [page.keyboard.press("ArrowDown") for _ in range(8)],
        ),
        "flame": (f"?trace={slow}&view=flame", ".flame", None),
        "operations": (f"?trace={slow}&view=operations", "tbody tr", None),
        "compare": (f"?compare={usual}&with={slow}", "tbody tr", None),
        "services": ("?services=", ".graph svg", None),
    }


if __name__ == "__main__":
    main()
