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


@pytest.fixture
def shop(send: Send, make_span: MakeSpan) -> None:
    """A trace of three services: 12 equal queries, one failed call, a time without any child."""
    link = {"traceId": f"{2:032x}", "spanId": f"{900:016x}"}
    event = {
        "name": "cart read",
        "timeUnixNano": make_span(1, 1, "", 7)["startTimeUnixNano"],
        "attributes": [{"key": "items", "value": {"intValue": "3"}}],
    }
    send(
        make_span(1, 1, "POST /checkout", 0, 200, attributes={"http.route": "/checkout"}),
        make_span(1, 2, "validate", 5, 10, parent=1, events=[event], links=[link]),
        service="web",
    )
    send(
        make_span(1, 3, "GET /stock", 20, 100, parent=1),
        *(make_span(1, 10 + at, "SELECT stock", 22 + 8 * at, 6, parent=3) for at in range(12)),
        service="stock",
    )
    send(make_span(1, 4, "POST /pay", 160, 30, parent=1, failed=True), service="bank")
    send(make_span(2, 900, "earlier", -50, 5), service="web")


@pytest.fixture
def trace(shop: None, viewer: Viewer, open_page: Callable[..., Any]) -> Any:
    page = open_page(f"{viewer.url}?trace={TRACE}")
    page.locator(".row").first.wait_for()
    return page


def rows(page: Any) -> list[str]:
    """Return each row's name, without its service."""
    found: list[str] = page.locator(".row").evaluate_all(
        """rows => rows
            .sort((one, other) => one.dataset.index - other.dataset.index)
            .map(row => (row.querySelector(".times")?.textContent ?? "") + " "
                + row.querySelector(".operation").textContent)"""
    )
    return [row.strip() for row in found]


def selected(page: Any) -> Any:
    return page.locator(".row[aria-selected=true] .operation")


def test_equal_children_are_one_row_until_it_is_opened(trace: Any) -> None:
    expected = ["POST /checkout", "validate", "GET /stock", "12 × SELECT stock", "POST /pay"]
    assert rows(trace) == expected
    group = trace.locator(".row.group")
    assert group.locator(".span").count() == 12
    assert group.locator(".took").inner_text() == "72 ms"
    group.click()
    expect(trace.locator(".row")).to_have_count(17)
    assert rows(trace)[3:6] == ["12 × SELECT stock", "SELECT stock", "SELECT stock"]


def test_the_keyboard_moves_collapses_and_expands(trace: Any) -> None:
    trace.keyboard.press("ArrowDown")
    expect(selected(trace)).to_have_text("validate")
    trace.keyboard.press("j")
    expect(selected(trace)).to_have_text("GET /stock")
    trace.keyboard.press("ArrowLeft")
    expect(trace.locator(".row")).to_have_count(4)
    trace.keyboard.press("ArrowLeft")
    expect(selected(trace)).to_have_text("POST /checkout")
    trace.keyboard.press("Enter")
    assert rows(trace) == ["POST /checkout"]
    trace.keyboard.press("ArrowRight")
    expect(trace.locator(".row")).to_have_count(4)
    trace.keyboard.press("]")
    expect(trace.locator(".row")).to_have_count(17)
    trace.keyboard.press("[")
    assert rows(trace) == ["POST /checkout", "validate", "GET /stock", "POST /pay"]
    trace.keyboard.press("End")
    expect(selected(trace)).to_have_text("POST /pay")
    assert trace.locator(".waterfall").get_attribute("aria-activedescendant") == "row-3"


def test_the_next_error_is_one_key_away(trace: Any) -> None:
    trace.keyboard.press("e")
    expect(selected(trace)).to_have_text("POST /pay")
    assert "it failed" in trace.locator("aside .message").inner_text()
    assert trace.locator(".row.failed").count() == 1


def test_the_critical_path_is_drawn_and_named(trace: Any) -> None:
    title = trace.locator(".slowest").inner_text()
    assert "SELECT stock 36 %" in title
    assert "POST /checkout 30 %" in title
    # In itself from 0 to 5, 15 to 20, 120 to 160 and 190 to 200 of 200 ms.
    parts = trace.locator(".row").first.locator(".critical")
    assert parts.count() == 4
    widths = parts.evaluate_all(
        "parts => parts.map(part => parseFloat(part.style.inlineSize.slice(9)))"
    )
    assert sorted(widths) == [2.5, 2.5, 5, 20]


def test_a_bar_is_pale_where_children_run(trace: Any) -> None:
    pale = trace.locator(".row").first.locator(".child")
    found = pale.evaluate_all(
        "parts => parts.map(part => [part.style.insetInlineStart, part.style.inlineSize])"
    )
    assert found == [["2.5%", "max(2px, 5%)"], ["10%", "max(2px, 50%)"], ["80%", "max(2px, 15%)"]]


