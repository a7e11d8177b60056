"""An exporter plugin for processes of their own: keeps a book, and misbehaves on request."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Literal

from attrs import frozen
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from bentotrace.hookspecs import hookimpl
from bentotrace.plugin import BuildContext, ExporterPlugin, Target, option


@frozen
class SpyOptions:
    behaviour: Literal["take", "sleep", "hang", "crash", "leave", "linger", "drop"] = option(
        default="take", help="What export and shutdown do."
    )


class SpyExporter(SpanExporter):
    def __init__(self, options: SpyOptions, context: BuildContext) -> None:
        self._behaviour = options.behaviour
        self._context = context

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self._behaviour == "hang":
            time.sleep(3600)
        if self._behaviour == "sleep":
            time.sleep(1.5)
        if self._behaviour == "crash":
            raise RuntimeError("spy crashed")
        if self._behaviour == "leave":
            raise SystemExit(3)
        if self._behaviour == "drop":
            self._context.drop(len(spans), "invalid span")
            return SpanExportResult.SUCCESS
        write(*(span.name for span in spans))
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        write("shutdown")
        if self._behaviour == "linger":
            time.sleep(3600)


def write(*names: str) -> None:
    """Append lines to the book, in one write, so that processes do not mix them."""
    with open(os.environ["SPY_BOOK"], "ab", buffering=0) as book:
        book.write("".join(f"{os.getpid()} {name}\n" for name in names).encode())


def _describe(name: str) -> ExporterPlugin:
    return ExporterPlugin(
        name=name,
        config=SpyOptions,
        create=SpyExporter,
        summary="Writes the names of spans to a file",
        target=lambda options: Target("ink", "http://reader:secret@book.test/"),
    )


class First:
    @hookimpl
    def bentotrace_exporter(self) -> ExporterPlugin:
        return _describe("spy")


class Second:
    @hookimpl
    def bentotrace_exporter(self) -> ExporterPlugin:
        return _describe("spy2")


first = First()
second = Second()
