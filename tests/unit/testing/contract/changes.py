"""What is changed in an exporter that keeps the contract, so that it breaks it."""

from __future__ import annotations

from typing import NamedTuple

PLUGIN, OPTIONS, ENCODER = "__init__.py", "options.py", "encoder.py"

_BROKEN = """
import os, threading, time
from attrs import evolve, frozen, make_class
from opentelemetry.sdk.trace.export import SpanExportResult
from bentotrace.plugin import option
from bentotrace.transport import FailureKind

_create_good = _create


class Base:
    def __init__(self, options, context):
        self.options, self.context, self.outcomes = options, context, []
        self.exporter = _create_good(*self.change(options, context))

    def change(self, options, context):
        return options, evolve(context, report=self.report)

    def report(self, outcome, number):
        self.outcomes.append(outcome)
        self.context.report(outcome, number)

    def export(self, spans):
        return self.exporter.export(spans)

    def shutdown(self):
        self.exporter.shutdown()

    def force_flush(self, timeout_millis=30000):
        return self.exporter.force_flush(timeout_millis)


class Broken(Base):
"""
_END = """

def _create(options, context):
    return Broken(options, context)
"""


class Change(NamedTuple):
    """A text of the good exporter's file, and its replacement."""

    file: str
    old: str
    new: str


class Row(NamedTuple):
    """A broken exporter.

    Attributes:
        name: of the row.
        duty: the name of the one test that fails, without ``test_``.
        changes: texts that are replaced.
        body: the body of the class ``Broken``, which wraps the good exporter.
        claims: the number of distributions that register it.
    """

    name: str
    duty: str
    changes: tuple[Change, ...] = ()
    body: str = ""
    claims: int = 1

    @property
    def code(self) -> str:
        """The code that is added to the plugin."""
        return f"{_BROKEN}{self.body.strip(chr(10))}\n{_END}" if self.body else ""


def add_option(text: str, before: str = "") -> tuple[Change, ...]:
    """Add an option, and code before the class."""
    return (
        Change(OPTIONS, "    token: str", f"    {text}\n    token: str"),
        Change(OPTIONS, "@frozen\nclass", f"{before}@frozen\nclass"),
    )


def add_to_descriptor(text: str) -> tuple[Change, ...]:
    """Add an argument to the descriptor."""
    return (
        Change(PLUGIN, 'credentials=["token"],', f'credentials=["token"],\n        {text},'),
        Change(PLUGIN, "import BuildContext, ", "import BuildContext, Check, "),
    )