def test_the_panel_shows_a_span_and_its_link_is_followed(trace: Any) -> None:
    trace.locator(".row", has_text="validate").click()
    panel = trace.locator("aside")
    panel.get_by_role("heading", name="validate").wait_for()
    text = panel.inner_text()
    for part in ("cart read", "+2 ms", "items", "service.name", "tests", f"{2:016x}", TRACE):
        assert part in text, part
    panel.get_by_role("link", name="web earlier, 5 ms").click()
    trace.get_by_role("heading", name="web earlier").wait_for()
    assert f"trace={2:032x}" in trace.url
    assert f"span={900:016x}" in trace.url


def test_a_value_leads_to_the_traces_that_have_it(trace: Any) -> None:
    row = trace.locator("aside tr", has_text="http.route")
    row.hover()
    row.get_by_role("link", name="Search traces with http.route=/checkout").click()
    trace.locator("a.trace").wait_for()
    assert trace.locator("a.trace").count() == 1


def test_an_address_leads_to_the_span_in_its_group(
    trace: Any, viewer: Viewer, open_page: Callable[..., Any]
) -> None:
    page = open_page(f"{viewer.url}?trace={TRACE}&span={15:016x}")
    expect(page.locator(".row[aria-selected=true]")).to_have_attribute("aria-level", "4")
    page.locator("aside", has_text=f"{15:016x}").wait_for()
    assert f"span={15:016x}" in page.url


def test_a_span_is_found_by_its_name(trace: Any) -> None:
    trace.keyboard.press("/")
    trace.keyboard.type("select")
    trace.get_by_role("status").get_by_text("12 spans").wait_for()
    assert trace.locator(".row.dimmed").count() == 4
    trace.keyboard.press("Enter")
    trace.keyboard.press("Enter")
    expect(trace.locator(".row[aria-selected=true]")).to_have_attribute("data-index", "5")
    trace.keyboard.press("Escape")
    expect(trace.locator(".row.dimmed")).to_have_count(0)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("http.route=/checkout", "POST /checkout"),
        ("items=3", "validate"),
        ("cart read", "validate"),
        ("it failed", "POST /pay"),
        ("bank service.name=bank", "POST /pay"),
    ],
)
@pytest.mark.parametrize("place", ["the page", "a saved file"])
def test_a_span_is_found_by_what_it_carries(
    place: str,
    words: str,
    expected: str,
    trace: Any,
    viewer: Viewer,
    open_page: Callable[..., Any],
    tmp_path: Path,
) -> None:
    page = trace
    if place == "a saved file":
        (tmp_path / "trace.html").write_text(write_page(viewer.store, TRACE), "utf-8")
        page = open_page((tmp_path / "trace.html").as_uri())
        page.locator(".row").nth(4).wait_for()
    page.keyboard.press("/")
    page.keyboard.type(words)
    page.get_by_role("status").get_by_text("1 span", exact=True).wait_for()
    page.keyboard.press("Enter")
    expect(selected(page)).to_have_text(expected)


def test_dragging_in_the_minimap_zooms(trace: Any) -> None:
    box = trace.locator(".minimap").bounding_box()
    trace.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 10)
    trace.mouse.down()
    trace.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 10, steps=3)
    trace.mouse.up()
    assert trace.locator(".ruler span").first.inner_text() == "100 ms"
    assert trace.locator(".ruler span").last.inner_text() == "150 ms"
    trace.keyboard.press("0")
    assert trace.locator(".ruler span").last.inner_text() == "200 ms"
    trace.keyboard.press("e")
    trace.keyboard.press("z")
    assert trace.locator(".ruler span").first.inner_text() == "159 ms"


def test_the_flame_graph_adds_up_the_calls_of_a_path(trace: Any) -> None:
    trace.keyboard.press("2")
    boxes = trace.locator(".flame")
    names = {"POST /checkout", "POST /pay", "GET /stock", "SELECT stock", "validate"}
    assert set(boxes.all_inner_texts()) == names
    assert boxes.count() == 5
    title = trace.locator(".flame", has_text="SELECT stock").get_attribute("title")
    assert title == "stock SELECT stock: 12 calls, 72 ms, of it 72 ms itself (36 % of all)"
    trace.locator(".flame", has_text="GET /stock").click()
    expect(boxes).to_have_count(3)
    assert "view=flame" in trace.url
    trace.locator("aside").get_by_role("heading", name="GET /stock").wait_for()


def test_the_operations_are_sorted_by_their_own_time(trace: Any) -> None:
    trace.get_by_role("tab", name="Operations").click()
    first = trace.locator(".sortable tbody tr").first
    assert "stock SELECT stock" in first.inner_text()
    assert "12\t" in first.inner_text()
    trace.get_by_role("button", name="Longest").click()
    assert "POST /checkout" in trace.locator(".sortable tbody tr").first.inner_text()
    trace.get_by_role("button", name="bank POST /pay").click()
    expect(selected(trace)).to_have_text("POST /pay")


