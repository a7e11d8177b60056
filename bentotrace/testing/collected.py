"""The spans of one test of an application, and their tree as text."""

from __future__ import annotations

import difflib
import inspect
import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.trace import SpanKind, StatusCode

__all__ = ["CollectedSpans", "Tree", "collect"]

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Tree(str):
    """A tree of spans; equal to any text with the same lines, however it is indented."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, str):
            return NotImplemented
        # cleandoc() removes the indentation of the tree's own text, too.
        cleaned = inspect.cleandoc(_clean(other)).rstrip()
        return str.__eq__(self, other) or str.__eq__(self, cleaned)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


class CollectedSpans:
    """The spans that started and ended during a test, in the order of their ends."""

    def __init__(self, folder: Path, update: bool) -> None:
        self._folder = folder
        self._update = update
        self._arrived = threading.Condition()
        self._started: set[tuple[int, int]] = set()
        self._ended: list[ReadableSpan] = []

    def __iter__(self) -> Iterator[ReadableSpan]:
        with self._arrived:
            return iter(list(self._ended))

    def __len__(self) -> int:
        return len(self._ended)

    def __repr__(self) -> str:
        return f"<{len(self)} spans: {', '.join(self.names)}>"

    @property
    def names(self) -> list[str]:
        """The names, in the order of their ends."""
        return [span.name for span in self]

    def find(self, name: str) -> ReadableSpan:
        """Return the one span with a name.

        Raises:
            LookupError: there is none, or more than one.
        """
        found = [span for span in self if span.name == name]
        if len(found) != 1:
            raise LookupError(f"{len(found)} spans are named {name!r}; all are: {self.names}")
        return found[0]

    def wait(self, count: int, timeout: float = 5.0) -> list[ReadableSpan]:
        """Wait until at least ``count`` spans have ended, and return all.

        Raises:
            TimeoutError: fewer ended.
        """
        end = time.monotonic() + timeout
        with self._arrived:
            while len(self._ended) < count:
                left = end - time.monotonic()
                if left <= 0:
                    names = [span.name for span in self._ended]
                    raise TimeoutError(
                        f"{len(names)} of {count} spans ended within {timeout:g} s: {names}"
                    )
                self._arrived.wait(left)
            return list(self._ended)

    def clear(self) -> None:
        """Forget the spans so far."""
        with self._arrived:
            self._started.clear()
            self._ended.clear()

    def tree(self, *attributes: str) -> Tree:
        """Return a line for each span, below its parent's, in the order of their starts.

        A line has the name, the kind unless it is internal, the error, and these attributes.
        Control characters and lone surrogates are escaped, and blanks at its ends left out.
        """
        spans = sorted(self, key=lambda span: (span.start_time or 0, _ids(span)))
        known = {_ids(span) for span in spans}
        children: dict[tuple[int, int] | None, list[ReadableSpan]] = {}
        for span in spans:
            parent = span.parent
            above = None if parent is None else (parent.trace_id, parent.span_id)
            children.setdefault(above if above in known else None, []).append(span)

        lines = []
        # Not recursive, since spans may be nested more deeply than calls.
        stack = [(span, 0) for span in reversed(children.get(None, []))]
        while stack:
            span, depth = stack.pop()
            lines.append("  " * depth + _clean(_line(span, attributes)).strip())
            below = reversed(children.get(_ids(span), []))
            stack += [(child, depth + 1) for child in below]
        return Tree("\n".join(lines))

    def tree_is(self, file: str, *attributes: str) -> None:
        """Compare the tree with a file beside the test; ``--update-golden`` writes it.

        Raises:
            AssertionError: it is another tree; the message is a diff.
        """
        __tracebackhide__ = True
        path, tree = self._folder / file, f"{self.tree(*attributes)}\n"
        if self._update:
            path.write_text(tree, encoding="utf-8")
        golden = path.read_text(encoding="utf-8") if path.exists() else ""
        if tree != golden:
            diff = difflib.unified_diff(golden.splitlines(), tree.splitlines(), file, "now", n=9)
            text = "\n".join(line.rstrip("\n") for line in diff)
            raise AssertionError(f"{path}: another tree; --update-golden writes it:\n{text}")

    def start(self, span: Span) -> None:
        """Expect the end of a span."""
        with self._arrived:
            self._started.add(_ids(span))

    def end(self, span: ReadableSpan) -> None:
        """Keep a span if it started during the test."""
        with self._arrived:
            if _ids(span) in self._started:
                self._ended.append(span)
                self._arrived.notify_all()


class _Collector(SpanProcessor):
    """Passes the spans of a provider to those who collect."""

    def __init__(self) -> None:
        self.current: CollectedSpans | None = None

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        # Another thread may end the collection at any moment.
        current = self.current
        if current is not None:
            current.start(span)

    def on_end(self, span: ReadableSpan) -> None:
        current = self.current
        if current is not None:
            current.end(span)


_collectors: WeakKeyDictionary[Any, _Collector] = WeakKeyDictionary()


def collect(spans: CollectedSpans | None) -> None:
    """Pass the spans of the global provider to ``spans`` from now on; None ends that.

    Without a global provider, one of the SDK is installed, which records every span.
    """
    provider: Any = trace.get_tracer_provider()
    if not hasattr(provider, "add_span_processor"):
        trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))
        provider = trace.get_tracer_provider()
    if provider not in _collectors:
        _collectors[provider] = _Collector()
        provider.add_span_processor(_collectors[provider])
    for collector in _collectors.values():
        collector.current = spans


def _ids(span: Any) -> tuple[int, int]:
    context = span.get_span_context()
    return (context.trace_id, context.span_id)


def _clean(text: str) -> str:
    """Return text without blanks at the ends of lines, and with escapes that a file can have."""
    lines = []
    for line in text.split("\n"):
        content = line.strip()
        indentation = line[: len(line) - len(line.lstrip())] if content else ""
        lines.append(indentation + _UNPRINTABLE.sub(_escape, content))
    return "\n".join(lines)


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _line(span: ReadableSpan, attributes: tuple[str, ...]) -> str:
    parts = [span.name]
    if span.kind is not SpanKind.INTERNAL:
        parts.append(f"({span.kind.name.lower()})")
    found = span.attributes or {}
    for key in attributes:
        if key in found:
            value = found[key]
            text = value if isinstance(value, str) else json.dumps(value, default=repr)
            parts.append(f"{key}={text}")
    if span.status.status_code is StatusCode.ERROR:
        parts.append(f"error: {span.status.description}" if span.status.description else "error")
    return " ".join(parts)
