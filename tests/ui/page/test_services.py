from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from bentotrace.ui.server import Viewer

expect = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser").expect
Send = Callable[..., None]
MakeSpan = Callable[..., dict[str, Any]]


@pytest.fixture
def calls(send: Send, make_span: MakeSpan) -> None:
    """Twenty traces, a second apart, of web calling stock; each fourth call fails."""
    for number in range(1, 21):
        start = number * 1000
        send(make_span(number, number, "GET /", start, 100), service="web")
        child = make_span(
            number, 100 + number, "GET /stock", start + 5, number, number, not number % 4
        )
        send(child, service="stock")


@pytest.fixture
def services(calls: None, viewer: Viewer, open_page: Callable[..., Any]) -> Any:
    page = open_page(f"{viewer.url}?services=")
    page.locator(".graph svg").wait_for()
    return page


def test_the_graph_shows_calls_errors_and_durations(services: Any) -> None:
    edge = services.locator(".edge")
    assert edge.get_attribute("aria-label") == (
        "web calls stock 20×, 25 % failed; p50 10 ms, p95 19 ms"
    )
    boxes = services.get_by_role("button", name="20 spans")
    assert boxes.count() == 2
    left, right = (
        services.get_by_role("button", name=name).bounding_box()["x"]
        for name in ("web: 20 spans", "stock: 20 spans, 5 failed")
    )
    assert left < right


def test_each_operation_has_its_rate_errors_and_durations(services: Any) -> None:
    row = services.locator("tbody tr", has_text="GET /stock")
    # Twenty traces in 19 seconds.
    cells = row.locator("td").all_inner_texts()
    assert cells[1:8] == ["server", "20", "63.2", "5 (25 %)", "10 ms", "19 ms", "20 ms"]
    bars = row.locator(".histogram rect")
    counted = [int(text.split()[0]) for text in bars.locator("title").all_text_contents()]
    assert sum(counted) == 20


def test_a_service_and_its_errors_lead_on(services: Any) -> None:
    services.get_by_role("button", name="stock: 20 spans").click()
    services.get_by_role("heading", name="Operations of stock").wait_for()
    assert services.locator("tbody tr").count() == 1
    assert "services=stock" in services.url
    services.get_by_role("link", name="5 (25 %)").click()
    expect(services.locator("a.trace")).to_have_count(5)
    query = parse_qs(urlsplit(services.url).query)["q"]
    assert query == ['service:stock operation:"GET /stock" status:error']


def test_without_spans_it_says_what_to_do(viewer: Viewer, open_page: Callable[..., Any]) -> None:
    page = open_page(f"{viewer.url}?services=")
    page.get_by_role("heading", name="Nothing has arrived yet").wait_for()


def test_services_that_call_each_other_are_drawn(
    viewer: Viewer, send: Send, make_span: MakeSpan, open_page: Callable[..., Any]
) -> None:
    send(make_span(1, 1, "a", 0, 50), make_span(1, 3, "a again", 20, 5, parent=2), service="one")
    send(make_span(1, 2, "b", 10, 30, parent=1), service="two")
    page = open_page(f"{viewer.url}?services=")
    page.locator(".graph svg").wait_for()
    assert page.locator(".edge").count() == 2


@pytest.fixture
def two_traces(send: Send, make_span: MakeSpan) -> None:
    for trace, took in ((1, 100), (2, 160)):
        send(
            make_span(trace, trace * 100, "POST /order", trace * 500, took),
            make_span(trace, trace * 100 + 1, "query", trace * 500 + 5, 20, trace * 100),
            make_span(
                trace,
                trace * 100 + 2,
                f"only {trace}",
                trace * 500 + 30,
                30,
                trace * 100,
                trace == 2,
            ),
        )


def test_two_traces_are_marked_and_compared(page: Any, two_traces: None) -> None:
    page.locator("a.trace").nth(1).wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("c")
    page.get_by_role("link", name="Compare with another").wait_for()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("c")
    page.get_by_role("link", name="Compare 2 traces").click()
    page.get_by_role("heading", name="Comparison").wait_for()
    assert page.get_by_text("B took 60 ms longer").count() == 1
    rows = [row.split() for row in page.locator("tbody tr").all_inner_texts()]
    by_name = {" ".join(row[1:3]): row for row in rows}
    assert by_name["POST /order"][-2:] == ["+60", "ms"]
    assert by_name["query 1"][-1] == "0"


def test_what_only_one_trace_has_is_named(
    two_traces: None, viewer: Viewer, open_page: Callable[..., Any]
) -> None:
    page = open_page(f"{viewer.url}?compare={1:032x}&with={2:032x}")
    page.locator("tbody tr").nth(3).wait_for()
    only_a = page.locator("tbody tr", has_text="only 1")
    only_b = page.locator("tbody tr", has_text="only 2")
    assert only_a.locator(".letter").inner_text() == "only A"
    assert only_b.locator(".letter").inner_text() == "only B"
    assert "fails in B" in only_b.inner_text()
    assert only_a.locator("td").last.inner_text().split() == ["−30", "ms"]
    page.get_by_role("button", name="Swap").click()
    page.get_by_text("B took 60 ms less").wait_for()


def test_the_other_trace_is_chosen_from_those_of_the_same_operation(
    two_traces: None, viewer: Viewer, open_page: Callable[..., Any]
) -> None:
    page = open_page(f"{viewer.url}?compare={1:032x}")
    page.get_by_role("heading", name="Compare with which trace?").wait_for()
    page.get_by_role("link", name="POST /order").nth(1).click()
    page.get_by_text("B took 60 ms longer").wait_for()
