"""Find tests and code that depend on the speed of threads: sleep when a line runs first in a test.

A test that looks too late, when a background thread has already gone on, fails with ``test``; one
that looks too early, with ``threads``. ``product`` slows the application's side of each queue.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

# By their own names, since tests replace those of the modules.
from threading import get_ident
from time import sleep
from types import CodeType
from typing import Any

import pytest

SWITCH = "--slow-lines"
SECONDS = {"test": 0.03, "threads": 0.005, "product": 0.005}
# Lines of each thread that sleep, so that a test takes seconds at most.
LIMIT = 200
# A line that ran more often is not watched any more, because watching takes time too.
HOT = 200
# The rooms that share what they know with other threads.
SHARING = ("delivery/", "spool/", "transport/", "threads.py")


class SlowLines:
    """Sleeps when a thread runs a line for the first time in a test.

    Args:
        kinds: ``test`` for lines of tests in the main thread, ``threads`` for all lines in other
            threads, ``product`` for lines of the rooms in ``SHARING`` in the main thread.
        tests: the directory of the tests.
    """

    def __init__(self, kinds: list[str], tests: Path) -> None:
        self.kinds = kinds
        self.tests = f"{tests}/"
        package, *plugins = _find_packages()
        self.shared = (*(f"{package}{room}" for room in SHARING), *plugins)
        watched = {
            "test": (self.tests,),
            "threads": (self.tests, package, *plugins),
            "product": self.shared,
        }
        self.watched = tuple(path for kind in kinds for path in watched[kind])
        self.running = False
        self.hits: Counter[tuple[str, int]] = Counter()
        self.seen: defaultdict[int, set[tuple[str, int]]] = defaultdict(set)

    def start(self) -> None:
        """Watch the lines of this process."""
        monitoring = sys.monitoring
        tool = monitoring.PROFILER_ID
        monitoring.use_tool_id(tool, "slow lines")
        monitoring.register_callback(tool, monitoring.events.LINE, self._on_line)
        monitoring.set_events(tool, monitoring.events.LINE)

    def pytest_unconfigure(self) -> None:
        """Stop before this module ends."""
        sys.monitoring.set_events(sys.monitoring.PROFILER_ID, 0)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Iterator[None]:
        """Sleep in each test anew, and not between tests."""
        self.hits.clear()
        self.seen.clear()
        self.running = True
        sys.monitoring.restart_events()
        try:
            return (yield)
        finally:
            self.running = False

    def _on_line(self, code: CodeType, line: int) -> Any:
        file = code.co_filename
        if not file.startswith(self.watched) or file == __file__:
            return sys.monitoring.DISABLE
        if not self.running:
            return None
        # A code object would be hashed with all that it contains.
        place = file, line
        self.hits[place] += 1
        if self.hits[place] > HOT:
            return sys.monitoring.DISABLE
        thread = get_ident()
        kind = self._kind(file, thread)
        seen = self.seen[thread]
        if kind in self.kinds and place not in seen and len(seen) < LIMIT:
            seen.add(place)
            sleep(SECONDS[kind])
        return None

    def _kind(self, file: str, thread: int) -> str:
        if thread != threading.main_thread().ident:
            return "threads"
        if file.startswith(self.tests):
            return "test"
        return "product" if file.startswith(self.shared) else ""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the switch."""
    parser.addoption(
        SWITCH,
        action="append",
        choices=list(SECONDS),
        help="sleep when a line first runs in a test: lines of tests in the main thread, all lines "
        "in other threads, or lines of the product in the main thread",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Start where the switch is used."""
    kinds = config.getoption(SWITCH)
    if not kinds:
        return
    if sys.version_info < (3, 12):
        raise pytest.UsageError(f"{SWITCH} needs Python 3.12 or newer")
    slow = SlowLines(kinds, config.rootpath / "tests")
    config.pluginmanager.register(slow)
    slow.start()


def _find_packages() -> Iterator[str]:
    plugins = {entry.module for entry in entry_points(group="bentotrace.exporters")}
    for name in ("bentotrace", *sorted(plugins)):
        spec = find_spec(name)
        if spec is not None and spec.origin is not None:
            yield f"{Path(spec.origin).parent}/"
