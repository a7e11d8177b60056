from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from bentotrace.ui.server import Viewer

expect = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser").expect
Send = Callable[..., None]
MakeSpan = Callable[..., dict[str, Any]]


def names(page: Any) -> list[str]:
    texts: list[str] = page.locator("a.trace .name").all_inner_texts()
    return texts


def query(page: Any) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def test_an_empty_page_shows_a_command_that_sends_a_span(page: Any) -> None:
    line = page.locator(".command pre").first.inner_text()
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    page.locator("a.trace", has_text="curl hello").wait_for()
    assert page.get_by_text("Nothing has arrived yet").count() == 0


def test_an_empty_page_names_the_ports(page: Any, viewer: Viewer) -> None:
    shown = page.locator(".ports").inner_text()
    for listener in viewer.listeners[1:]:
        assert f"{listener.title}\t{listener.address}" in shown


def test_traces_appear_as_they_arrive_the_newest_first(
    page: Any, send: Send, make_span: MakeSpan
) -> None:
    send(make_span(1, 1, "first", 0))
    page.locator("a.trace", has_text="first").wait_for()
    send(make_span(2, 2, "second", 50))
    page.locator("a.trace", has_text="second").wait_for()
    assert names(page) == ["iris second", "iris first"]


def test_a_row_grows_with_its_trace(page: Any, send: Send, make_span: MakeSpan) -> None:
    send(make_span(1, 1, "root", 0, 20))
    page.locator("a.trace", has_text="1 span").wait_for()
    send(make_span(1, 2, "call", 5, 5, parent=1, failed=True), service="backend")
    row = page.locator("a.trace", has_text="2 spans")
    row.wait_for()
    assert "1 error" in row.inner_text()
    assert row.locator(".services b").all_inner_texts() == ["backend", "iris"]


def test_a_paused_list_stays_until_it_is_resumed(
    page: Any, send: Send, make_span: MakeSpan
) -> None:
    send(make_span(1, 1, "first"))
    page.locator("a.trace").wait_for()
    page.keyboard.press("p")
    page.get_by_role("button", name="Resume").wait_for()
    send(make_span(2, 2, "second", 50))
    page.locator("live-status", has_text="2 traces").wait_for()
    assert names(page) == ["iris first"]
    page.get_by_role("button", name="Resume").click()
    page.locator("a.trace", has_text="second").wait_for()


def test_a_search_is_in_the_address_and_a_link_repeats_it(
    page: Any, viewer: Viewer, send: Send, make_span: MakeSpan, open_page: Callable[..., Any]
) -> None:
    send(make_span(1, 1, "GET /classify", 0, 200), make_span(2, 2, "GET /other", 5, 200))
    page.keyboard.press("/")
    text = 'service:iris operation:"GET /classify" duration>100ms'
    page.keyboard.type(text)
    page.keyboard.press("Enter")
    expect(page.locator("a.trace")).to_have_count(1)
    assert query(page)["q"] == [text]
    other = open_page(page.url)
    other.locator("a.trace").wait_for()
    assert names(other) == ["iris GET /classify"]
    assert other.get_by_role("combobox", name="Search traces").input_value() == text
    page.go_back()
    expect(page.locator("a.trace")).to_have_count(2)


def test_a_wrong_query_is_explained(viewer: Viewer, open_page: Callable[..., Any]) -> None:
    page = open_page(f"{viewer.url}?q=duration:x", expected="400 (Bad Request)")
    page.get_by_text("'x' is not a duration; write it as 250us").wait_for()


def test_the_search_field_completes_keys_and_values(
    page: Any, send: Send, make_span: MakeSpan
) -> None:
    send(make_span(1, 1, "GET /a b", attributes={"http.route": "/a b", "http.method": "GET"}))
    page.locator("a.trace").wait_for()
    field = page.get_by_role("combobox", name="Search traces")
    field.press_sequentially("http.r")
    page.get_by_role("option", name="http.route=").wait_for()
    page.keyboard.press("Tab")
    page.get_by_role("option", name="/a b").wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert field.input_value() == 'http.route="/a b" '
    field.press_sequentially("serv")
    page.get_by_role("option", name="service:").click()
    page.get_by_role("option", name="iris").click()
    assert field.input_value() == 'http.route="/a b" service:iris '
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=*")
    page.locator("a.trace").wait_for()


