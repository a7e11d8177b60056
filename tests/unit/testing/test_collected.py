"""The tree of the spans of a test; test_fixtures.py has the fixture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider

from bentotrace.testing.collected import CollectedSpans, Tree

ODD_NAMES = {
    "load ": "load",
    "\tload": "load",
    "a\tb": r"a\tb",
    "a\rb": r"a\rb",
    "a\r": "a",
    "a\u2028b": r"a\u2028b",
    "a\udcff": r"a\udcff",
    "a\nb": "a\nb",
}


@pytest.fixture
def spans(tmp_path: Path) -> CollectedSpans:
    return CollectedSpans(tmp_path, update=False)


@pytest.fixture
def tracer(spans: CollectedSpans) -> trace.Tracer:
    class Collector(SpanProcessor):
        def on_start(self, span: Span, parent_context: Context | None = None) -> None:
            spans.start(span)

        def on_end(self, span: ReadableSpan) -> None:
            spans.end(span)

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Collector())
    return provider.get_tracer("test")


def test_spans_may_be_nested_deeply(spans: CollectedSpans, tracer: trace.Tracer) -> None:
    context, started = None, []
    for number in range(1200):
        started.append(tracer.start_span(f"span {number}", context=context))
        context = trace.set_span_in_context(started[-1])
    for span in reversed(started):
        span.end()

    lines = spans.tree().splitlines()

    assert lines == ["  " * number + f"span {number}" for number in range(1200)]


def test_siblings_are_in_the_order_of_their_starts(
    spans: CollectedSpans, tracer: trace.Tracer
) -> None:
    for root in "ab":
        with tracer.start_as_current_span(root):
            for child in "cd":
                with tracer.start_as_current_span(child), tracer.start_as_current_span("e"):
                    pass

    assert spans.tree().split() == [*"acede", *"bcede"]


@pytest.mark.parametrize("value", [b"\xff", ("x", b"\xff")])
def test_bytes_are_shown(spans: CollectedSpans, tracer: trace.Tracer, value: Any) -> None:
    with tracer.start_as_current_span("a") as span:
        span.set_attribute("plain", "x")
    # The SDK's oldest versions refuse such a value.
    (ended,) = spans
    ended._attributes = {"key": value}

    assert r"b'\\xff'" in spans.tree("key")


@pytest.mark.parametrize(("name", "line"), ODD_NAMES.items())
def test_a_tree_equals_its_own_text(
    spans: CollectedSpans, tracer: trace.Tracer, name: str, line: str
) -> None:
    with tracer.start_as_current_span(name), tracer.start_as_current_span("child"):
        pass

    tree = spans.tree()

    assert str(tree) == f"{line}\n  child"
    assert tree == str(tree)
    margin = " " * 8
    written = "".join(f"{margin}{line}\n" for line in tree.split("\n"))
    assert tree == f"\n{written}    "
    assert tree != f"\n{written}{margin}another\n"


@pytest.mark.parametrize("name", ["a\tb", "load ", "a\rb", "a\udcff"])
def test_a_text_may_have_the_name_as_it_is(
    spans: CollectedSpans, tracer: trace.Tracer, name: str
) -> None:
    with tracer.start_as_current_span("root"), tracer.start_as_current_span(name):
        pass

    for margin in ("    ", "\t"):
        assert spans.tree() == f"\n{margin}root\n{margin}  {name}\n"


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_tree_matches_the_file_that_the_switch_wrote(
    spans: CollectedSpans, tracer: trace.Tracer, tmp_path: Path, name: str
) -> None:
    updating = CollectedSpans(tmp_path, update=True)
    with tracer.start_as_current_span(name):
        pass
    updating._ended = list(spans)

    updating.tree_is("tree.txt")

    spans.tree_is("tree.txt")


def test_a_tree_differs_from_the_same_lines_at_other_depths() -> None:
    assert Tree("a\nb") != "\n    a\n      b\n"
    assert Tree("a\n  b") != "\n    a\n    b\n"