def test_a_trace_that_is_not_here_leads_to_the_list(
    viewer: Viewer, open_page: Callable[..., Any]
) -> None:
    page = open_page(f"{viewer.url}?trace={7:032x}", expected="404 (Not Found)")
    page.get_by_role("heading", name="This trace is not here").wait_for()
    page.get_by_role("link", name="All traces").click()
    page.get_by_text("Nothing has arrived yet").wait_for()


def test_copies_as_markdown_and_json(
    shop: None, viewer: Viewer, open_page: Callable[..., Any]
) -> None:
    page = open_page(
        f"{viewer.url}?trace={TRACE}", permissions=["clipboard-read", "clipboard-write"]
    )
    page.locator(".menu summary").click()
    page.get_by_role("button", name="Copy as Markdown").click()
    page.get_by_role("button", name="Copied").wait_for()
    lines = page.evaluate("navigator.clipboard.readText()").splitlines()
    assert lines[0].startswith("**web: POST /checkout** 200 ms, 16 spans, 1 error, ")
    assert lines[2:] == [
        "```text",
        "web: POST /checkout  200 ms at 0",
        "  web: validate  10 ms at 5 ms",
        "  stock: GET /stock  100 ms at 20 ms",
        "    12 × stock: SELECT stock  72 ms in total at 22 ms",
        "  bank: POST /pay  30 ms at 160 ms  ERROR",
        "```",
    ]
    # The first button says so for a moment only.
    button = page.get_by_role("button", name="Copy as JSON").element_handle()
    button.click()
    page.wait_for_function("button => button.textContent === 'Copied'", arg=button)
    document = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert len(document["resourceSpans"]) == 3


def test_the_otlp_download_can_be_opened_by_the_viewer(
    trace: Any, start: Callable[..., Viewer], tmp_path: Path
) -> None:
    from bentotrace.ui.files import read_file

    trace.locator(".menu summary").click()
    with trace.expect_download() as waiting:
        trace.get_by_role("button", name="Download as OTLP JSON").click()
    assert waiting.value.suggested_filename == f"trace-{TRACE}.json"
    waiting.value.save_as(tmp_path / "trace.json")
    assert len(read_file(tmp_path / "trace.json").spans) == 16


def test_an_exported_trace_is_shown_in_a_frame_without_storage(
    shop: None, viewer: Viewer, open_page: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "trace.html").write_text(write_page(viewer.store, TRACE), "utf-8")
    frame = '<iframe sandbox="allow-scripts" src="trace.html" width="1200" height="800"></iframe>'
    (tmp_path / "frame.html").write_text(frame)
    page = open_page((tmp_path / "frame.html").as_uri())
    page.frame_locator("iframe").locator("aside", has_text="/checkout").wait_for()


def test_the_html_download_is_the_whole_trace(
    trace: Any, tmp_path: Path, open_page: Callable[..., Any]
) -> None:
    trace.locator(".menu summary").click()
    with trace.expect_download() as waiting:
        trace.get_by_role("button", name="Download as one HTML file").click()
    file = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(file)
    page = open_page(file.as_uri())
    page.locator(".row").nth(4).wait_for()
    page.locator(".row", has_text="validate").click()
    page.locator("aside", has_text="cart read").wait_for()
    page.keyboard.press("2")
    page.locator(".flame", has_text="SELECT stock").wait_for()
    page.keyboard.press("3")
    page.locator(".sortable").wait_for()
    page.locator(".menu summary").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download as OTLP JSON").click()
    assert len(json.loads(Path(waiting.value.path()).read_text())["resourceSpans"]) == 3


def test_any_number_of_children_and_values_can_be_shown(page: Any) -> None:
    shown = page.evaluate(
        """async () => {
            const load = name => import(`/static/${name}.js`);
            const [{buildTree, layOut}, {flameGraph}, {operationsTable}, {element}] = await Promise.all(
                ["tree", "flame-graph", "operations-table", "format"].map(load));
            const make = (number, parent, name) => ({
                span_id: `${number}`, parent_id: parent, start: "0", duration: "1",
                service: "a", name, kind: "", status: "unset",
            });
            const many = Array.from({length: 150_000}, (_, at) => at + 1);
            const count = (spans, expanded) => {
                const tree = buildTree(spans);
                return [tree, layOut(tree.roots, new Set(), new Set(expanded(tree))).length];
            };
            const [tree, different] = count(
                [make(0, "", "root"), ...many.map(at => make(at, "0", `${at}`))], () => []);
            const [, equal] = count(
                [make(0, "", "root"), ...many.map(at => make(at, "0", "x"))],
                tree => [tree.roots[0].children[0]]);
            flameGraph(tree, () => {});
            const [roots] = count(many.map(at => make(at, "", "x")), () => []);
            operationsTable(roots, () => {});
            return [different, equal, element("p", {}, many).childNodes.length];
        }"""
    )
    assert shown == [150_001, 150_002, 150_000]