def test_what_no_longer_fits_the_text_is_not_completed(
    page: Any, send: Send, make_span: MakeSpan
) -> None:
    send(make_span(1, 1, "x", attributes={"http.route": "/", "http.method": "GET"}))
    page.locator("a.trace").wait_for()
    held = []
    page.route(lambda url: url.endswith("key=&prefix=http.r"), lambda route: held.append(route))
    field = page.get_by_role("combobox", name="Search traces")
    field.press_sequentially("http.")
    offers = page.locator("search-field [role=option]")
    expect(offers).to_have_text(["http.method=", "http.route="])
    with page.expect_request(lambda request: request.url.endswith("key=&prefix=http.r")):
        field.press_sequentially("r")
    page.keyboard.press("Tab")
    assert field.input_value() == "http.route="
    for route in held:
        route.continue_()


def test_no_match_is_explained_and_leads_back(
    viewer: Viewer, send: Send, make_span: MakeSpan, open_page: Callable[..., Any]
) -> None:
    send(make_span(1, 1, "x"))
    page = open_page(f"{viewer.url}?q=service:absent")
    page.get_by_text("No trace matches").wait_for()
    page.get_by_role("link", name="Show all traces").click()
    page.locator("a.trace").wait_for()


def test_a_click_counts_while_spans_arrive(
    viewer: Viewer, send: Send, make_span: MakeSpan, open_page: Callable[..., Any]
) -> None:
    send(make_span(1, 1, "x"))
    page = open_page(f"{viewer.url}?q=service:absent")

    def press(what: Any, *spans: dict[str, Any]) -> None:
        what.hover()
        page.mouse.down()
        with page.expect_response(lambda response: "/ui/api/traces?" in response.url):
            send(*spans)
        # The list is drawn after the response.
        page.wait_for_timeout(300)
        page.mouse.up()

    press(page.get_by_role("link", name="Show all traces"), make_span(2, 2, "older", -60_000))
    expect(page.locator("a.trace")).to_have_count(2)
    press(page.locator("a.trace").first, make_span(3, 3, "oldest", -90_000))
    page.wait_for_url("**/?trace=*")


def test_a_time_range_is_in_the_address(page: Any, send: Send, make_span: MakeSpan) -> None:
    send(make_span(1, 1, "old", -600_000), make_span(2, 2, "new"))
    page.locator("a.trace").nth(1).wait_for()
    page.get_by_role("combobox", name="Time range").select_option("5m")
    expect(page.locator("a.trace")).to_have_count(1)
    assert query(page)["since"] == ["5m"]
    assert names(page) == ["iris new"]


def test_a_part_of_the_scatter_becomes_the_search(
    page: Any, send: Send, make_span: MakeSpan
) -> None:
    for number in range(1, 11):
        send(make_span(number, number, f"span-{number}", number * 1000, 2 if number < 6 else 900))
    expect(page.locator(".scatter circle")).to_have_count(10)
    box = page.locator(".scatter").bounding_box()
    # The upper right quarter: slow and late.
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 3, box["y"] + box["height"] * 0.5, steps=4)
    page.mouse.up()
    expect(page.locator("a.trace")).to_have_count(5)
    assert names(page) == [f"iris span-{number}" for number in (10, 9, 8, 7, 6)]
    assert query(page).keys() == {"q", "after", "before"}
    assert "duration>=" in query(page)["q"][0]


def test_a_point_of_the_scatter_opens_its_trace(page: Any, send: Send, make_span: MakeSpan) -> None:
    send(make_span(1, 1, "one", 0, 5), make_span(2, 2, "two", 9000, 80))
    point = page.locator(f"circle[data-id='{2:032x}']")
    # None while the points are drawn again.
    box = next(filter(None, (point.bounding_box() for _ in range(50))))
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.get_by_role("heading", name="iris two").wait_for()


def test_the_keyboard_goes_through_the_list_into_a_trace_and_back(
    page: Any, send: Send, make_span: MakeSpan
) -> None:
    send(make_span(1, 1, "first", 0), make_span(2, 2, "second", 50))
    page.locator("a.trace").nth(1).wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="iris first").wait_for()
    page.keyboard.press("Escape")
    page.locator("a.trace").nth(1).wait_for()
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys").wait_for()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()


def test_more_than_one_page_of_traces(page: Any, send: Send, make_span: MakeSpan) -> None:
    send(*(make_span(number, number, "x", number) for number in range(1, 151)))
    page.locator("a.trace").nth(99).wait_for()
    assert page.locator("a.trace").count() == 100
    page.get_by_role("button", name="Show more").click()
    page.locator("a.trace").nth(149).wait_for()
