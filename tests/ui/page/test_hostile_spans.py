from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bentotrace.ui.page_file import write_page
from bentotrace.ui.server import Viewer

expect = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser").expect
Send = Callable[..., None]
MakeSpan = Callable[..., dict[str, Any]]
TRACE = f"{1:032x}"
MARKUP = "</script><script>alert(1)</script><img src=x onerror=alert(2)><!--"
TEXTS = [
    MARKUP,
    "javascript:alert(3)",
    "data:text/html,<script>alert(4)</script>",
    '"><svg onload=alert(5)>',
    "\u202egpj.exe\u202c",
    "a\u0000b\u001b[31mc\u200bd\ufeff",
    "{{7*7}} ${7*7} `x`",
    "]]></style><style>*{display:none}</style>",
    "\ud800".encode("utf-8", "replace").decode(),
]
VIEWS = ["", f"?trace={TRACE}", f"?trace={TRACE}&view=flame", f"?trace={TRACE}&view=operations"]
VIEWS += ["?services=", f"?compare={TRACE}&with={TRACE}", f"?compare={TRACE}"]


@pytest.fixture
def hostile(send: Send, make_span: MakeSpan) -> None:
    """A trace with such a text in every place that a span has."""
    for number, text in enumerate(TEXTS, 1):
        attributes = {
            text: text,
            f"list{number}": {"arrayValue": {"values": [{"stringValue": text}]}},
        }
        pairs = [{"key": text, "value": {"stringValue": text}}]
        span = make_span(1, number, text, number, 100 - number, number - 1, True, attributes)
        span["status"]["message"] = text
        span["traceState"] = text
        span["events"] = [
            {"name": text, "timeUnixNano": span["startTimeUnixNano"], "attributes": pairs}
        ]
        span["links"] = [{"traceId": TRACE, "spanId": f"{1:016x}", "attributes": pairs}]
        send(span, service=text, **{text: text})


def check_inert(page: Any) -> None:
    """The page has no element or address that is not its own."""
    assert page.locator("main :is(script, img, iframe, object, style, form)").count() == 0
    assert page.locator("[onload], [onerror], [onclick]").count() == 0
    addresses = page.locator("a[href]").evaluate_all("links => links.map(link => link.protocol)")
    assert set(addresses) <= {"http:", "file:"}
    shown = page.locator("main").inner_text()
    for character in "\u202e\u200b\ufeff\u0000\u001b":
        assert character not in shown


@pytest.mark.parametrize("view", VIEWS)
def test_texts_of_spans_are_shown_as_text(
    view: str, hostile: None, viewer: Viewer, open_page: Callable[..., Any]
) -> None:
    page = open_page(viewer.url + view)
    shown = page.locator("main").get_by_text("<img src=x onerror=alert(2)>")
    shown.locator("visible=true").first.wait_for()
    check_inert(page)


def test_every_span_is_shown_inert_in_the_panel(
    hostile: None, viewer: Viewer, open_page: Callable[..., Any]
) -> None:
    page = open_page(f"{viewer.url}?trace={TRACE}")
    page.locator(".row").nth(len(TEXTS) - 1).wait_for()
    for number in range(1, len(TEXTS) + 1):
        page.locator("aside", has_text=f"{number:016x}").wait_for()
        check_inert(page)
        page.keyboard.press("ArrowDown")
    assert r"\u202egpj.exe\u202c" in page.locator(".row").nth(4).inner_text()


def test_the_search_field_completes_hostile_words_as_text(
    hostile: None, viewer: Viewer, open_page: Callable[..., Any]
) -> None:
    page = open_page(viewer.url)
    field = page.get_by_role("combobox", name="Search traces")
    field.press_sequentially("service:")
    page.get_by_role("option", name="onerror=alert(2)").click()
    field.press("Enter")
    expect(page.locator("a.trace")).to_have_count(1)
    check_inert(page)


def test_a_file_of_hostile_spans_is_inert(
    hostile: None, viewer: Viewer, open_page: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "trace.html"
    file.write_text(write_page(viewer.store, TRACE), "utf-8")
    page = open_page(file.as_uri())
    page.locator(".row").nth(len(TEXTS) - 1).wait_for()
    for _ in TEXTS:
        page.keyboard.press("ArrowDown")
    page.locator("aside", has_text=f"{len(TEXTS):016x}").wait_for()
    assert page.locator("script").count() == 2
    check_inert(page)


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {"stringValue": "bottom"}
    for _ in range(depth):
        value = {"kvlistValue": {"values": [{"key": "k", "value": value}]}}
    return value


def test_huge_and_deep_values_do_not_slow_the_page(
    viewer: Viewer, send: Send, make_span: MakeSpan, open_page: Callable[..., Any]
) -> None:
    numbers = {"arrayValue": {"values": [{"intValue": str(number)} for number in range(100_000)]}}
    attributes = {"huge": "x" * 10_000_000, "deep": nested(200), "many": numbers}
    send(make_span(1, 1, "n" * 100_000, attributes=attributes), service="s" * 100_000)
    page = open_page(viewer.url)
    page.locator("a.trace").click()
    page.locator("aside", has_text="(10000000 characters)").wait_for()
    assert len(page.locator("body").inner_text()) < 150_000
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download with complete values").click()
    whole = json.loads(Path(waiting.value.path()).read_text())
    assert len(whole["attributes"]["huge"]) == 10_000_000
    assert len(whole["attributes"]["many"]) == 100_000


def test_a_thousand_levels_of_children_are_shown(
    viewer: Viewer, send: Send, make_span: MakeSpan, open_page: Callable[..., Any]
) -> None:
    send(*(make_span(1, n, f"level {n}", n / 100, 100 - n / 50, n - 1) for n in range(1, 3001)))
    page = open_page(f"{viewer.url}?trace={TRACE}")
    page.locator(".row").first.wait_for()
    page.keyboard.press("End")
    page.locator(".row", has_text="level 3000").wait_for()
    for view in ("2", "3"):
        page.keyboard.press(view)
        page.locator(".flame, .sortable").first.wait_for()
    page.goto(f"{viewer.url}?compare={TRACE}&with={TRACE}")
    page.get_by_role("heading", name="Comparison").wait_for()


def test_spans_that_are_their_own_ancestors_are_shown(
    viewer: Viewer, send: Send, make_span: MakeSpan, open_page: Callable[..., Any]
) -> None:
    send(
        make_span(1, 1, "one", 0, 5, parent=2),
        make_span(1, 2, "two", 1, 5, parent=1),
        make_span(1, 3, "itself", 2, 5, parent=3),
        make_span(1, 4, "lost", 3, 5, parent=99),
    )
    page = open_page(f"{viewer.url}?trace={TRACE}")
    expect(page.locator(".row")).to_have_count(4)


@pytest.fixture
def policy(viewer: Viewer, request_path: Callable[..., Any]) -> str:
    headers: dict[str, str] = request_path(viewer.port("page"), "/")[1]
    return headers["content-security-policy"]


def test_the_policy_admits_nothing_but_the_page_itself(policy: str) -> None:
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives.pop("default-src") == "'none'"
    assert set(directives.values()) == {"'self'", "'none'"}
