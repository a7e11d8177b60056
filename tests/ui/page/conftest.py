from __future__ import annotations

import json
import shutil
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from bentotrace.ui.server import Viewer

playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")

Send = Callable[..., None]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Debian's Chromium, without a window."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("Chromium is missing; run tests/ui/install")
    playwright_api.expect.set_options(timeout=20_000)
    with playwright_api.sync_playwright() as playwright:
        # Its sandbox does not run as root, nor in most containers.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Opens pages; a script's error, a refused policy or a request elsewhere fails the test."""
    problems: list[str] = []
    contexts = []

    def open_page(url: str, expected: str = "", **options: Any) -> Any:
        context = chromium.new_context(
            viewport=options.pop("viewport", {"width": 1440, "height": 900}), **options
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console",
            lambda message: (
                (message.type == "error" and not (expected and expected in message.text))
                and problems.append(message.text)
            ),
        )
        page.on("dialog", lambda dialog: problems.append(dialog.message) or dialog.dismiss())
        origin = "{0.scheme}://{0.netloc}/".format(urlsplit(url))
        page.on(
            "request",
            lambda request: (
                request.url.startswith((origin, "blob:", "data:")) or problems.append(request.url)
            ),
        )
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def page(viewer: Viewer, open_page: Callable[..., Any]) -> Any:
    """The viewer's page, connected."""
    page = open_page(viewer.url)
    page.locator("live-status:not(.lost)", has_text="trace").wait_for()
    return page


@pytest.fixture
def send(viewer: Viewer) -> Send:
    """Sends spans in OTLP's JSON to the viewer."""

    def send(*spans: dict[str, Any], service: str = "iris", **resource: str) -> None:
        attributes = {"service.name": service, **resource}
        document = {
            "resourceSpans": [
                {
                    "resource": {"attributes": to_attributes(attributes)},
                    "scopeSpans": [{"scope": {"name": "tests"}, "spans": spans}],
                }
            ]
        }
        request = urllib.request.Request(
            f"http://127.0.0.1:{viewer.port('otlp_http')}/v1/traces",
            json.dumps(document).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            assert json.loads(response.read()).get("partialSuccess", {}) == {}

    return send


def to_attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": value if isinstance(value, dict) else {"stringValue": value}}
        for key, value in values.items()
    ]


@pytest.fixture
def make_span() -> Callable[..., dict[str, Any]]:
    """Makes spans in OTLP's JSON; times are milliseconds after a moment that stays the same."""
    base = time.time_ns() // 10**9 * 10**9 - 60 * 10**9

    def make_span(
        trace: int,
        number: int,
        name: str,
        start: float = 0,
        took: float = 10,
        parent: int = 0,
        failed: bool = False,
        attributes: dict[str, Any] | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        return {
            "traceId": f"{trace:032x}",
            "spanId": f"{number:016x}",
            "parentSpanId": f"{parent:016x}" if parent else "",
            "name": name,
            "kind": 2,
            "startTimeUnixNano": str(base + int(start * 10**6)),
            "endTimeUnixNano": str(base + int((start + took) * 10**6)),
            "status": {"code": 2, "message": "it failed"} if failed else {},
            "attributes": to_attributes(attributes or {}),
            **more,
        }

    return make_span
