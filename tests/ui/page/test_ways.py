from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from bentotrace.ui.server import Viewer

expect = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser").expect
Send = Callable[..., None]
MakeSpan = Callable[..., dict[str, Any]]


def test_back_leads_to_the_row_that_was_opened(page: Any, send: Send, make_span: MakeSpan) -> None:
    send(*(make_span(number, number, f"span-{number}", number) for number in range(1, 251)))
    expect(page.locator("a.trace")).to_have_count(100)
    page.get_by_role("button", name="Show more").click()
    expect(page.locator("a.trace")).to_have_count(250)
    link = page.locator("a.trace", has_text="span-40")
    link.scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    assert before > 1000
    link.click()
    page.locator("aside h2").wait_for()
    page.keyboard.press("Escape")
    expect(link).to_be_focused()
    assert abs(page.evaluate("scrollY") - before) < 200
    page.keyboard.press("j")
    expect(page.locator("a.trace", has_text="span-39")).to_be_focused()


def test_escape_stays_in_the_viewer(
    viewer: Viewer, open_page: Callable[..., Any], send: Send, make_span: MakeSpan
) -> None:
    send(make_span(1, 1, "GET /classify"))
    page = open_page(f"{viewer.url}static/icon.svg", expected="404 (Not Found)")
    page.goto(f"{viewer.url}?trace={1:032x}")
    page.locator("aside h2").wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    page.locator("a.trace").wait_for()
    assert page.url == viewer.url


def test_escape_closes_an_open_menu_first(page: Any, send: Send, make_span: MakeSpan) -> None:
    send(make_span(1, 1, "GET /classify"))
    page.locator("a.trace").click()
    page.locator("summary", has_text="Share").click()
    item = page.get_by_role("button", name="Copy as Markdown")
    item.wait_for()
    page.keyboard.press("Escape")
    expect(item).to_be_hidden()
    expect(page.locator("summary", has_text="Share")).to_be_focused()
    page.keyboard.press("Escape")
    page.locator("a.trace").wait_for()


def test_a_viewer_that_has_stopped_is_named_wherever_it_is_needed(
    viewer: Viewer, open_page: Callable[..., Any], send: Send, make_span: MakeSpan
) -> None:
    send(make_span(1, 1, "root", 0, 50), make_span(1, 2, "child", 5, 5, parent=1))
    page = open_page(f"{viewer.url}?trace={1:032x}", expected="ERR_CONNECTION_REFUSED")
    page.locator("aside h2", has_text="root").wait_for()
    viewer.close()
    stopped = "The viewer does not respond"
    page.locator("live-status.lost").wait_for()
    page.locator(".row", has_text="child").click()
    expect(page.locator("aside h2")).to_have_text("child")
    expect(page.locator("aside .errors")).to_contain_text(stopped)
    page.keyboard.press("/")
    page.keyboard.type("http.route")
    expect(page.locator(".tools-bar .note")).to_contain_text(
        f"attributes were not searched: {stopped}"
    )
    page.locator("summary", has_text="Share").click()
    for title in ("Copy as JSON", "Download as OTLP JSON"):
        page.get_by_role("button", name=title).click()
        expect(page.get_by_role("button", name=stopped)).to_be_visible()
        expect(page.get_by_role("button", name=title)).to_be_visible()
    page.get_by_role("link", name="Compare with another").click()
    page.get_by_role("heading", name="This view cannot be shown").wait_for()
    page.go_back()
    page.get_by_role("heading", name="The trace cannot be shown").wait_for()


def test_an_attribute_with_a_colon_is_explained(
    viewer: Viewer, open_page: Callable[..., Any], send: Send, make_span: MakeSpan
) -> None:
    send(make_span(1, 1, "GET /classify", attributes={"http.route": "/classify"}))
    page = open_page(f"{viewer.url}?q=service%3Airis+http.route%3Aclassify.py")
    page.get_by_text("write = instead of the colon").wait_for()
    page.get_by_role("link", name="http.route=classify.py").click()
    page.get_by_text("No trace matches").wait_for()
    assert parse_qs(urlsplit(page.url).query)["q"] == ["service:iris http.route=classify.py"]
    assert page.get_by_text("instead of the colon").count() == 0


def test_a_part_of_the_plot_has_the_traces_that_it_shows(
    page: Any, send: Send, make_span: MakeSpan
) -> None:
    for number in (1, 2, 3):
        send(
            make_span(number, 10 * number, f"slow-{number}", number * 1000, 900),
            make_span(number, 10 * number + 1, "call", number * 1000, 3, parent=10 * number),
            make_span(number + 3, 10 * number + 2, f"fast-{number}", number * 1000 + 9, 3),
        )
    expect(page.locator(".scatter circle")).to_have_count(6)
    box = page.locator(".scatter").bounding_box()
    # The lower part: the fast traces, though the slow ones have fast spans.
    page.mouse.move(box["x"] + 53, box["y"] + box["height"] * 0.5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 1, box["y"] + box["height"] - 1, steps=4)
    page.mouse.up()
    expect(page.locator("a.trace .name")).to_have_text([f"iris fast-{n}" for n in (3, 2, 1)])


def test_the_next_match_shows_its_place(page: Any, send: Send, make_span: MakeSpan) -> None:
    send(*(make_span(1, number, f"step-{number}", number) for number in range(1, 5)))
    page.locator("a.trace").click()
    page.locator("aside h2").wait_for()
    page.keyboard.press("/")
    page.keyboard.type("step")
    found = page.locator(".tools-bar .note")
    expect(found).to_have_text("4 spans")
    page.keyboard.press("Enter")
    expect(found).to_have_text("2 of 4 spans")
    page.keyboard.press("Shift+Enter")
    expect(found).to_have_text("1 of 4 spans")
