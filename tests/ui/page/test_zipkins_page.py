"""Zipkin's own page, from the jar of its server, shows the traces of the viewer."""

from __future__ import annotations

import io
import mimetypes
import subprocess
import threading
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bentotrace.ui.server import Viewer

INSTALL = Path(__file__).parents[2] / "e2e" / "servers" / "install"
FILES = "zipkin-lens/"


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """The files of Zipkin's page, by their paths below /zipkin/."""
    command = ["bash", str(INSTALL), "--path", "zipkin"]
    server = Path(subprocess.check_output(command, text=True).strip())
    if not server.exists():
        pytest.skip("Zipkin is missing; run tests/e2e/servers/install zipkin")
    with zipfile.ZipFile(server) as jar:
        (name,) = (name for name in jar.namelist() if "/zipkin-lens-" in name)
        with zipfile.ZipFile(io.BytesIO(jar.read(name))) as page:
            return {
                item.removeprefix(FILES): page.read(item)
                for item in page.namelist()
                if item.startswith(FILES) and not item.endswith("/")
            }


@pytest.fixture
def zipkins_page(files: dict[str, bytes], viewer: Viewer) -> Iterator[str]:
    """The address of a server of Zipkin's page, which passes its requests on to the viewer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.partition("?")[0].removeprefix("/zipkin/")
            if name.startswith("api/") or name == "config.json":
                url = f"http://127.0.0.1:{viewer.port('zipkin')}{self.path}"
                try:
                    with urllib.request.urlopen(url, timeout=20) as response:
                        self.answer(response.status, "application/json", response.read())
                except urllib.error.HTTPError as error:
                    with error:
                        self.answer(error.code, "text/plain", error.read())
            else:
                # Every address of the page that is not a file's is shown by its script.
                found = name if name in files else "index.html"
                kind = mimetypes.guess_type(found)[0] or "application/octet-stream"
                self.answer(200, kind, files[found])

        def answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/zipkin/"
        server.shutdown()
        thread.join()


@pytest.fixture
def shop(send: Callable[..., None], make_span: Callable[..., dict[str, Any]]) -> None:
    send(
        make_span(1, 1, "GET /classify", 0, 120, attributes={"http.route": "/classify"}),
        service="Iris",
    )
    send(make_span(1, 2, "SELECT flowers", 20, 40, 1, failed=True), service="store")


def test_zipkins_page_finds_and_opens_traces(
    shop: None, zipkins_page: str, open_page: Callable[..., Any]
) -> None:
    page = open_page(zipkins_page)
    page.get_by_role("button", name="Run Query").click()
    page.get_by_text("1 Result").wait_for()
    page.get_by_text("get /classify").wait_for()
    page.goto(f"{zipkins_page}?serviceName=store&annotationQuery=error&minDuration=1000")
    page.get_by_role("button", name="Run Query").click()
    page.get_by_text("1 Result").wait_for()
    page.get_by_text("Show", exact=True).click()
    page.get_by_text("select flowers").first.wait_for()
    page.get_by_text("/classify", exact=True).first.wait_for()


def test_zipkins_page_draws_the_dependencies(
    shop: None, zipkins_page: str, open_page: Callable[..., Any]
) -> None:
    page = open_page(f"{zipkins_page}dependency")
    page.get_by_role("button", name="Run Query").click()
    page.locator("canvas").first.wait_for()
