"""A pytest plugin that makes the spans of the SDK's own tests lean.

``pytest -p lean_provider`` replaces the SDK's provider before its tests import it.
"""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import trace as trace_api
from opentelemetry.sdk import trace

from bentotrace.spans import LeanProcessors, LeanSpan, LeanTracer, find_difference


class LeanProvider(trace.TracerProvider):
    """The SDK's provider, with lean spans where a test does not pass its own processors."""

    created = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if len(args) < 4 and kwargs.get("active_span_processor") is None:
            kwargs["active_span_processor"] = Count()
        super().__init__(*args, **kwargs)

    def get_tracer(self, *args: Any, **kwargs: Any) -> trace_api.Tracer:
        """Return a tracer of lean spans."""
        tracer = super().get_tracer(*args, **kwargs)
        return LeanTracer.adopt(tracer) if isinstance(tracer, trace.Tracer) else tracer


class Count(LeanProcessors):
    """Counts the lean spans that end."""

    def finish(self, span: LeanSpan) -> None:
        """Count a span and pass it on."""
        LeanProvider.created += 1
        super().finish(span)


assert find_difference() == "", find_difference()
trace.TracerProvider = LeanProvider  # type: ignore[misc]

_NAMES = dict(vars(trace))


def pytest_runtest_teardown() -> None:
    """Restore the module's names, since some of the SDK's tests reload it."""
    vars(trace).update(_NAMES)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Report the number of lean spans."""
    terminalreporter.write_line(f"lean spans: {LeanProvider.created}")
