from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from bentotrace.ui.server import Viewer

expect = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser").expect
Send = Callable[..., None]
MakeSpan = Callable[..., dict[str, Any]]
PHONE = {"width": 420, "height": 860}


@pytest.fixture
def calls(send: Send, make_span: MakeSpan) -> None:
    """Two traces of services that call each other."""
    for trace in (1, 2):
        root = 10 * trace
        send(make_span(trace, root, "GET /classify", 0, 90 * trace), service="web")
        send(make_span(trace, root + 1, "POST /orders", 5, 60, parent=root), service="checkout")
        for number, name in enumerate(("inventory", "payments", "mailer"), 2):
            send(
                make_span(trace, root + number, "call", 9, 30, parent=root + 1, failed=True),
                service=name,
            )


@pytest.mark.parametrize(
    "address",
    ["?services=", f"?trace={1:032x}&view=operations", f"?compare={1:032x}&with={2:032x}"],
)
def test_every_column_of_a_table_is_in_sight_on_a_phone(
    address: str, calls: None, viewer: Viewer, open_page: Callable[..., Any]
) -> None:
    page = open_page(viewer.url + address, viewport=PHONE)
    page.locator(".sortable tbody tr").first.wait_for()
    right = page.locator(".sortable :is(th, td):visible").evaluate_all(
        "cells => Math.max(...cells.map(cell => cell.getBoundingClientRect().right))"
    )
    assert right <= PHONE["width"]
    table = page.locator(".scrolled")
    assert table.evaluate("table => table.scrollWidth <= table.clientWidth")
    titles = table.locator("th").all_inner_texts()
    shown = (
        table.locator("tbody tr")
        .first.locator("td")
        .evaluate_all("cells => cells.map(cell => getComputedStyle(cell, '::before').content)")
    )
    assert [f'"{title} "' for title in titles[1:]] == shown[1:]


def test_the_graph_of_services_fits_on_a_phone(
    calls: None, viewer: Viewer, open_page: Callable[..., Any]
) -> None:
    page = open_page(f"{viewer.url}?services=", viewport=PHONE)
    graph = page.locator(".graph")
    graph.locator(".box").first.wait_for()
    assert graph.evaluate("graph => graph.scrollWidth <= graph.clientWidth")
    tops = {
        name: graph.locator(".box", has_text=name).bounding_box()["y"]
        for name in ("web", "checkout", "payments")
    }
    assert tops["web"] < tops["checkout"] < tops["payments"]
    labels = [label.bounding_box() for label in graph.locator(".edge-label").all()]
    assert labels
    for one, other in itertools.combinations(labels, 2):
        beside = one["x"] + one["width"] <= other["x"] or other["x"] + other["width"] <= one["x"]
        assert beside or one["y"] + one["height"] <= other["y"] or one["y"] > other["y"]
    # As when a tablet is turned.
    page.set_viewport_size({"width": 1280, "height": 800})
    page.wait_for_function(
        "[...document.querySelectorAll('.box')].find(box => box.textContent.includes('checkout'))"
        "?.getBoundingClientRect().x > 300"
    )


def test_the_details_of_a_span_follow_its_trace_without_a_gap(
    calls: None, viewer: Viewer, open_page: Callable[..., Any]
) -> None:
    page = open_page(f"{viewer.url}?trace={1:032x}", viewport=PHONE)
    page.locator("aside h2").wait_for()
    last = page.locator(".row").last.bounding_box()
    panel = page.locator("aside").bounding_box()
    assert 0 <= panel["y"] - last["y"] - last["height"] < 30
    page.locator(".waterfall").press("[")
    expect(page.locator(".row")).to_have_count(2)
    last = page.locator(".row").last.bounding_box()
    assert 0 <= page.locator("aside").bounding_box()["y"] - last["y"] - last["height"] < 30


def test_the_traces_to_compare_with_begin_with_their_names_on_a_phone(
    calls: None, viewer: Viewer, open_page: Callable[..., Any]
) -> None:
    page = open_page(f"{viewer.url}?compare={1:032x}", viewport=PHONE)
    choice = page.locator(".choice")
    choice.wait_for()
    name, time = choice.locator(".name").bounding_box(), choice.locator("time").bounding_box()
    assert name["x"] == time["x"]
    assert name["y"] < time["y"]
