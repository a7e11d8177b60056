"""A trace as a waterfall in the terminal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from bentotrace.testing import ReceivedSpan

__all__ = ["waterfall"]

_BAR_WIDTH = 24
_ASCII = str.maketrans("├└│─━", "|`|-=")


def waterfall(trace: Sequence[ReceivedSpan], *, ascii_only: bool = False) -> Table:
    """Draw the spans of one trace, parents above their children, over a common time axis.

    Args:
        trace: its spans.
        ascii_only: draws with ASCII alone.
    """
    letters = _ASCII if ascii_only else {}
    start = min(span.start_ns for span in trace)
    length = max(max(span.end_ns for span in trace) - start, 1)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    table.add_column("span", overflow="ellipsis", no_wrap=True)
    table.add_column("kind", style="dim", no_wrap=True)
    table.add_column("time", no_wrap=True, width=_BAR_WIDTH)
    table.add_column("ms", justify="right", no_wrap=True)
    for span, branch in _depth_first(trace):
        name = Text(branch.translate(letters), style="dim") + Text(
            span.name, style="" if branch else "bold"
        )
        milliseconds = f"{(span.end_ns - span.start_ns) / 1e6:.2f}"
        table.add_row(
            name, span.kind, _bar(span, start, length, "━".translate(letters)), milliseconds
        )
    return table


def _depth_first(trace: Sequence[ReceivedSpan]) -> Iterator[tuple[ReceivedSpan, str]]:
    children: dict[str | None, list[ReceivedSpan]] = defaultdict(list)
    known = {span.span_id for span in trace}
    for span in sorted(trace, key=lambda span: span.start_ns):
        children[span.parent_id if span.parent_id in known else None].append(span)

    def walk(parent: str | None, indent: str) -> Iterator[tuple[ReceivedSpan, str]]:
        siblings = children[parent]
        for span in siblings:
            last = span is siblings[-1]
            root = parent is None
            yield span, "" if root else f"{indent}{'└─ ' if last else '├─ '}"
            yield from walk(span.span_id, indent if root else f"{indent}{'   ' if last else '│  '}")

    return walk(None, "")


def _bar(span: ReceivedSpan, start: int, length: int, dash: str) -> Text:
    left = (span.start_ns - start) * _BAR_WIDTH // length
    width = max((span.end_ns - span.start_ns) * _BAR_WIDTH // length, 1)
    left = min(left, _BAR_WIDTH - 1)
    width = min(width, _BAR_WIDTH - left)
    color = "red" if span.status == "error" else "cyan" if span.kind == "server" else "green"
    return Text(" " * left) + Text(dash * width, style=color)
