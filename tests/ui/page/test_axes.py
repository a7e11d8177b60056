from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from bentotrace.ui.server import Viewer

expect = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser").expect
Send = Callable[..., None]
MakeSpan = Callable[..., dict[str, Any]]
DAY = 24 * 3600 * 1000


@pytest.mark.parametrize("width", [420, 1280])
@pytest.mark.parametrize("first", [0, -2 * DAY], ids=["today", "another day"])
@pytest.mark.parametrize("milliseconds", [0.5, 40, 900, 5000, 3 * DAY])
def test_the_times_of_the_plot_differ_and_do_not_overlap(
    milliseconds: float,
    first: float,
    width: int,
    viewer: Viewer,
    open_page: Callable[..., Any],
    send: Send,
    make_span: MakeSpan,
) -> None:
    send(make_span(1, 1, "one", first), make_span(2, 2, "two", first + milliseconds))
    page = open_page(viewer.url, viewport={"width": width, "height": 800})
    expect(page.locator(".scatter .axis", has_text=":").first).to_be_visible()
    # At one moment: the plot may be drawn again.
    labels = page.evaluate(
        """[...document.querySelectorAll(".scatter .axis")]
        .filter(({textContent}) => textContent.includes(":")).map((label) => {
          const {left, right} = label.getBoundingClientRect();
          return [label.textContent, left, right];
        })"""
    )
    assert len(labels) >= 2
    assert len({text for text, _, _ in labels}) == len(labels)
    assert all(one[2] < other[1] for one, other in pairwise(labels)), labels


def test_both_ends_of_a_short_time_range_are_shown(
    viewer: Viewer, open_page: Callable[..., Any]
) -> None:
    moment = 1_700_000_000_123_000_000
    page = open_page(f"{viewer.url}?after={moment + 4_000}&before={moment + 9_000}")
    title = page.get_by_label("Time range").locator(":checked").inner_text()
    assert title.count(".123004") == 1
    assert title.count(".123009") == 1


def test_an_address_with_a_time_that_cannot_be_read_is_explained(
    viewer: Viewer, open_page: Callable[..., Any]
) -> None:
    page = open_page(f"{viewer.url}?after=x", expected="400 (Bad Request)")
    page.get_by_text("after is not a whole number of nanoseconds").wait_for()
    assert page.locator(".scatter").is_hidden()


@pytest.mark.parametrize("milliseconds", [5, 70_000, 2 * 3600 * 1000])
def test_the_times_of_a_zoomed_trace_differ(
    milliseconds: float, page: Any, send: Send, make_span: MakeSpan
) -> None:
    send(
        make_span(1, 1, "root", 0, milliseconds),
        make_span(1, 2, "short", milliseconds * 0.9, 0.001, parent=1),
    )
    page.locator("a.trace").click()
    page.locator(".row", has_text="short").click()
    page.keyboard.press("z")
    expect(page.locator(".ruler span").first).not_to_have_text("0")
    texts = page.locator(".ruler span").all_inner_texts()
    assert len(set(texts)) == 5


def test_hours_are_shown_as_hours(page: Any, send: Send, make_span: MakeSpan) -> None:
    send(make_span(1, 1, "night", 0, 9 * 3600 * 1000), make_span(2, 2, "short", 100, 90_000))
    expect(page.locator("a.trace .took")).to_have_text(["1.5 min", "9 h"])
    marks = page.locator(".scatter .axis", has_not_text=":").all_text_contents()
    assert marks == ["1 min", "10 min", "1 h", "10 h"]
